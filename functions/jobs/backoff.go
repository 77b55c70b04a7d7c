package jobs

import "time"

const (
	// A job that waits for capacity is tried again after a quarter of the time
	// that it has waited already: the first tries are close together for a copy
	// that is about to start, and the later ones cost little. With the jitter
	// the bounds come to 10 and 300 seconds.
	shortestWait = 12500 * time.Millisecond
	longestWait  = 250 * time.Second
	// The wait after a failed try; it doubles with every further one.
	modelRetry = 5 * time.Second
	// The same after a try that did not reach the model. SageMaker's own trouble,
	// and permissions that are new, take minutes to pass.
	upstreamRetry = time.Minute
	// The part by which a wait is made longer or shorter at random, so that
	// jobs that were turned away together do not come back together.
	jitter = 0.2
)

// waitBackOff is how long a job that has waited so far waits again. random is
// from 0 to below 1.
func waitBackOff(waited time.Duration, random float64) time.Duration {
	return jittered(min(max(waited/4, shortestWait), longestWait), random)
}

// retryBackOff is how long a job waits after its failed try, counted from 1, if
// it waits first after the first one.
func retryBackOff(first time.Duration, try int, random float64) time.Duration {
	// Shifted by more than any MAX_TRIES in use, the wait would overflow.
	return jittered(min(first<<min(max(try, 1)-1, 10), longestWait), random)
}

func jittered(wait time.Duration, random float64) time.Duration {
	return time.Duration(float64(wait) * (1 - jitter + 2*jitter*random))
}
