//go:build unix

package lambda

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"scaletozero/localcloud/sqs"
)

// Queues is what event source mappings need of SQS; sqs.Service is the real one.
type Queues interface {
	// Receive waits for messages and hides them.
	Receive(ctx context.Context, arn string, want sqs.Receive) ([]sqs.Message, error)
	// Delete removes a received message.
	Delete(arn, receiptHandle string) error
}

// InitialConcurrency is how many batches of a queue Lambda works on at a time to
// begin with. On AWS that grows while there is more to do; here it stays, since
// every invocation is a process (developer guide, "Configuring scaling behavior
// for SQS event source mappings").
const InitialConcurrency = 5

// retryPause is the pause after a receive that failed, in AWS time.
const retryPause = 10 * time.Second

// Mapping is an event source mapping from a queue to a function.
type Mapping struct {
	// ID is the UUID.
	ID string
	// Function is the function's name, QueueARN its source.
	Function, QueueARN string
	// Region is the queue's.
	Region string
	// BatchSize is the most messages per invocation, 1 to 10.
	BatchSize int
	// MaximumConcurrency is how many batches are worked on at a time; 0 stands for
	// InitialConcurrency.
	MaximumConcurrency int
	// ReportFailures is ReportBatchItemFailures: the function says which messages
	// of a batch failed.
	ReportFailures bool
	Enabled        bool
}

// source is a mapping that is read.
type source struct {
	Mapping
	runtime *Runtime
	stop    context.CancelFunc
	// stopped is closed when nothing is received any more.
	stopped chan struct{}
	// slots has room for each batch that may be worked on.
	slots chan struct{}

	mu sync.Mutex
	// result is how the last batch or receive went.
	result             string
	succeeded, failing int
}

// ApplyMapping creates a mapping or changes it. Batches that are under way end as
// they began.
func (r *Runtime) ApplyMapping(m Mapping) {
	if m.MaximumConcurrency == 0 {
		m.MaximumConcurrency = InitialConcurrency
	}
	r.mu.Lock()
	old := r.sources[m.ID]
	unchanged := old != nil && old.Mapping == m
	r.mu.Unlock()
	if unchanged {
		return
	}
	r.DeleteMapping(m.ID)
	ctx, cancel := context.WithCancel(context.Background())
	s := &source{
		Mapping: m, runtime: r, stop: cancel, stopped: make(chan struct{}), slots: make(chan struct{}, m.MaximumConcurrency), result: "No records processed",
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[m.ID] = s
	if !m.Enabled || r.closed {
		cancel()
		close(s.stopped)
		return
	}
	r.background.Go(func() { s.read(ctx) })
}

// DeleteMapping stops reading the queue; batches that are under way are worked on
// to their end. Deleting what does not exist does nothing.
func (r *Runtime) DeleteMapping(id string) {
	r.mu.Lock()
	s := r.sources[id]
	delete(r.sources, id)
	r.mu.Unlock()
	if s != nil {
		s.end()
	}
}

// stopSources stops reading every queue.
func (r *Runtime) stopSources() {
	r.mu.Lock()
	sources := slices.Collect(maps.Values(r.sources))
	r.mu.Unlock()
	for _, s := range sources {
		s.end()
	}
}

func (s *source) end() {
	s.stop()
	<-s.stopped
}

// read receives batches, as many at a time as may be worked on, until ctx ends.
func (s *source) read(ctx context.Context) {
	defer close(s.stopped)
	wait := sqs.MaxWait
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch, err := s.runtime.options.Queues.Receive(ctx, s.QueueARN, sqs.Receive{Max: s.BatchSize, Wait: &wait})
		if len(batch) > 0 {
			s.runtime.background.Go(func() {
				defer func() { <-s.slots }()
				s.deliver(batch)
			})
			continue
		}
		<-s.slots
		if err != nil && ctx.Err() == nil {
			s.note("PROBLEM: " + err.Error())
			err = s.runtime.options.Clock.Sleep(ctx, retryPause)
		}
		if err != nil || ctx.Err() != nil {
			return
		}
	}
}

// deliver has the function work on a batch and removes what it did. The rest
// comes back when its visibility timeout has passed, as the function may have
// changed it.
func (s *source) deliver(batch []sqs.Message) {
	payload := eventOf(batch, s.QueueARN, s.Region)
	// As on AWS, the mapping waits for as long as the function takes; Close ends
	// the function.
	result, err := s.runtime.Invoke(context.Background(), s.Function, payload)
	failed := everything
	switch {
	case err != nil:
		s.note("PROBLEM: " + err.Error())
	case result.FunctionError != "":
		s.note("PROBLEM: Function call failed")
	case !s.ReportFailures:
		failed = nothing
		s.note("OK")
	default:
		if failed, err = itemFailures(result.Payload, batch); err != nil {
			s.note("PROBLEM: " + err.Error())
		} else {
			s.note("OK")
		}
	}
	for _, message := range batch {
		if failed(message.ID) {
			s.count(0, 1)
			continue
		}
		if err := s.runtime.options.Queues.Delete(s.QueueARN, message.ReceiptHandle); err != nil {
			s.runtime.options.Logger.Warn("a message that is done could not be deleted", "queue", s.QueueARN, "message", message.ID, "error", err)
		}
		s.count(1, 0)
	}
}

// note keeps how it went, and tells it once where it went wrong.
func (s *source) note(result string) {
	s.mu.Lock()
	changed := s.result != result
	s.result = result
	s.mu.Unlock()
	if changed && result != "OK" {
		s.runtime.options.Logger.Warn("an event source mapping has trouble", "function", s.Function, "queue", s.QueueARN, "result", result)
	}
}

func (s *source) count(succeeded, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.succeeded += succeeded
	s.failing += failed
}

// MappingState is how an event source mapping stands.
type MappingState struct {
	ID, Function, QueueARN string
	Enabled                bool
	// LastResult is the LastProcessingResult: "OK", "No records processed", or
	// "PROBLEM: " and why.
	LastResult string
	// Succeeded and Failed count deliveries of messages since the local cloud was
	// started.
	Succeeded, Failed int
}

// Mappings describes the event source mappings, ordered by function and queue.
func (r *Runtime) Mappings() []MappingState {
	r.mu.Lock()
	sources := slices.Collect(maps.Values(r.sources))
	r.mu.Unlock()
	states := make([]MappingState, 0, len(sources))
	for _, s := range sources {
		s.mu.Lock()
		states = append(states, MappingState{s.ID, s.Function, s.QueueARN, s.Enabled, s.result, s.succeeded, s.failing})
		s.mu.Unlock()
	}
	slices.SortFunc(states, func(a, b MappingState) int {
		return cmp.Or(cmp.Compare(a.Function, b.Function), cmp.Compare(a.QueueARN, b.QueueARN))
	})
	return states
}
