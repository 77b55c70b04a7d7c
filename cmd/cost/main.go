// Command cost compares what traffic costs on an endpoint that is always on, on
// one that scales to zero, on one that does so outside of business hours, and on
// Lambda. It prints a table and draws a picture.
//
//	cost [-stack STACK] [-trace NAME|FILE] [-requests N] [-svg FILE]
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

func main() {
	stack := flag.String("stack", "prod", "the stack whose scaling is simulated: dev, prod or local")
	trace := flag.String("trace", "", "office-hours, spiky, steady or a CSV file; all three if empty")
	requests := flag.Float64("requests", 10_000, "requests a month of the built-in traces")
	picture := flag.String("svg", ".local/cost.svg", "where the picture goes")
	flag.Parse()
	debug.SetGCPercent(garbage)
	if err := compare(*stack, *trace, *requests, *picture); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func compare(stack, trace string, requests float64, picture string) error {
	if !(requests >= 1 && requests <= 100_000_000) {
		return fmt.Errorf("-requests is %g; give a number from 1 to 100000000", requests)
	}
	traces, err := read(trace, requests)
	if err != nil {
		return err
	}
	// What each stack registers, as the program's own test keeps it.
	graph := filepath.Join("tests", "testdata", fmt.Sprintf("graph.%s.golden.json", stack))
	program, err := cost.ReadProgram(graph)
	if err != nil {
		return err
	}
	prices, err := cost.LoadPrices(program.InstanceType)
	if err != nil {
		return err
	}
	scenario := &cost.Scenario{Program: program, Model: cost.DefaultModel(), Prices: prices}
	var curves []*cost.Curve
	for _, t := range traces {
		comparison, err := scenario.Compare(t)
		if err != nil {
			return err
		}
		if err := comparison.Write(os.Stdout); err != nil {
			return err
		}
		var longest time.Duration
		for _, r := range comparison.Results {
			longest = max(longest, r.Took)
		}
		fmt.Printf("  (simulated in %s for the design that took longest)\n\n", longest.Round(time.Millisecond))
		curve, err := scenario.Curve(t)
		if err != nil {
			return err
		}
		curves = append(curves, curve)
	}
	fmt.Printf("Policies and alarm as in %s.\n", graph)
	if err := scenario.Write(os.Stdout); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(picture), 0o755); err != nil { //nolint:gosec // Nothing in it is secret.
		return err
	}
	if err := os.WriteFile(picture, []byte(cost.Plot(curves, prices)), 0o644); err != nil { //nolint:gosec // Nor here.
		return err
	}
	fmt.Printf("wrote %s\n", picture)
	return nil
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
