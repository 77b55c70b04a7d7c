package faults_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
)

func newFaults(t *testing.T, seed uint64) (*faults.Faults, *clock.Clock) {
	t.Helper()
	c, err := clock.New(60)
	require.NoError(t, err)
	return faults.New(c, seed), c
}

// times is how often a fault happens in 100 chances.
func times(f *faults.Faults, kind faults.Kind, component string) (n int) {
	for range 100 {
		if f.Happens(kind, component) {
			n++
		}
	}
	return n
}

func TestHowOften(t *testing.T) {
	tests := []struct {
		name      string
		fault     faults.Fault
		component string
		want      int
	}{
		{"once, where nothing is said", faults.Fault{Kind: faults.Throttling}, "music", 1},
		{"a number of times", faults.Fault{Kind: faults.Throttling, Count: 3}, "music", 3},
		{"for a time", faults.Fault{Kind: faults.Throttling, For: time.Minute}, "music", 100},
		{"for a time, but not more than a number of times", faults.Fault{Kind: faults.Throttling, For: time.Minute, Count: 5}, "music", 5},
		{"to one component", faults.Fault{Kind: faults.Throttling, Component: "music", Count: 3}, "music", 3},
		{"not to another one", faults.Fault{Kind: faults.Throttling, Component: "other", Count: 3}, "music", 0},
		{"not of another kind", faults.Fault{Kind: faults.ModelHang, Count: 3}, "music", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, _ := newFaults(t, 1)
			require.NoError(t, f.Add(test.fault))
			assert.Equal(t, test.want, times(f, faults.Throttling, test.component))
		})
	}
}

func TestChanceFollowsFromTheSeed(t *testing.T) {
	happen := func(seed uint64) []bool {
		f, _ := newFaults(t, seed)
		require.NoError(t, f.Add(faults.Fault{Kind: faults.Service5xx, For: time.Hour, Probability: 0.5}))
		outcomes := make([]bool, 100)
		for i := range outcomes {
			outcomes[i] = f.Happens(faults.Service5xx, "music")
		}
		return outcomes
	}
	again := happen(1)
	assert.Equal(t, happen(1), again)
	assert.NotEqual(t, happen(1), happen(2))
	f, _ := newFaults(t, 1)
	require.NoError(t, f.Add(faults.Fault{Kind: faults.Throttling, For: time.Hour, Probability: 0.2}))
	assert.InDelta(t, 20, times(f, faults.Throttling, "music"), 12)
}

func TestADurationIsAWSTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFaults(t, 1)
		require.NoError(t, f.Add(faults.Fault{Kind: faults.NoCapacity, For: 10 * time.Minute}))
		require.NoError(t, f.Add(faults.Fault{Kind: faults.SlowStart, Component: "music", Count: 2}))
		require.NoError(t, c.Sleep(t.Context(), 9*time.Minute))
		assert.True(t, f.Happens(faults.NoCapacity, ""))
		assert.Equal(t, 5*time.Minute, f.SlowStart("music"))
		list := f.List()
		require.Len(t, list, 2)
		assert.Equal(t, "no-capacity: for 1m0s more", list[0].String())
		assert.Equal(t, "slow-start of 5m0s more for component music: once more", list[1].String())

		require.NoError(t, c.Sleep(t.Context(), time.Minute))
		assert.False(t, f.Happens(faults.NoCapacity, ""))
		assert.Len(t, f.List(), 1)
		f.Clear()
		assert.Empty(t, f.List())
		assert.Zero(t, f.SlowStart("music"))
	})
}

func TestServiceStatus(t *testing.T) {
	f, _ := newFaults(t, 1)
	require.NoError(t, f.Add(faults.Fault{Kind: faults.Service5xx, Count: 50}))
	seen := map[int]int{}
	for range 60 {
		seen[f.ServiceStatus("music")]++
	}
	assert.Equal(t, 10, seen[0])
	assert.Positive(t, seen[500])
	assert.Positive(t, seen[503])
}

func TestKill(t *testing.T) {
	f, _ := newFaults(t, 1)
	require.ErrorContains(t, f.Add(faults.Fault{Kind: faults.Kill}), "there is nothing to kill")
	var killed []any
	f.OnKill(func(component string, count int) int {
		killed = append(killed, component, count)
		return len(component)
	})
	require.NoError(t, f.Add(faults.Fault{Kind: faults.Kill, Component: "music"}))
	require.ErrorContains(t, f.Add(faults.Fault{Kind: faults.Kill, Count: 2}), "there is nothing to kill")
	assert.Equal(t, []any{"music", 1, "", 2}, killed)
	assert.Empty(t, f.List(), "a kill is over at once")
}

func TestRefusals(t *testing.T) {
	f, _ := newFaults(t, 1)
	for want, fault := range map[string]faults.Fault{
		`"earthquake" is not a kind of fault: use one of model-crash, model-hang,`: {Kind: "earthquake"},
		"must not be negative":                       {Kind: faults.Throttling, Count: -1},
		"it must be from 0 to 1":                     {Kind: faults.Throttling, Probability: 1.5},
		"throttling has no delay: only slow-start":   {Kind: faults.Throttling, Delay: time.Minute},
		"neither a duration nor a probability":       {Kind: faults.Kill, For: time.Minute},
		"kill happens at once: give it a count, but": {Kind: faults.Kill, Probability: 0.5},
	} {
		require.ErrorContains(t, f.Add(fault), want)
	}
	assert.Empty(t, f.List())
}

func TestNoSwitchboardHasNothingOn(t *testing.T) {
	var none *faults.Faults
	assert.False(t, none.Happens(faults.Throttling, "music"))
	assert.Zero(t, none.SlowStart("music"))
	assert.Zero(t, none.ServiceStatus("music"))
}
