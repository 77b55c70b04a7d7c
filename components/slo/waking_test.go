package slo_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaletozero/components/slo"
)

const notWaking = "-not-waking"

func TestAModelThatDoesNotWake(t *testing.T) {
	asleep := traffic{starting: 1}
	for name, test := range map[string]struct {
		// The model answers after so many minutes of refusals.
		minutes int
		want    time.Duration
	}{
		"wakes as it should": {6, never},
		"takes its time":     {20, never},
		"takes longer":       {30, 26 * time.Minute},
		"never":              {120, 26 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := begin(t, run(t, args()))
			d.passes(60, traffic{none: true})
			at := d.until(notWaking, true, asleep, time.Duration(test.minutes)*time.Minute)
			if test.want == never {
				assert.Equal(t, never, at)
				assert.Equal(t, never, d.until(notWaking, true, traffic{}, time.Hour), "later")
				return
			}
			assert.Equal(t, test.want, at)
			assert.Equal(t, 5*time.Minute, d.until(notWaking, false, traffic{}, time.Hour), "it ends with the first period of answers")
		})
	}
}

// Each morning's cold start is one of its own, however many there are in a day.
func TestManyColdStartsAreNoModelThatDoesNotWake(t *testing.T) {
	d := begin(t, run(t, args()))
	for range 5 {
		assert.Equal(t, never, d.until(notWaking, true, traffic{starting: 1}, 6*time.Minute))
		assert.Equal(t, never, d.until(notWaking, true, traffic{}, 10*time.Minute))
		assert.Equal(t, never, d.until(notWaking, true, traffic{none: true}, 26*time.Minute))
	}
}

// A caller who gives up after one refusal proves nothing, and one who gave up after the alarm ends it.
func TestNobodyCallingIsNoModelThatDoesNotWake(t *testing.T) {
	d := begin(t, run(t, args()))
	d.passes(60, traffic{none: true})
	d.pass(traffic{requests: 1, starting: 1})
	assert.Equal(t, never, d.until(notWaking, true, traffic{none: true}, 3*time.Hour))
	d.passes(30, traffic{requests: 1, starting: 1})
	assert.True(t, d.rings(notWaking))
	assert.NotEqual(t, never, d.until(notWaking, false, traffic{none: true}, time.Hour))
}

// Those who call each ten minutes are not enough: what they were told to do is to try again after one.
func TestRareCallersAreNoModelThatDoesNotWake(t *testing.T) {
	d := begin(t, run(t, args()))
	for i := range 300 {
		d.pass(traffic{requests: 1, starting: 1, none: i%10 > 0})
		assert.False(t, d.rings(notWaking))
	}
}

func TestColdStartsThatCountNeedNoAlarmOfTheirOwn(t *testing.T) {
	for countColdStarts, want := range map[bool][]string{
		false: {"songs-slo-not-waking", "songs-slo-burn-fast", "songs-slo-burn-steady", "songs-slo-burn-slow", "songs-slo-latency-p95", "songs-slo-latency-p50"},
		true:  {"songs-slo-burn-fast", "songs-slo-burn-steady", "songs-slo-burn-slow", "songs-slo-latency-p95", "songs-slo-latency-p50"},
	} {
		graph := run(t, changed(func(a *slo.Args) { a.CountColdStarts = countColdStarts }))
		_, is := named(graph, alarmToken)["songs-not-waking"]
		assert.NotEqual(t, countColdStarts, is)
		assert.Equal(t, want, slo.AlarmNames("songs-slo", countColdStarts))
	}
}
