package slo_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// An alarm wants three periods of five minutes above, which slide by a minute: of the first, so many minutes must be
// slow that the percentile is.
func TestLatencyAlarms(t *testing.T) {
	// share of 100 requests takes the longer time.
	minute := func(share int, longer float64) traffic {
		var all []float64
		for i := range 100 {
			all = append(all, map[bool]float64{true: longer, false: 20}[i < share])
		}
		return traffic{requests: 100, milliseconds: all}
	}
	for name, test := range map[string]struct {
		minute   traffic
		p95, p50 time.Duration
	}{
		"within":           {minute(100, 60), never, never},
		"a few slow ones":  {minute(5, 5000), never, never},
		"more slow ones":   {minute(6, 81), 15 * time.Minute, never},
		"as slow as may":   {minute(6, 80), never, never},
		"half of them":     {minute(50, 79), never, never},
		"more than half":   {minute(51, 61), never, 15 * time.Minute},
		"all of them slow": {minute(100, 81), 11 * time.Minute, 13 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for alarm, want := range map[string]time.Duration{"-latency-p95": test.p95, "-latency-p50": test.p50} {
				d := begin(t, run(t, args()))
				d.passes(30, minute(0, 0))
				assert.Equal(t, want, d.until(alarm, true, test.minute, 30*time.Minute), alarm)
				if want != never {
					assert.NotEqual(t, never, d.until(alarm, false, minute(0, 0), 15*time.Minute), "%s ends", alarm)
				}
			}
		})
	}
}

// With few requests one that is slow would be the percentile, and tells nothing about it.
func TestFewSlowAnswersWakeNobody(t *testing.T) {
	for name, test := range map[string]struct {
		requests int
		// milliseconds of the requests of a minute, in turn.
		milliseconds []float64
		p95, p50     bool
	}{
		"one a minute, and each is slow":        {1, []float64{5000}, false, true},
		"four a minute":                         {4, []float64{5000}, false, true},
		"five a minute":                         {5, []float64{5000}, true, true},
		"five a minute, and one of them is":     {5, []float64{5000, 10, 10, 10, 10}, true, false},
		"four a minute, and one of them is":     {4, []float64{5000, 10, 10, 10}, false, false},
		"twenty a minute, and one of them is":   {20, append(fast(19), 5000), false, false},
		"nineteen a minute, and one of them is": {19, append(fast(18), 5000), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for alarm, rings := range map[string]bool{"-latency-p95": test.p95, "-latency-p50": test.p50} {
				d := begin(t, run(t, args()))
				d.passes(30, traffic{requests: test.requests})
				at := d.until(alarm, true, traffic{requests: test.requests, milliseconds: test.milliseconds}, time.Hour)
				assert.Equal(t, rings, at != never, "%s: %s", alarm, at)
			}
		})
	}
	t.Run("two in five minutes", func(t *testing.T) {
		d := begin(t, run(t, args()))
		d.passes(30, traffic{none: true})
		for i := range 60 {
			d.pass(traffic{requests: 1, milliseconds: []float64{5000}, none: i%5 > 1})
			assert.False(t, d.rings("-latency-p50"))
		}
	})
}

func fast(n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = 10
	}
	return all
}

func TestSilenceEndsTheAlarmAboutLatency(t *testing.T) {
	for _, alarm := range []string{"-latency-p95", "-latency-p50"} {
		d := begin(t, run(t, args()))
		d.passes(30, traffic{milliseconds: []float64{5000}})
		assert.True(t, d.rings(alarm))
		assert.NotEqual(t, never, d.until(alarm, false, traffic{none: true}, 15*time.Minute), alarm)
		assert.Equal(t, never, d.until(alarm, true, traffic{none: true}, time.Hour), "%s: it stays so", alarm)
	}
}
