// Package sqs is the local cloud's Amazon SQS: standard queues, which the
// functions reach over the service's own wire protocol, AWS JSON 1.0, and the
// local cloud over Go. Every duration and time is AWS's, on the cloud's one clock.
//
// A queue is made, changed and removed by the provider only: CreateQueue and its
// like are refused. What is not here is refused as well and not pretended: FIFO
// queues, message attributes, batches, and moving a dead-letter queue back.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
)

// The limits of SQS (developer guide, "Amazon SQS quotas"; API reference,
// ChangeMessageVisibility, ReceiveMessage and SetQueueAttributes).
const (
	// MaxVisibility is how long a message can be hidden from the moment of its
	// last receive, however often that is extended.
	MaxVisibility = 12 * time.Hour
	// MaxDelay is the longest delay of a message.
	MaxDelay = 15 * time.Minute
	// MaxWait is the longest that one receive can wait.
	MaxWait = 20 * time.Second
	// MaxReceive is how many messages one receive can return.
	MaxReceive = 10
)

// Queue is what a queue is made of. Its ARN is its identity.
type Queue struct {
	ARN, URL, Name string
	// VisibilityTimeout hides a message that was received, unless the receive
	// says otherwise; 0 to 12 hours.
	VisibilityTimeout time.Duration
	// Delay hides a message that was sent, unless the send says otherwise; 0 to
	// 15 minutes.
	Delay time.Duration
	// Retention is how long a message is kept after it was sent, in whichever
	// queue it is; 1 minute to 14 days.
	Retention time.Duration
	// ReceiveWait is how long a receive waits, unless it says otherwise; 0 to 20
	// seconds.
	ReceiveWait time.Duration
	// MaxMessageSize is in bytes. AWS takes up to 1,048,576 since August 2025
	// ("Amazon SQS message quotas"); terraform-provider-aws v5.100 sets 262,144
	// where nothing is said, and takes no more.
	MaxMessageSize int
	// DeadLetterARN is the queue that a message goes to in place of being
	// received more than MaxReceives times; empty if there is none.
	DeadLetterARN string
	MaxReceives   int
	Created       time.Time
}

// Message is a message as a receive hands it out.
type Message struct {
	// ID is the message's, and the same however often it is delivered.
	ID   string
	Body string
	// MD5OfBody is in hexadecimal.
	MD5OfBody string
	// ReceiptHandle is this delivery's: it deletes the message or changes its
	// visibility, until the message is received again.
	ReceiptHandle string
	// Attributes are the system attributes ApproximateReceiveCount,
	// SentTimestamp, ApproximateFirstReceiveTimestamp (both in milliseconds since
	// 1970, AWS time), SenderId and, after a redrive, DeadLetterQueueSourceArn.
	Attributes map[string]string
}

// Receive says what to receive. The zero value is one message, at once, with the
// queue's own visibility timeout.
type Receive struct {
	// Max is the most messages to return, 1 to 10; 0 stands for 1.
	Max int
	// Wait is how long to wait for the first one, 0 to 20 seconds; nil stands for
	// the queue's own.
	Wait *time.Duration
	// Visibility hides what is received, 0 to 12 hours; nil stands for the
	// queue's own.
	Visibility *time.Duration
}

// State is how a queue stands.
type State struct {
	Queue
	// Visible messages can be received now; InFlight ones were received and are
	// hidden; Delayed ones were never visible yet.
	Visible, InFlight, Delayed int
	// Oldest is the age of the oldest message since it came into this queue, 0
	// without one.
	Oldest time.Duration
	// Sent, Received and Deleted count since the local cloud was started.
	Sent, Received, Deleted int
}

// Options configures a Service.
type Options struct {
	// Clock is AWS time; required.
	Clock *clock.Clock
	// Path is the file that keeps the messages from one run to the next. It is
	// read by New and written by Run and Close. Empty: nothing is kept.
	Path string
	// Metric takes a data point of namespace AWS/SQS; nil drops it.
	Metric func(name string, dimensions map[string]string, value float64)
	// Faults says when a message is delivered twice; nil: never.
	Faults *faults.Faults
	// Logger takes what goes wrong; the default is slog.Default().
	Logger *slog.Logger
}

// Service holds the queues. It is safe for concurrent use.
type Service struct {
	options Options
	served  http.Handler

	mu     sync.Mutex
	queues map[string]*queue
	// kept are the messages of queues that Resume has not brought back yet.
	kept map[string][]savedMessage
	// changed tells that the file is out of date.
	changed bool
	// entries numbers what is in the queues, for receipt handles.
	entries int64
}

// queue is a Queue with what is in it, in the order of arrival.
type queue struct {
	Queue
	messages                []*message
	sent, received, deleted int
	// arrival is closed and made anew when there may be something to receive that
	// was not to be expected.
	arrival chan struct{}
}

// message is what is in a queue. A message that is delivered twice is in it twice.
type message struct {
	entry int64
	id    string
	body  string
	// sent is when it was sent, and arrived when it came into this queue.
	sent, arrived time.Time
	// visible is from when it can be received.
	visible time.Time
	// taken is the last receive, and first the first one.
	taken, first time.Time
	// received counts the receives in every queue, here those in this one.
	received, here int
	source         string
}

// New makes a Service without queues, and reads the messages that the file keeps
// for them. It fails if the file cannot be read in full.
func New(options Options) (*Service, error) {
	if options.Metric == nil {
		options.Metric = func(string, map[string]string, float64) {}
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	s := &Service{options: options, queues: map[string]*queue{}}
	s.served = s.protocol()
	var err error
	s.kept, err = load(options.Path)
	return s, err
}

var errNoQueue = failure("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "The specified queue does not exist.")

// IsNoQueue tells whether err says that the queue does not exist.
func IsNoQueue(err error) bool { return errors.Is(err, errNoQueue) }

// Create makes an empty queue. It fails if there is one with the ARN already.
func (s *Service) Create(q Queue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[q.ARN] != nil {
		return fmt.Errorf("queue %q: QueueNameExists: there is a queue with this name already", q.Name)
	}
	delete(s.kept, q.ARN)
	s.queues[q.ARN] = &queue{Queue: q, arrival: make(chan struct{})}
	s.changed = true
	return nil
}

// Resume makes a queue with the messages that were in it when the local cloud
// ended. The time in between does not count: neither delays nor retention go on.
func (s *Service) Resume(q Queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	back := &queue{Queue: q, arrival: make(chan struct{})}
	now := s.options.Clock.Now()
	for _, kept := range s.kept[q.ARN] {
		s.entries++
		back.messages = append(back.messages, kept.message(s.entries, now))
	}
	delete(s.kept, q.ARN)
	s.queues[q.ARN] = back
}

// Update changes a queue. As on AWS, a new visibility timeout or delay holds for
// what is received or sent from now on.
func (s *Service) Update(q Queue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	current, err := s.find(q.ARN)
	if err != nil {
		return fmt.Errorf("queue %q: %w", q.Name, err)
	}
	current.Queue = q
	return nil
}

// Remove deletes a queue with all that is in it, and ends the receives that wait
// for it. One that does not exist is no error.
func (s *Service) Remove(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone := s.queues[arn]; gone != nil {
		gone.wake()
	}
	delete(s.queues, arn)
	delete(s.kept, arn)
	s.changed = true
}

// Find returns the queue with the ARN, and whether there is one.
func (s *Service) Find(arn string) (Queue, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(arn)
	if err != nil {
		return Queue{}, false
	}
	return q.Queue, true
}

// State describes the queues, ordered by name.
func (s *Service) State() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Clock.Now()
	states := make([]State, 0, len(s.queues))
	for _, q := range s.queues {
		s.expire(q, now)
		states = append(states, q.state(now))
	}
	slices.SortFunc(states, func(a, b State) int { return strings.Compare(a.Name, b.Name) })
	return states
}

// Run reports the queues' metrics and writes the file, each minute, until the
// context ends. What happened in the last minute before the process is killed is
// not kept; Close keeps everything.
func (s *Service) Run(ctx context.Context) {
	s.options.Clock.Every(ctx, time.Minute, func() {
		s.sample()
		if err := s.save(); err != nil {
			s.options.Logger.Error("the messages of the queues could not be kept", "error", err)
		}
	})
}

// Close writes the file. Nothing may use the Service any more.
func (s *Service) Close() error { return s.save() }

func (s *Service) find(arn string) (*queue, error) {
	if q := s.queues[arn]; q != nil {
		return q, nil
	}
	return nil, errNoQueue
}

func (q *queue) wake() {
	close(q.arrival)
	q.arrival = make(chan struct{})
}

func (q *queue) state(now time.Time) State {
	state := State{Queue: q.Queue, Sent: q.sent, Received: q.received, Deleted: q.deleted}
	for _, m := range q.messages {
		switch {
		case !now.Before(m.visible):
			state.Visible++
		case m.here > 0:
			state.InFlight++
		default:
			state.Delayed++
		}
		state.Oldest = max(state.Oldest, now.Sub(m.arrived))
	}
	return state
}
