package jobs_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
)

// storm is a world in which anything can go wrong at any call, and other
// workers are at work in between.
type storm struct {
	*world
	// odds of a fault at a call, from 0 to 1; set to 0 when the storm is over.
	odds  float64
	depth int
	// promised are the jobs that a caller got a 202 for, with their bodies.
	promised map[string]string
}

// between is what happens around a call of a port.
func (s *storm) between() {
	if s.odds == 0 {
		return
	}
	switch {
	case s.rand.Float64() < 0.02:
		// A call may take so long that the caller's lease ends. Lambda would
		// end the caller with it; here it goes on and does what it can.
		s.now = s.now.Add(time.Duration(s.rand.Int64N(int64(invocation))))
	case s.rand.Float64() < 0.02 && len(s.queue) > 0:
		// Delivered again while somebody has it.
		s.queue[s.rand.IntN(len(s.queue))].visible = s.now
	case s.rand.Float64() < 0.01:
		// The last copy goes, and another comes.
		s.copies, s.awake = 0, s.now.Add(time.Duration(s.rand.IntN(60))*time.Second)
	}
	if s.depth < 2 && s.rand.Float64() < 0.1 {
		s.depth++
		s.poll()
		s.depth--
	}
}

func (s *storm) faultOf(string) fault {
	if s.rand.Float64() < s.odds {
		return faults[s.rand.IntN(len(faults))]
	}
	return ""
}

func (s *storm) answer(body string) (jobs.Answer, error) {
	for id, other := range s.promised {
		if other == body {
			assert.Falsef(s.t, s.rows[id].Status.Ended(), "job %s runs after its end", id)
		}
	}
	if s.odds == 0 {
		return echo(body)
	}
	switch s.rand.IntN(6) {
	case 0, 1:
		return jobs.Answer{}, jobs.ErrNoCapacity
	case 2:
		return failing(body)
	default:
		return echo(body)
	}
}

// TestStorm submits jobs while calls fail, functions crash, messages come twice
// and workers overtake each other. Afterwards every job that was promised has
// ended, exactly once.
func TestStorm(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := &storm{world: newWorld(t), odds: 0.08, promised: map[string]string{}}
			s.rand = rand.New(rand.NewPCG(seed, 7))
			s.fault, s.during, s.model = s.faultOf, s.between, s.answer
			for n := range 100 {
				s.submit(n)
				s.now = s.now.Add(time.Duration(s.rand.IntN(5)) * time.Second)
				s.poll()
			}
			for range 300 {
				s.now = s.now.Add(time.Duration(s.rand.IntN(20)) * time.Second)
				s.poll()
			}
			s.odds = 0
			s.settle()
			s.check()
		})
	}
}

// submit is a caller who repeats the request, or gives up after the first.
func (s *storm) submit(n int) {
	text, key := fmt.Sprintf(`{"n":%d}`, n), fmt.Sprint("key ", n)
	for again := range 1 + s.rand.IntN(3) {
		if n%3 == 0 {
			// Without a key each request is a job of its own.
			text, key = fmt.Sprintf(`{"n":%d,"again":%d}`, n, again), ""
		}
		reply, whole := s.post(text, key)
		if !whole || reply.Status != 202 {
			continue
		}
		var view struct{ ID string }
		require.NoError(s.t, json.Unmarshal([]byte(reply.Body), &view))
		s.promised[view.ID] = text
		if s.rand.IntN(4) > 0 {
			return
		}
	}
}

func (s *storm) check() {
	count := map[jobs.Status]int{}
	for id, text := range s.promised {
		row := s.rows[id]
		count[row.Status]++
		require.Truef(s.t, row.Status.Ended(), "job %s is %s", id, row.Status)
		assert.Equal(s.t, 1, s.ended[id], id)
		if row.Status == jobs.Succeeded {
			assert.Equal(s.t, `{"echo":`+text+`}`, row.Outcome.Result, "the answer is that to another request")
		}
		if row.Outcome.ErrorCode == jobs.CodeWorkerFailed {
			assert.Contains(s.t, fmt.Sprint(s.dead), id)
		}
	}
	assert.NotZero(s.t, count[jobs.Succeeded])
	assert.NotZero(s.t, count[jobs.Failed], "the storm was none")
}
