package cost

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readProgram(t *testing.T) *Program {
	t.Helper()
	p, err := ReadProgram("../../tests/testdata/graph.prod.golden.json")
	require.NoError(t, err)
	return p
}

// rows makes a trace of rows.
func rows(t *testing.T, rows ...string) *Trace {
	t.Helper()
	trace, err := ReadTrace("t.csv", strings.NewReader("time,requests_per_minute\n"+strings.Join(rows, "\n")))
	require.NoError(t, err)
	return trace
}

func run(t *testing.T, d Design, trace *Trace) Usage {
	t.Helper()
	if d.Lambda {
		return simulateLambda(d, DefaultModel(), trace)
	}
	u, err := simulate(d, readProgram(t), DefaultModel(), trace, true)
	require.NoError(t, err)
	return u
}

func design(t *testing.T, name string) Design {
	t.Helper()
	for _, d := range Designs() {
		if d.Name == name {
			return d
		}
	}
	require.Fail(t, "no such design", name)
	return Design{}
}

// A lone request at 12:00 is refused. The alarm has seen its minute at 12:01 and asks for a copy; its instance is there
// at 12:05 and the copy 15 seconds later, so that the caller, who comes again each minute, is answered at 12:06. Its load
// is measured at 12:06:10. Target tracking's low alarm looks at 15 minutes, 90 periods of ten seconds, which are all there
// at 12:20:20, acts once a minute, and finds no load at 12:21:20. The instance is released ten minutes later, at 12:31:20.
const (
	lone     = 30*time.Minute + 20*time.Second
	loneWait = 6 * time.Minute
	// tail is how long is billed after the answer.
	tail = 25*time.Minute + 20*time.Second
)

func TestSmallTraces(t *testing.T) {
	for _, test := range []struct {
		name, design string
		rows         []string
		want         Usage
	}{
		{
			"one request at zero is refused, wakes the model, and bills a tail of 25 minutes", "scale to zero",
			[]string{"2026-06-01 12:00,1", "2026-06-01 12:01,0", "2026-06-01 13:01,0"},
			Usage{Requests: 1, Refused: 1, Calls: 7, P50: loneWait, P95: loneWait, Instances: lone},
		},
		{
			// Those of 12:00 to 12:05 are refused and come again: 6, 5, 4, 3, 2 and 1 times.
			"steady traffic never sleeps", "scale to zero",
			[]string{"2026-06-01 12:00,1", "2026-06-01 18:00,0", "2026-06-01 18:01,0"},
			Usage{Requests: 360, Refused: 6, Calls: 360 + 21, Instances: 6*time.Hour + 2*time.Minute - time.Minute},
		},
		{
			"a request when the trace ends was never answered", "scale to zero",
			[]string{"2026-06-01 12:00,1", "2026-06-01 12:01,0", "2026-06-01 12:02,0"},
			Usage{Requests: 1, Refused: 1, Calls: 3, P50: 3 * time.Minute, P95: 3 * time.Minute, Instances: 2 * time.Minute},
		},
		{
			"always on refuses nobody and is billed all the time", "always on",
			[]string{"2026-06-01 12:00,1", "2026-06-01 12:01,0", "2026-06-01 13:01,0"},
			Usage{Requests: 1, Calls: 1, Instances: 2*time.Hour + time.Minute},
		},
		{
			// The scheduled action asks for the copy at 8:50.
			"on a Monday the model is up before the first request", "business hours",
			[]string{"2026-06-01 08:00,0", "2026-06-01 09:30,1", "2026-06-01 09:31,0", "2026-06-01 11:00,0", "2026-06-01 11:30,0"},
			Usage{Requests: 1, Calls: 1, Instances: 3*time.Hour + 10*time.Minute},
		},
		{
			// The low alarm acts at 20 seconds of each minute, and the instance goes ten minutes later.
			"in the evening it sleeps", "business hours",
			[]string{"2026-06-01 08:00,0", "2026-06-01 22:00,0", "2026-06-01 22:30,0"},
			Usage{Instances: 9*time.Hour + 10*time.Minute + 20*time.Second + 10*time.Minute},
		},
		{
			"on a Saturday it sleeps as without a schedule", "business hours",
			[]string{"2026-06-06 12:00,1", "2026-06-06 12:01,0", "2026-06-06 13:01,0"},
			Usage{Requests: 1, Refused: 1, Calls: 7, P50: loneWait, P95: loneWait, Instances: lone},
		},
		{
			// 50 in a second, 20 ms apart: each waits 0.98 s longer than the one before it. The 30th would wait 28.42 s, and
			// have its answer after more than 29 s.
			"what waits in a copy for more than 29 seconds is refused", "always on",
			[]string{"2026-06-01 12:00:00,3000", "2026-06-01 12:00:01,0", "2026-06-01 12:00:25,0"},
			Usage{Requests: 50, Calls: 50, Refused: 21, P50: 24 * 980 * time.Millisecond, P95: 49*time.Second - 31*20*time.Millisecond, Instances: 49 * time.Second},
		},
		{
			// The first one, and the one after more than ten minutes, find no environment.
			"a function starts where none is warm", "Lambda",
			[]string{"2026-06-01 12:00,1", "2026-06-01 12:03,0", "2026-06-01 12:20,1", "2026-06-01 12:21,0"},
			Usage{Requests: 4, Calls: 4, Invocations: 4, P95: 5 * time.Second, Function: 4*time.Second + 2*5*time.Second},
		},
		{
			// From 8:50 to 18:00, and ready five seconds later. The requests of 8:50:00 and 18:00:00 find it not, those of 8:51 to
			// 8:59 do.
			"a function that is kept has no cold start in business hours", "Lambda, kept warm in business hours",
			[]string{"2026-06-01 08:00,0", "2026-06-01 08:50,1", "2026-06-01 09:00,0", "2026-06-01 18:00,1", "2026-06-01 18:01,0"},
			Usage{
				Requests: 11, Calls: 11, Invocations: 11, P95: 5 * time.Second, Function: 2*time.Second + 2*5*time.Second,
				Kept: 9*time.Hour + 10*time.Minute, KeptBusy: 5*time.Second + 9*time.Second,
			},
		},
		{
			// Two a second: the second of each pair finds the one environment busy, and the first of them starts another one.
			"what comes at once goes to environments that start as needed", "Lambda, kept warm in business hours",
			[]string{"2026-06-01 08:00,0", "2026-06-01 12:00:00,120", "2026-06-01 12:00:10,0", "2026-06-01 12:10:00,0"},
			Usage{
				Requests: 20, Calls: 20, Invocations: 20, P95: 5 * time.Second, Function: 10*time.Second + 6*5*time.Second,
				Kept: 3*time.Hour + 29*time.Minute + 50*time.Second, KeptBusy: 5*time.Second + 10*time.Second,
			},
		},
		{
			"on a Saturday, and where the trace begins within the hours, nothing is kept", "Lambda, kept warm in business hours",
			[]string{"2026-06-05 12:00,0", "2026-06-06 12:00,1", "2026-06-06 12:01,0", "2026-06-06 13:00,0"},
			Usage{Requests: 1, Calls: 1, Invocations: 1, P50: 5 * time.Second, P95: 5 * time.Second, Function: 6 * time.Second},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, run(t, design(t, test.design), rows(t, test.rows...)))
		})
	}
	assert.Equal(t, lone, tail+loneWait-time.Minute, "billing begins with the alarm")
}

// Evaluating alarms once a minute where nothing can move changes nothing.
func TestCalmMakesNoDifference(t *testing.T) {
	p := readProgram(t)
	for _, name := range BuiltIn() {
		trace, err := NewTrace(name, 20_000)
		require.NoError(t, err)
		trace = trace.first(2 * 24 * time.Hour)
		for _, d := range Designs()[:3] {
			t.Run(fmt.Sprintf("%s, %s", name, d.Name), func(t *testing.T) {
				calm, err := simulate(d, p, DefaultModel(), trace, true)
				require.NoError(t, err)
				restless, err := simulate(d, p, DefaultModel(), trace, false)
				require.NoError(t, err)
				assert.NotZero(t, calm.Requests)
				assert.Equal(t, restless, calm)
			})
		}
	}
}

// Jumping over what cannot be a crossover finds the same one as looking at each point.
func TestACrossoverIsTheFirstPointAtWhichTheFunctionCostsMore(t *testing.T) {
	p := readProgram(t)
	prices, err := LoadPrices(p)
	require.NoError(t, err)
	s := (&Scenario{Program: p, Model: DefaultModel(), Prices: prices}).sized(alone)
	day := rows(t, "2026-06-01 00:00,1", "2026-06-01 12:00,1")
	c := &Crossover{Lambda: "Lambda", Endpoint: "always on", MemoryMB: alone}
	require.NoError(t, s.find(c, day))
	require.NotZero(t, c.Requests)
	function, endpoint := s.Costs(c)
	assert.Greater(t, function, endpoint)
	assert.InEpsilon(t, 1, function/endpoint, precision-1)
	for requests := 50_000.0; requests*precision < c.Requests; requests += 50_000 {
		scaled := day.Scaled(requests / day.perMonth())
		function, err := s.run(designOf(c.Lambda), scaled)
		require.NoError(t, err)
		endpoint, err := s.run(designOf(c.Endpoint), scaled)
		require.NoError(t, err)
		assert.Less(t, function.Monthly, endpoint.Monthly, requests)
	}
}

func TestWaits(t *testing.T) {
	var w waits
	assert.Zero(t, w.percentile(95), "of nothing")
	for _, seconds := range []int{4, 0, 2, 0, 3, 0, 1, 0, 0, 0} {
		w.add(time.Duration(seconds) * time.Second)
	}
	for percent, want := range map[float64]time.Duration{50: 0, 60: 0, 61: time.Second, 80: 2 * time.Second, 90: 3 * time.Second, 91: 4 * time.Second, 100: 4 * time.Second} {
		assert.Equal(t, want, w.percentile(percent), percent)
	}
}

func TestThereIsRoomForAsManyCopiesAsTheInstancesHold(t *testing.T) {
	p := readProgram(t)
	p.MaxInstances, p.PerInstance = 1, 1
	p.Scaling.Targets[0].Max = 3
	trace := rows(t, "2026-06-01 12:00,200", "2026-06-01 12:30,0")
	u, err := simulate(design(t, "always on"), p, DefaultModel(), trace, true)
	require.NoError(t, err)
	assert.Equal(t, time.Hour, u.Instances, "the second copy is refused, as often as it is asked for")
	assert.Greater(t, u.Refused, 1000)
}
