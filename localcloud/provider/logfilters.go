package provider

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"

	"scaletozero/localcloud/metrics"
)

var logMetricFilterKind = &kind{
	inputs:    schemaOf(&cloudwatch.LogMetricFilterArgs{}),
	nameLimit: 512,
	rules:     map[string]rule{"name": matching(`^[^:*]+$`, 512), "pattern": lengthBetween(0, 1024)},
	replaceOn: []string{"name", "logGroupName"},
	identity:  []string{"name", "logGroupName"},
	id:        inputAsID("name"),
	check: func(s *Server, r *Resource) error {
		if group := r.Inputs.text("logGroupName"); s.store.Find(TypeLogGroup, group, "") == nil {
			return fmt.Errorf("ResourceNotFoundException: The specified log group does not exist: %s", group)
		}
		_, err := metricFilterOf(r)
		return err
	},
}

// metricFilter counts lines of a log group.
type metricFilter struct {
	pattern         *metrics.Pattern
	namespace, name string
	// value is counted for a line that matches, and fallback, where there is one, for any other. On AWS the latter is
	// counted once for a minute in which no line matched; in a sum, which is what such metrics are for, 0 is the same.
	value    float64
	fallback *float64
}

func metricFilterOf(r *Resource) (metricFilter, error) {
	counts := r.Inputs.object("metricTransformation")
	f := metricFilter{namespace: counts.text("namespace"), name: counts.text("name")}
	if len(counts.texts("dimensions")) > 0 {
		return f, errors.New("localcloud implements no dimensions in metricTransformation")
	}
	var err error
	if f.pattern, err = metrics.ParsePattern(r.Inputs.text("pattern")); err != nil {
		return f, err
	}
	if f.value, err = strconv.ParseFloat(counts.text("value"), 64); err != nil {
		return f, fmt.Errorf("localcloud counts numbers: metricTransformation.value must be one such as \"1\", but is %q", counts.text("value"))
	}
	if text := counts.text("defaultValue"); text != "" {
		fallback, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return f, fmt.Errorf("metricTransformation.defaultValue must be a number, but is %q", text)
		}
		f.fallback = &fallback
	}
	return f, nil
}

// accessLog is the file that stands for a log group, and what is counted of its lines.
type accessLog struct {
	group   string
	file    *os.File
	metric  Metric
	filters atomic.Pointer[[]metricFilter]
}

// Write takes one line. The gateway never writes two at once.
func (l *accessLog) Write(line []byte) (int, error) {
	for _, f := range *l.filters.Load() {
		switch {
		case f.pattern.Matches(line):
			l.metric(f.namespace, f.name, nil, f.value)
		case f.fallback != nil:
			l.metric(f.namespace, f.name, nil, *f.fallback)
		}
	}
	return l.file.Write(line)
}

// filter makes the log count what the store's filters of its group say.
func (s *Server) filter(l *accessLog) error {
	filters := []metricFilter{}
	for _, r := range s.store.Resources(TypeLogMetricFilter) {
		if r.Inputs.text("logGroupName") != l.group {
			continue
		}
		f, err := metricFilterOf(r)
		if err != nil {
			return fmt.Errorf("metric filter %s: %w", r.ID, err)
		}
		filters = append(filters, f)
	}
	l.filters.Store(&filters)
	return nil
}
