// Command cost compares what traffic costs on an endpoint that is always on, on
// one that scales to zero, on one that does so outside of business hours, and on
// Lambda, with and without an environment that is kept in business hours. It
// prints a table and draws a picture.
//
//	cost [-stack STACK] [-trace NAME|FILE] [-requests N] [-svg FILE]
//
// Without any flag it also looks for the points where the designs cost the same,
// and the picture is that of docs/choosing.md: it writes docs/images/cost.svg,
// and cost.json with what both are drawn from.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"scaletozero/internal/cost"
)

// garbage lets the heap grow to five times what is alive: it is small, and a
// simulation makes much that does not last.
const garbage = 400

// Where pictures go: the documentation's, and others.
const (
	documented = "docs/images/cost.svg"
	elsewhere  = ".local/cost.svg"
)

// withEndpoint is the stack whose endpoint is compared where a stack has none.
const withEndpoint = "prod"

func main() {
	stack := flag.String("stack", withEndpoint, "the stack whose scaling or function is simulated; its resource graph is in tests/testdata")
	trace := flag.String("trace", "", "office-hours, spiky, steady or a CSV file; all three if empty")
	requests := flag.Float64("requests", 10_000, "requests a month of the built-in traces")
	picture := flag.String("svg", elsewhere, "where the picture goes")
	flag.Parse()
	debug.SetGCPercent(garbage)
	study := flag.NFlag() == 0
	if study {
		*picture = documented
	}
	if err := compare(*stack, *trace, *requests, *picture, study); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func compare(stack, trace string, requests float64, picture string, study bool) error {
	if !(requests >= 1 && requests <= 100_000_000) {
		return fmt.Errorf("-requests is %g; give a number from 1 to 100000000", requests)
	}
	traces, err := read(trace, requests)
	if err != nil {
		return err
	}
	program, from, err := programOf(stack)
	if err != nil {
		return err
	}
	prices, err := cost.LoadPrices(program)
	if err != nil {
		return err
	}
	scenario := &cost.Scenario{Program: program, Model: cost.DefaultModel(), Prices: prices}
	var curves []*cost.Curve
	for _, t := range traces {
		curve, err := compareUnder(scenario, t)
		if err != nil {
			return err
		}
		curves = append(curves, curve)
	}
	fmt.Printf("%s.\n", from)
	if err := scenario.Write(os.Stdout); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(picture), 0o755); err != nil { //nolint:gosec // Nothing in it is secret.
		return err
	}
	if study {
		if err := writeStudy(scenario, curves, traces, filepath.Dir(picture)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(picture, []byte(cost.Plot(curves, prices)), 0o644); err != nil { //nolint:gosec // Nor here.
		return err
	}
	fmt.Printf("wrote %s\n", picture)
	return nil
}

// compareUnder prints what a trace costs, and simulates its shape.
func compareUnder(scenario *cost.Scenario, t *cost.Trace) (*cost.Curve, error) {
	comparison, err := scenario.Compare(t)
	if err != nil {
		return nil, err
	}
	if err := comparison.Write(os.Stdout); err != nil {
		return nil, err
	}
	var longest time.Duration
	for _, r := range comparison.Results {
		longest = max(longest, r.Took)
	}
	fmt.Printf("  (simulated in %s for the design that took longest)\n\n", longest.Round(time.Millisecond))
	return scenario.Curve(t)
}

// writeStudy prints where a function begins to cost more, and writes what the
// documentation shows.
func writeStudy(scenario *cost.Scenario, curves []*cost.Curve, traces []*cost.Trace, folder string) error {
	study, err := scenario.Study(curves, traces)
	if err != nil {
		return err
	}
	fmt.Printf("\nRequests a month up to which a function costs less:\n\n%s\n", study.Table())
	return study.WriteFile(filepath.Join(folder, "cost.json"))
}

// graphOf is what a stack registers, as the program's own test keeps it.
func graphOf(stack string) string {
	return filepath.Join("tests", "testdata", fmt.Sprintf("graph.%s.golden.json", stack))
}

// programOf is what a stack registers, and where that is from. One with a
// function is compared with the endpoint of another.
func programOf(stack string) (program *cost.Program, from string, err error) {
	program, err = cost.ReadProgram(graphOf(stack))
	if err != nil || program.HasEndpoint() {
		return program, "Policies and alarm as in " + graphOf(stack), err
	}
	endpoint, err := cost.ReadProgram(graphOf(withEndpoint))
	if err != nil {
		return nil, "", err
	}
	endpoint.Function = program.Function
	return endpoint, "Policies and alarm as in " + graphOf(withEndpoint) + ", the function as in " + graphOf(stack), nil
}

// read gives the traces with a name, or all that are built in for "".
func read(trace string, requests float64) ([]*cost.Trace, error) {
	names := cost.BuiltIn()
	if trace != "" {
		names = []string{trace}
	}
	var traces []*cost.Trace
	for _, name := range names {
		t, err := one(name, requests)
		if err != nil {
			return nil, err
		}
		traces = append(traces, t)
	}
	return traces, nil
}

func one(name string, requests float64) (*cost.Trace, error) {
	if slices.Contains(cost.BuiltIn(), name) {
		return cost.NewTrace(name, requests)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("the trace is none of %v, and as a file it cannot be read: %w", cost.BuiltIn(), err)
	}
	return cost.ReadTrace(name, bytes.NewReader(text))
}
