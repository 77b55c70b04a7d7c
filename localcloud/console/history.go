package console

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// kept is how many samples are kept: ten minutes of the wall clock, which at the
// default speed are ten hours of AWS.
const kept = 600

// Sample is how things stood at one moment, over all endpoints, functions and
// queues.
type Sample struct {
	// At is the time on the wall clock and AWS the AWS time, in milliseconds
	// since 1970.
	At  int64 `json:"at"`
	AWS int64 `json:"aws"`
	// Instances and Copies can be used; Provisioning and Starting are on the way
	// up or down.
	Instances    int `json:"instances"`
	Provisioning int `json:"provisioning"`
	Copies       int `json:"copies"`
	Starting     int `json:"starting"`
	Desired      int `json:"desired"`
	Outstanding  int `json:"outstanding"`
	// Busy are the functions' invocations under way, and Idle their environments
	// without one; Kept shall be there ahead of invocations.
	Busy int `json:"busy"`
	Idle int `json:"idle"`
	Kept int `json:"kept"`
	// Visible and Held are the messages of all queues: those that can be received,
	// and those that are in flight or delayed.
	Visible int `json:"visible"`
	Held    int `json:"held"`
	// Answers counts, by status, what callers were answered since the sample before.
	Answers map[int]int `json:"answers,omitempty"`
}

// Answer counts one kind of answer since the start.
type Answer struct {
	Status    int    `json:"status"`
	ErrorType string `json:"errorType"`
	Count     int    `json:"count"`
}

// history keeps the latest samples. Its zero value is ready.
type history struct {
	mu      sync.Mutex
	samples []Sample
	pending map[int]int
	totals  map[kind]int
}

type kind struct {
	status    int
	errorType string
}

func (h *history) observe(status int, errorType string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending == nil {
		h.pending = map[int]int{}
	}
	if h.totals == nil {
		h.totals = map[kind]int{}
	}
	h.pending[status]++
	h.totals[kind{status, errorType}]++
}

func (h *history) sample(snapshot Snapshot, at time.Time) {
	s := count(snapshot)
	s.At, s.AWS = at.UnixMilli(), snapshot.Now.UnixMilli()
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Answers, h.pending = h.pending, nil
	if len(h.samples) == kept {
		h.samples = slices.Delete(h.samples, 0, 1)
	}
	h.samples = append(h.samples, s)
}

func count(snapshot Snapshot) Sample {
	var s Sample
	for _, queue := range snapshot.Queues {
		s.Visible += queue.Visible
		s.Held += queue.InFlight + queue.Delayed
	}
	for _, function := range snapshot.Functions {
		s.Busy += function.Running
		// An invocation is there before the environment that it waits for.
		s.Idle += max(0, function.Environments-function.Running)
		for _, provisioned := range function.Provisioned {
			s.Kept += provisioned.Requested
		}
	}
	for _, endpoint := range snapshot.Endpoints {
		for _, instance := range endpoint.Instances {
			if instance.State == inService {
				s.Instances++
			} else {
				s.Provisioning++
			}
		}
		for _, component := range endpoint.Components {
			s.Desired += component.Desired
			for _, c := range component.Copies {
				s.Outstanding += c.Outstanding
				if c.State == inService {
					s.Copies++
				} else {
					s.Starting++
				}
			}
		}
	}
	return s
}

// since returns the samples taken after a time, and all totals by status.
func (h *history) since(after int64) ([]Sample, []Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first, _ := slices.BinarySearchFunc(h.samples, after+1, func(s Sample, at int64) int { return cmp.Compare(s.At, at) })
	answers := make([]Answer, 0, len(h.totals))
	for _, k := range slices.SortedFunc(maps.Keys(h.totals), func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.status, b.status), cmp.Compare(a.errorType, b.errorType))
	}) {
		answers = append(answers, Answer{k.status, k.errorType, h.totals[k]})
	}
	// A copy, since the samples move when old ones are dropped.
	return append([]Sample{}, h.samples[first:]...), answers
}
