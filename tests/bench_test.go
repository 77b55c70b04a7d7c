package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"scaletozero/localcloud"
)

// figure is one number that a benchmark comes to. The names of its fields in
// JSON are those of the file that `make bench` writes.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Bar is the value to reach, or not to pass; 0 if there is none.
	Bar float64 `json:"bar,omitempty"`
	OK  bool    `json:"ok"`
}

func atMost(bar float64, name string, value float64, unit string) figure {
	return figure{name, value, unit, bar, value <= bar}
}

func atLeast(bar float64, name string, value float64, unit string) figure {
	return figure{name, value, unit, bar, value >= bar}
}

// noBar is a figure that others are understood by.
func noBar(name string, value float64, unit string) figure {
	return figure{Name: name, Value: value, Unit: unit, OK: true}
}

// benchmarks are all that `make bench` runs; a new one is one more entry.
var benchmarks = []struct {
	name string
	run  func(b *testing.B) []figure
}{
	{"gateway", benchGateway},
	{"wake", benchWake},
	{"functions", benchFunctions},
	{"jobs", benchJobs},
	{"preview", benchPreview},
}

// runs is how often each benchmark measures; its figures are the medians.
const runs = 5

// BenchmarkAll runs every benchmark once, prints a table, and writes it as JSON
// to the file that BENCH_FILE names. It fails if a figure misses its bar.
func BenchmarkAll(b *testing.B) {
	// As `localcloud serve` has it, which all of this stands for.
	defer debug.SetGCPercent(debug.SetGCPercent(localcloud.GCPercent))
	var all []figure
	for _, benchmark := range benchmarks {
		b.Run(benchmark.name, func(b *testing.B) { all = append(all, benchmark.run(b)...) })
	}
	// A benchmark's own log is shown only when it fails.
	fmt.Printf("medians of %d runs on %s\n%s", runs, machine(), table(b, all))
	if file := os.Getenv("BENCH_FILE"); file != "" {
		content, err := json.MarshalIndent(all, "", "  ")
		require.NoError(b, err)
		require.NoError(b, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(b, os.WriteFile(file, append(content, '\n'), 0o600))
	}
	for _, figure := range all {
		if !figure.OK {
			b.Errorf("%s is %.3g %s: the bar is %.3g", figure.Name, figure.Value, figure.Unit, figure.Bar)
		}
	}
}

func table(b *testing.B, all []figure) string {
	b.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, f := range all {
		bar, verdict := fmt.Sprintf("bar %.3g", f.Bar), "ok"
		switch {
		case f.Bar == 0:
			bar, verdict = "no bar", ""
		case !f.OK:
			verdict = "MISSED"
		}
		_, err := fmt.Fprintf(w, "%s\t%.3f %s\t%s\t%s\n", f.Name, f.Value, f.Unit, bar, verdict)
		require.NoError(b, err)
	}
	require.NoError(b, w.Flush())
	return text.String()
}

// machine is what the figures hold for.
func machine() string {
	processor := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil { // Linux only.
		for line := range strings.Lines(string(info)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				processor = strings.TrimSpace(value)
			}
		}
	}
	return fmt.Sprintf("%d x %s, %s/%s, %s", runtime.NumCPU(), processor, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func median(values []float64) float64 { return percentile(values, 0.5) }

// percentile sorts the values.
func percentile(values []float64, p float64) float64 {
	slices.Sort(values)
	return values[int(p*float64(len(values)-1))]
}
