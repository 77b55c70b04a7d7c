package slo_test

import (
	"fmt"
	"strings"
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
			d.passes(60, traffic{failed: 1})
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
		"apart":                    {args(), asleep, never},
		"most of them":             {args(), traffic{starting: 0.9}, never},
		"with failures among them": {args(), traffic{requests: 100, starting: 0.9, failed: 0.05}, time.Minute},
		"counted":                  {changed(func(a *slo.Args) { a.CountColdStarts = true }), asleep, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := begin(t, run(t, test.args))
			d.passes(60, traffic{none: true})
			assert.Equal(t, test.want, d.until("-burn-fast", true, test.then, 3*time.Hour))
			for _, alarm := range []string{"-burn-fast", "-burn-steady", "-burn-slow"} {
				if test.want == never {
					assert.False(t, d.rings(alarm), alarm)
				}
			}
		})
	}
}

// The requests that found the model asleep are taken off: with them, these failures would be 2 % after 13 minutes only.
func TestFailuresAmongColdStartsAreMeasuredByTheOthers(t *testing.T) {
	d := begin(t, run(t, args()))
	assert.Equal(t, 5*time.Minute, d.until("-burn-fast", true, traffic{requests: 100, starting: 0.9, failed: 0.02}, time.Hour))
}

// Callers without a key are refused as often as they like: they are not in the rate, and hide nothing.
func TestRefusedCallsHideNoFailures(t *testing.T) {
	for name, a := range map[string]*slo.Args{"apart": args(), "counted": changed(func(a *slo.Args) { a.CountColdStarts = true })} {
		d := begin(t, run(t, a))
		assert.Equal(t, time.Minute, d.until("-burn-fast", true, traffic{requests: 1000, refused: 0.99, failed: 0.01}, time.Hour), name)
		assert.NotEqual(t, never, d.until("-burn-fast", false, traffic{refused: 1}, time.Hour), "%s: refused alone burns nothing", name)
	}
}

// Where there are few requests, one or two that fail are a large share and tell nothing; all alarms that have rung by
// an hour after the failures are named.
func TestFewFailuresWakeNobody(t *testing.T) {
	for failures, want := range map[int]string{1: "", 2: "", 3: "fast steady"} {
		for name, a := range map[string]*slo.Args{"apart": args(), "counted": changed(func(a *slo.Args) { a.CountColdStarts = true })} {
			t.Run(fmt.Sprintf("%d, cold starts %s", failures, name), func(t *testing.T) {
				t.Parallel()
				d := begin(t, run(t, a))
				d.passes(7*60, traffic{requests: 1})
				rang := ""
				for i := range 60 {
					d.pass(traffic{requests: 1, failed: map[bool]float64{true: 1}[i < failures]})
					for _, burn := range []string{"fast", "steady", "slow"} {
						if d.rings("-burn-"+burn) && !strings.Contains(rang, burn) {
							assert.Equal(t, failures, i+1, "%s: with the last failure", burn)
							rang += " " + burn
						}
					}
				}
				assert.Equal(t, want, strings.TrimSpace(rang))
			})
		}
	}
}

// The floor is in the long window alone: at a request a minute, no five minutes have three failures here.
func TestFewRequestsAnHourCanRing(t *testing.T) {
	d := begin(t, run(t, args()))
	d.passes(60, traffic{requests: 1})
	for i := range 9 {
		assert.False(t, d.rings("-burn-fast"), "after %d", i)
		d.pass(traffic{requests: 1, failed: map[bool]float64{true: 1}[i%4 == 0]})
	}
	assert.True(t, d.rings("-burn-fast"), "with the third failure")
}

// A metric without a datapoint counts as 0.
func TestMissingMetrics(t *testing.T) {
	for name, test := range map[string]struct {
		without string
		want    time.Duration
	}{
		"no line of a cold start":       {"ModelStarting", time.Minute},
		"no 4xx":                        {"4XXError", time.Minute},
		"neither":                       {"ModelStarting 4XXError", time.Minute},
		"no line of a failure":          {"ServerErrors", never},
		"nothing at all out of the log": {"ServerErrors ModelStarting", never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := begin(t, run(t, args()))
			// So long that no datapoint of before is in a window.
			d.passes(4*60, traffic{without: test.without})
			assert.Equal(t, test.want, d.until("-burn-fast", true, traffic{failed: 1, without: test.without}, 2*time.Hour))
		})
	}
}

// A log that stops after failures ends their alarms, each after its own window.
func TestALogThatStopsEndsTheAlarm(t *testing.T) {
	for alarm, most := range map[string]time.Duration{"-burn-fast-short": 5 * time.Minute, "-burn-fast-long": time.Hour} {
		d := begin(t, run(t, args()))
		d.passes(60, traffic{failed: 1})
		over := d.until(alarm, false, traffic{without: "ServerErrors ModelStarting"}, 24*time.Hour)
		assert.Equal(t, most, over, alarm)
	}
}

// The log comes later than API Gateway's metrics. Until it does, what found the model asleep is a request that went well.
func TestALateLogMakesNoColdStartAFailure(t *testing.T) {
	d := begin(t, run(t, args()))
	d.passes(60, traffic{none: true})
	assert.Equal(t, never, d.until("-burn-fast", true, traffic{without: "ServerErrors ModelStarting", starting: 1}, 10*time.Minute))
	for range 100 {
		d.store.Put("SLO/songs-slo", "ModelStarting", nil, 1)
	}
	assert.Equal(t, never, d.until("-burn-fast", true, traffic{starting: 1}, 10*time.Minute))
}

func TestFailuresCountWithColdStartsTooWhereThoseCount(t *testing.T) {
	d := begin(t, run(t, changed(func(a *slo.Args) { a.CountColdStarts = true })))
	assert.Equal(t, 9*time.Minute, d.until("-burn-fast", true, traffic{failed: 0.06, starting: 0.04}, time.Hour))
}

func TestOtherBudgets(t *testing.T) {
	// A tenth of the budget, so a tenth of the time.
	d := begin(t, run(t, changed(func(a *slo.Args) { a.Objectives.Availability = 99.99 })))
	assert.Equal(t, time.Minute, d.until("-burn-fast", true, traffic{requests: 100, failed: 0.1}, time.Hour))
	d = begin(t, run(t, changed(func(a *slo.Args) { a.Objectives.Availability = slo.MinAvailability })))
	assert.Equal(t, 44*time.Minute, d.until("-burn-fast", true, traffic{failed: 1}, time.Hour), "the lowest can still be missed")
}
