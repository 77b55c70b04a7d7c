package slo_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaletozero/components/slo"
)

// The alarms of the workbook's table: each rings after long window × burn rate × budget ÷ error rate, if the error
// rate is above burn rate × budget, and otherwise never. That of the longest window is evaluated once an hour.
func TestDetectionTimesAreTheWorkbooks(t *testing.T) {
	const budget = 0.001
	burns := []struct {
		name              string
		rate              float64
		long, short, step time.Duration
	}{
		{"fast", 14.4, time.Hour, 5 * time.Minute, time.Minute},
		{"steady", 6, 6 * time.Hour, 30 * time.Minute, time.Minute},
		{"slow", 1, 72 * time.Hour, 6 * time.Hour, time.Hour},
	}
	for _, test := range []struct {
		errorRate float64
		// rings are the names of the alarms that do.
		rings string
	}{
		{1, "fast steady slow"},
		{0.1, "fast steady slow"},
		{0.01, "steady slow"},
		{0.002, "slow"},
		{0.0005, ""},
	} {
		t.Run(fmt.Sprintf("%g %%", test.errorRate*100), func(t *testing.T) {
			t.Parallel()
			d := beginAfter(t, run(t, args()), 80*time.Hour)
			broken := traffic{failed: test.errorRate}
			began, rang := d.clock.Now(), map[string]time.Duration{}
			for d.clock.Now().Sub(began) < 76*time.Hour && (test.rings == "" || rang["slow"] == 0) {
				d.pass(broken)
				for _, burn := range burns {
					if rang[burn.name] == 0 && d.rings("-burn-"+burn.name) {
						rang[burn.name] = d.clock.Now().Sub(began)
					}
				}
			}
			names := ""
			for _, burn := range burns {
				got, did := rang[burn.name]
				if !did {
					continue
				}
				names += " " + burn.name
				want := time.Duration(float64(burn.long) * burn.rate * budget / test.errorRate)
				// Exactly at the rate is not above it, hence the second step where it divides.
				assert.GreaterOrEqual(t, got, want.Truncate(burn.step), burn.name)
				assert.LessOrEqual(t, got, want.Truncate(burn.step)+burn.step, burn.name)
				t.Logf("%g %%: %s after %s; the workbook has %s", test.errorRate*100, burn.name, got, want.Round(time.Second))
			}
			assert.Equal(t, test.rings, names[min(1, len(names)):])
		})
	}
}

// Once the errors are over, the short window ends the alarm; the long one would go on.
func TestTheShortWindowEndsTheAlarm(t *testing.T) {
	for _, test := range []struct {
		alarm string
		short time.Duration
		quiet bool
		// most: where nobody calls, an alarm's evaluation range of three periods has to pass.
		most time.Duration
	}{
		{"-burn-fast", 5 * time.Minute, false, 5 * time.Minute},
		{"-burn-steady", 30 * time.Minute, false, 30 * time.Minute},
		{"-burn-slow", 6 * time.Hour, false, 6 * time.Hour},
		{"-burn-fast", 5 * time.Minute, true, 15 * time.Minute},
	} {
		t.Run(fmt.Sprintf("%s, quiet %t", test.alarm, test.quiet), func(t *testing.T) {
			t.Parallel()
			d := begin(t, run(t, args()))
			for range 60 {
				d.pass(traffic{failed: 1})
			}
			assert.True(t, d.rings(test.alarm))
			over := d.until(test.alarm, false, traffic{none: test.quiet}, 24*time.Hour)
			assert.Greater(t, over, test.short-2*time.Minute)
			assert.LessOrEqual(t, over, test.most)
			if !test.quiet {
				assert.True(t, d.rings(test.alarm+"-long"))
			}
			assert.False(t, d.rings(test.alarm+"-short"))
		})
	}
}

// A burst that is over before it is worth a call wakes nobody: both windows must agree.
func TestAShortBurstRingsNothing(t *testing.T) {
	d := begin(t, run(t, args()))
	d.pass(traffic{failed: 0.5})
	assert.True(t, d.rings("-burn-fast-short"))
	assert.Equal(t, never, d.until("-burn-fast", true, traffic{}, time.Hour))
}

// What finds the model asleep is by design, unless it is said to count: a night's sleep and the wake-up in the morning.
func TestColdStarts(t *testing.T) {
	asleep := traffic{starting: 1}
	for name, test := range map[string]struct {
		args *slo.Args
		then traffic
		want time.Duration
	}{
		"apart":                     {args(), asleep, never},
		"most of them":              {args(), traffic{starting: 0.9}, never},
		"with a failure among them": {args(), traffic{starting: 0.9, failed: 0.05}, time.Minute},
		"counted":                   {changed(func(a *slo.Args) { a.CountColdStarts = true }), asleep, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := begin(t, run(t, test.args))
			for range 60 {
				d.pass(traffic{none: true})
			}
			assert.Equal(t, test.want, d.until("-burn-fast", true, test.then, 3*time.Hour))
			for _, alarm := range []string{"-burn-fast", "-burn-steady", "-burn-slow"} {
				if test.want == never {
					assert.False(t, d.rings(alarm), alarm)
				}
			}
		})
	}
}

func TestFailuresCountWithColdStartsTooWhereThoseCount(t *testing.T) {
	d := begin(t, run(t, changed(func(a *slo.Args) { a.CountColdStarts = true })))
	assert.Equal(t, 9*time.Minute, d.until("-burn-fast", true, traffic{failed: 0.06, starting: 0.04}, time.Hour))
}

func TestOtherBudgets(t *testing.T) {
	// A tenth of the budget, so a tenth of the time.
	d := begin(t, run(t, changed(func(a *slo.Args) { a.Objectives.Availability = 99.99 })))
	assert.Equal(t, time.Minute, d.until("-burn-fast", true, traffic{failed: 0.1}, time.Hour))
	d = begin(t, run(t, changed(func(a *slo.Args) { a.Objectives.Availability = slo.MinAvailability })))
	assert.Equal(t, 44*time.Minute, d.until("-burn-fast", true, traffic{failed: 1}, time.Hour), "the lowest can still be missed")
}

// An alarm wants three periods of five minutes above, which slide by a minute: of the first, so many minutes must be
// slow that the percentile is.
func TestLatencyAlarms(t *testing.T) {
	// share of 100 requests takes the longer time.
	minute := func(share int, longer float64) traffic {
		var all []float64
		for i := range 100 {
			all = append(all, map[bool]float64{true: longer, false: 20}[i < share])
		}
		return traffic{milliseconds: all}
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
				for range 30 {
					d.pass(minute(0, 0))
				}
				assert.Equal(t, want, d.until(alarm, true, test.minute, 30*time.Minute), alarm)
				if want != never {
					assert.NotEqual(t, never, d.until(alarm, false, minute(0, 0), 15*time.Minute), "%s ends", alarm)
				}
			}
		})
	}
}
