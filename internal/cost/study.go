package cost

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// Study is what docs/choosing.md shows: the curves of the built-in traces, and
// from how many requests on a function costs more than an endpoint. It holds
// what was used, and no prices, so that a price can change without simulating
// all of it again.
type Study struct {
	Curves     []*Curve
	Crossovers []*Crossover
}

// Crossover is the number of requests at which a function begins to cost more
// than an endpoint.
type Crossover struct {
	Traffic, Lambda, Endpoint string
	// MemoryMB is what the model needs: the function has as much.
	MemoryMB int
	// Requests is per month, 0 where the function costs less up to Most, what the
	// largest fleet answers.
	Requests, Most float64
	// Span is how much of the trace was simulated, and the usages are those of the
	// point; none where there is no such point.
	Span                       time.Duration
	LambdaUsage, EndpointUsage Usage
}

// versus are the designs that are compared: function and endpoint.
var versus = [][2]string{
	{"Lambda", "scale to zero"},
	{"Lambda, kept warm in business hours", "business hours"},
	{"Lambda", "always on"},
}

// sizes are the memory, in MB, that models need: that which comes with one vCPU
// of a function, with which the program's copies share an instance, and what
// leaves no room for a second copy on an ml.m5.large of 8 GB.
var sizes = []int{mbPerCPU, alone}

const alone = 7168

// Study simulates it.
func (s *Scenario) Study(curves []*Curve, traces []*Trace) (*Study, error) {
	study := &Study{Curves: curves}
	for _, t := range traces {
		for _, memory := range sizes {
			for _, pair := range versus {
				study.Crossovers = append(study.Crossovers, &Crossover{Traffic: t.Name, Lambda: pair[0], Endpoint: pair[1], MemoryMB: memory})
			}
		}
	}
	err := parallel(len(study.Crossovers), func(i int) error {
		t := traces[slices.IndexFunc(traces, func(t *Trace) bool { return t.Name == study.Crossovers[i].Traffic })]
		return s.sized(study.Crossovers[i].MemoryMB).find(study.Crossovers[i], t)
	})
	return study, err
}

// sized is the scenario of a model that needs so much memory. It takes as long.
func (s *Scenario) sized(memory int) *Scenario {
	program := *s.Program
	program.Function.MemoryMB = memory
	if memory == alone {
		program.PerInstance = 1
	}
	return &Scenario{Program: &program, Model: s.Model, Prices: s.Prices}
}

// A crossover is looked for from where a function costs cents, to 3 %.
const (
	searchFrom = 10_000
	precision  = 1.03
)

// find looks for the first point at which the function costs more. More requests
// cost no less on an endpoint, and on a function at most in proportion: where the
// endpoint costs twice as much, it still costs more at twice the requests, so
// that no point in between has to be looked at.
func (s *Scenario) find(c *Crossover, t *Trace) error {
	week := t.first(curveSpan)
	c.Most, c.Span = s.most(week), week.End.Sub(week.Start)
	for requests := min(searchFrom, c.Most); ; {
		scaled := week.Scaled(requests / week.perMonth())
		function, err := s.run(designOf(c.Lambda), scaled)
		if err != nil {
			return err
		}
		endpoint, err := s.run(designOf(c.Endpoint), scaled)
		if err != nil {
			return err
		}
		switch {
		case function.Monthly > endpoint.Monthly:
			c.Requests, c.LambdaUsage, c.EndpointUsage = requests, function.Usage, endpoint.Usage
			return nil
		case requests == c.Most:
			return nil
		}
		requests = min(c.Most, requests*max(endpoint.Monthly/function.Monthly, precision))
	}
}

func designOf(name string) Design {
	return Designs()[slices.IndexFunc(Designs(), func(d Design) bool { return d.Name == name })]
}

// Costs are what the function and the endpoint cost a month at the crossover, in
// US dollars: about the same. Both are 0 where there is none.
func (s *Scenario) Costs(c *Crossover) (function, endpoint float64) {
	if c.Requests == 0 {
		return 0, 0
	}
	sized := s.sized(c.MemoryMB)
	return s.Prices.cost(sized.Program, designOf(c.Lambda), c.LambdaUsage, c.Span),
		s.Prices.cost(sized.Program, designOf(c.Endpoint), c.EndpointUsage, c.Span)
}

// Table is the crossovers in Markdown: a row for each kind of traffic and size.
func (s *Study) Table() string {
	var table strings.Builder
	table.WriteString("| traffic | memory |")
	for _, pair := range versus {
		fmt.Fprintf(&table, " %s, against %s |", pair[0], pair[1])
	}
	table.WriteString("\n|---|---|" + strings.Repeat("---|", len(versus)) + "\n")
	for i, c := range s.Crossovers {
		if i%len(versus) == 0 {
			fmt.Fprintf(&table, "| %s | %s MB |", c.Traffic, grouped(c.MemoryMB))
		}
		if c.Requests == 0 {
			fmt.Fprintf(&table, " always, up to %s |", rounded(c.Most))
		} else {
			fmt.Fprintf(&table, " up to %s |", rounded(c.Requests))
		}
		if i%len(versus) == len(versus)-1 {
			table.WriteString("\n")
		}
	}
	return table.String()
}

// Overview is what the designs cost at about so many requests a month, and how
// many of those were refused at first, in Markdown. The curves have to be priced.
func (s *Study) Overview(requests float64) string {
	var table strings.Builder
	table.WriteString("| |")
	for _, c := range s.Curves {
		fmt.Fprintf(&table, " %s |", c.Name)
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(s.Curves)) + "\n")
	for i, d := range Designs() {
		fmt.Fprintf(&table, "| %s |", d.Name)
		for _, c := range s.Curves {
			point := slices.IndexFunc(c.Requests, func(r float64) bool { return r >= requests/precision })
			fmt.Fprintf(&table, " %.2f", c.Monthly[i][point])
			if u := c.Usages[i][point]; u.Refused > 0 {
				fmt.Fprintf(&table, ", %.1f %% refused", 100*float64(u.Refused)/float64(u.Requests))
			}
			table.WriteString(" |")
		}
		table.WriteString("\n")
	}
	return table.String()
}

// rounded is a number to two digits.
func rounded(x float64) string {
	power := math.Pow(10, math.Floor(math.Log10(x))-1)
	return grouped(int(math.Round(x/power) * power))
}

// WriteFile writes the study as JSON.
func (s *Study) WriteFile(file string) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // Nothing in it is secret.
}

// ReadStudy reads what WriteFile wrote; the curves still have to be priced.
func ReadStudy(file string) (*Study, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the study cannot be read: %w", err)
	}
	study := &Study{}
	if err := json.Unmarshal(text, study); err != nil {
		return nil, fmt.Errorf("the study %s: %w", file, err)
	}
	return study, nil
}
