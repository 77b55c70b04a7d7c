package cost

import "time"

// environment is one of a function's execution environments.
type environment struct{ free time.Time }

// simulateLambda sends the trace to a function: nobody is refused, and who finds
// no idle environment waits for the start of one, which is billed too (AWS
// compute blog, "AWS Lambda standardizes billing for INIT Phase"). How long AWS
// keeps an idle environment is not published. Concurrency is not bounded.
func simulateLambda(m Model, t *Trace) Usage {
	var usage Usage
	var waits waits
	// warm are ordered by when they are free; answers all take the same time, so
	// that only a cold start is out of order.
	var warm []environment
	for at := range t.Arrivals() {
		usage.Requests++
		for len(warm) > 0 && at.Sub(warm[0].free) > m.LambdaIdle {
			warm = warm[1:]
		}
		wait := m.LambdaStart
		// The one that was used last goes first, and the others may be let go.
		for i := len(warm) - 1; i >= 0; i-- {
			if !warm[i].free.After(at) {
				warm = append(warm[:i], warm[i+1:]...)
				wait = 0
				break
			}
		}
		waits.add(wait)
		usage.Function += wait + m.Answer
		done := environment{at.Add(wait + m.Answer)}
		i := len(warm)
		for i > 0 && warm[i-1].free.After(done.free) {
			i--
		}
		warm = append(warm[:i], append([]environment{done}, warm[i:]...)...)
	}
	usage.Calls, usage.Invocations = usage.Requests, usage.Requests
	usage.P50, usage.P95 = waits.percentile(50), waits.percentile(95)
	return usage
}
