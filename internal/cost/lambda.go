package cost

import (
	"slices"
	"time"
)

// environment is one of a function's execution environments.
type environment struct{ free time.Time }

// simulateLambda sends the trace to a function: nobody is refused, and who finds
// no idle environment waits for the start of one, which is billed too (AWS
// compute blog, "AWS Lambda standardizes billing for INIT Phase"). How long AWS
// keeps an idle environment is not published. Concurrency is not bounded.
//
// Environments that provisioned concurrency keeps come first, and are as many as
// the design says: what target tracking would add is not simulated. It makes
// more of them where they are busy more than half of the time, which costs a
// little more and spares a few cold starts.
func simulateLambda(d Design, m Model, t *Trace) Usage {
	var usage Usage
	var waits waits
	var warm environments
	kept := keep(d, m, t, &usage)
	for at := range t.Arrivals() {
		usage.Requests++
		if kept.take(at, m.Answer) {
			usage.KeptBusy += m.Answer
			waits.add(0)
			continue
		}
		wait := warm.take(at, m)
		waits.add(wait)
		usage.Function += wait + m.Answer
	}
	usage.Calls, usage.Invocations = usage.Requests, usage.Requests
	usage.P50, usage.P95 = waits.percentile(50), waits.percentile(95)
	return usage
}

// environments are those that started as they were needed, ordered by when they
// are free; answers all take the same time, so that only a cold start is out of
// order.
type environments []environment

// take has an environment answer, and is how long the request waits for it.
func (e *environments) take(at time.Time, m Model) time.Duration {
	warm := *e
	for len(warm) > 0 && at.Sub(warm[0].free) > m.LambdaIdle {
		warm = warm[1:]
	}
	wait := m.LambdaStart
	// The one that was used last goes first, and the others may be let go.
	for i := len(warm) - 1; i >= 0; i-- {
		if !warm[i].free.After(at) {
			warm = slices.Delete(warm, i, i+1)
			wait = 0
			break
		}
	}
	done := environment{at.Add(wait + m.Answer)}
	i := len(warm)
	for i > 0 && warm[i-1].free.After(done.free) {
		i--
	}
	*e = slices.Insert(warm, i, done)
	return wait
}

// keeping is the hours in which environments are kept, soonest first, and those
// of the hours that have begun.
type keeping struct {
	hours []hours
	count int
	ready []environment
}

type hours struct{ open, ready, closed time.Time }

// keep is what the design keeps over the trace, all of which is billed, each
// environment's start included. Like the endpoints, it begins with the first
// scheduled action.
func keep(d Design, m Model, t *Trace, usage *Usage) *keeping {
	k := &keeping{count: d.Kept}
	if d.Kept == 0 {
		return k
	}
	local := t.Start.In(tokyo())
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())
	for ; day.Before(t.End); day = day.AddDate(0, 0, 1) {
		h := hours{open: day.Add(opens*time.Hour - early), closed: day.Add(closes * time.Hour)}
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday || h.open.Before(t.Start) || !h.open.Before(t.End) {
			continue
		}
		h.ready = h.open.Add(m.LambdaStart)
		if t.End.Before(h.closed) {
			h.closed = t.End
		}
		k.hours = append(k.hours, h)
		usage.Kept += time.Duration(d.Kept) * h.closed.Sub(h.open)
		usage.KeptBusy += time.Duration(d.Kept) * m.LambdaStart
	}
	return k
}

// take has an environment that is kept answer, and says whether one did.
func (k *keeping) take(at time.Time, answer time.Duration) bool {
	for len(k.hours) > 0 && !at.Before(k.hours[0].closed) {
		k.hours, k.ready = k.hours[1:], nil
	}
	if len(k.hours) == 0 || at.Before(k.hours[0].ready) {
		return false
	}
	if k.ready == nil {
		k.ready = slices.Repeat([]environment{{k.hours[0].ready}}, k.count)
	}
	for i := range k.ready {
		if !k.ready[i].free.After(at) {
			k.ready[i].free = at.Add(answer)
			return true
		}
	}
	return false
}
