package scaling

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Composite is a composite alarm that is in ALARM while all of some alarms are.
type Composite struct {
	ARN, Name string
	// All are the names of the alarms. ParseRule reads them from an alarm rule.
	All []string
	// NotEvaluated says why the local cloud cannot evaluate the rule.
	NotEvaluated string
}

var (
	ruleTerm = regexp.MustCompile(`^ALARM\(\s*(?:"([^"]+)"|([^"\s()]+))\s*\)$`)
	ruleAnd  = regexp.MustCompile(`\s+AND\s+`)
)

// ParseRule reads an alarm rule such as ALARM("a") AND ALARM("b"), where alarms
// are given by name. Of the functions and operators of PutCompositeAlarm (API
// reference) the local cloud has these two only; the error says so.
func ParseRule(rule string) ([]string, error) {
	var names []string
	for _, term := range ruleAnd.Split(strings.TrimSpace(rule), -1) {
		match := ruleTerm.FindStringSubmatch(term)
		if match == nil {
			return nil, fmt.Errorf("localcloud evaluates alarm rules of the form ALARM(\"a\") AND ALARM(\"b\"), and not %q", rule)
		}
		names = append(names, match[1]+match[2])
	}
	return names, nil
}

// composite is a Composite and where it stands.
type composite struct {
	Composite
	AlarmState
}

// registerComposites is called with the alarms registered. A composite alarm is
// in INSUFFICIENT_DATA only until its rule is first evaluated (PutCompositeAlarm
// in the API reference), which is at once.
func (s *Scaler) registerComposites(definitions []Composite, now time.Time) {
	old := s.composites
	s.composites = nil
	for _, definition := range definitions {
		next := &composite{Composite: definition, AlarmState: AlarmState{
			ARN: definition.ARN, Name: definition.Name, State: InsufficientData, Reason: "Unchecked: Initial alarm creation", Since: now,
		}}
		if definition.NotEvaluated != "" {
			next.Reason = "Not evaluated: " + definition.NotEvaluated
		} else if at := slices.IndexFunc(old, func(c *composite) bool { return c.Composite.ARN == definition.ARN }); at >= 0 {
			next.AlarmState = old[at].AlarmState
		}
		s.composites = append(s.composites, next)
	}
	s.runComposites(now)
}

// runComposites follows the alarms, whose states may just have changed.
func (s *Scaler) runComposites(now time.Time) {
	for _, c := range s.composites {
		if c.NotEvaluated != "" {
			continue
		}
		var quiet []string
		for _, name := range c.All {
			if at := slices.IndexFunc(s.alarms, func(a *alarm) bool { return a.Name == name }); at < 0 || s.alarms[at].state != InAlarm {
				quiet = append(quiet, name)
			}
		}
		state, reason := InAlarm, fmt.Sprintf("%s are in ALARM", strings.Join(c.All, " and "))
		if len(quiet) > 0 {
			state, reason = OK, fmt.Sprintf("not in ALARM: %s", strings.Join(quiet, ", "))
		}
		if state != c.State {
			c.State, c.Since = state, now
		}
		c.Reason = reason
	}
}
