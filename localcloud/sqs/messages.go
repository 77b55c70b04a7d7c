package sqs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"scaletozero/localcloud/faults"
)

// senderID is the SenderId of every message: nobody signs here.
const senderID = "AIDALOCALCLOUD"

// Send puts a message into a queue and returns its ID. A nil delay stands for the
// queue's own. Errors are *awsjson.Error: the queue does not exist, the body is empty,
// too large or has characters that SQS refuses, the delay is not 0 to 15 minutes.
func (s *Service) Send(arn, body string, delay *time.Duration) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(arn)
	if err != nil {
		return "", err
	}
	if err := checkBody(body, q.MaxMessageSize); err != nil {
		return "", err
	}
	hidden := q.Delay
	if delay != nil {
		hidden = *delay
	}
	if hidden < 0 || hidden > MaxDelay {
		return "", invalid("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= %d.", seconds(hidden), seconds(MaxDelay))
	}
	now := s.options.Clock.Now()
	m := &message{id: newID(), body: body, sent: now, arrived: now, visible: now.Add(hidden)}
	s.put(q, m)
	q.sent++
	dimensions := dimensionsOf(q)
	s.options.Metric(metricSent, dimensions, 1)
	s.options.Metric(metricSentSize, dimensions, float64(len(body)))
	return m.id, nil
}

// put adds m to the queue as a new entry.
func (s *Service) put(q *queue, m *message) {
	s.entries++
	m.entry = s.entries
	q.messages = append(q.messages, m)
	s.changed = true
	q.wake()
}

// checkBody holds the rules of SendMessage (API reference).
func checkBody(body string, largest int) error {
	if body == "" {
		return failure("MissingParameter", "MissingParameter", "The request must contain the parameter MessageBody.")
	}
	if len(body) > largest {
		return invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", largest)
	}
	for _, r := range body {
		if r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 {
			continue
		}
		return failure("InvalidMessageContents", "InvalidMessageContents",
			fmt.Sprintf("Invalid binary character '#x%x' was found in the message body, the set of allowed characters is #x9 | #xA | #xD | "+
				"#x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", r))
	}
	return nil
}

// Receive takes messages out of sight and returns them. It waits for the first
// one, as asked, and returns none when the wait is over or ctx ends. Errors are
// *awsjson.Error: the queue does not exist, or is removed meanwhile, or what is asked for
// is out of the bounds that Receive names.
func (s *Service) Receive(ctx context.Context, arn string, want Receive) ([]Message, error) {
	want.Max = max(want.Max, 1)
	q, ok := s.Find(arn)
	if !ok {
		return nil, errNoQueue
	}
	wait := q.ReceiveWait
	if want.Wait != nil {
		wait = *want.Wait
	}
	if err := want.check(wait); err != nil {
		return nil, err
	}
	until := s.options.Clock.Now().Add(wait)
	for {
		got, next, arrival, err := s.take(arn, want)
		if err != nil || len(got) > 0 {
			return got, err
		}
		now := s.options.Clock.Now()
		if !now.Before(until) {
			s.options.Metric(metricEmptyReceives, dimensionsOf(&queue{Queue: q}), 1)
			return nil, nil
		}
		if next.IsZero() || next.After(until) {
			next = until
		}
		// Time on the wall clock is rounded down: one tick more is not before next.
		timer := time.NewTimer(s.options.Clock.Wall(next.Sub(now)) + 1)
		select {
		case <-arrival:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		}
		timer.Stop()
	}
}

func (r Receive) check(wait time.Duration) error {
	if r.Max > MaxReceive {
		return invalid("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and %d, if provided.", r.Max, MaxReceive)
	}
	if wait < 0 || wait > MaxWait {
		return invalid("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= %d, if provided.", seconds(wait), seconds(MaxWait))
	}
	if r.Visibility != nil {
		return checkVisibility(*r.Visibility)
	}
	return nil
}

func checkVisibility(d time.Duration) error {
	if d < 0 || d > MaxVisibility {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and %d, if provided.", seconds(d), seconds(MaxVisibility))
	}
	return nil
}

// take returns what is visible now; without any, when the next one will be (zero
// if none is hidden) and what is closed if one comes before.
func (s *Service) take(arn string, want Receive) (got []Message, next time.Time, arrival <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(arn)
	if err != nil {
		return nil, next, nil, err
	}
	now := s.options.Clock.Now()
	s.expire(q, now)
	s.redrive(q, now)
	hidden := q.VisibilityTimeout
	if want.Visibility != nil {
		hidden = *want.Visibility
	}
	var again []*message
	for _, m := range q.messages {
		if now.Before(m.visible) {
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
			continue
		}
		if len(got) == want.Max {
			break
		}
		if s.options.Faults.Happens(faults.QueueDuplicate, q.Name) {
			again = append(again, new(*m))
		}
		got = append(got, m.receive(now, hidden))
	}
	for _, m := range again {
		s.put(q, m)
	}
	if len(got) > 0 {
		q.received += len(got)
		s.changed = true
		s.options.Metric(metricReceived, dimensionsOf(q), float64(len(got)))
	}
	return got, next, q.arrival, nil
}

// receive hides m and hands it out.
func (m *message) receive(now time.Time, hidden time.Duration) Message {
	if m.received == 0 {
		m.first = now
	}
	m.received++
	m.here++
	m.taken, m.visible = now, now.Add(hidden)
	attributes := map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
		"SenderId":                         senderID,
	}
	if m.source != "" {
		attributes["DeadLetterQueueSourceArn"] = m.source
	}
	return Message{ID: m.id, Body: m.body, MD5OfBody: md5Of(m.body), ReceiptHandle: m.handle(), Attributes: attributes}
}

// redrive moves what has been received as often as the redrive policy allows, and
// would be received once more, to the dead-letter queue. There it keeps the time
// when it was sent, which its retention counts from (developer guide, "Setting-up
// dead-letter queue retention"). Without the dead-letter queue it stays.
func (s *Service) redrive(q *queue, now time.Time) {
	dead := s.queues[q.DeadLetterARN]
	if dead == nil {
		return
	}
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool {
		if now.Before(m.visible) || m.here < q.MaxReceives {
			return false
		}
		moved := *m
		moved.arrived, moved.visible, moved.here, moved.source = now, now, 0, q.ARN
		s.put(dead, &moved)
		return true
	})
}

// expire drops what is older than the queue's retention.
func (s *Service) expire(q *queue, now time.Time) {
	before := len(q.messages)
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return now.Sub(m.sent) >= q.Retention })
	s.changed = s.changed || len(q.messages) != before
}

// Delete removes a received message. As on AWS, a handle that is no longer the
// message's last one succeeds and removes nothing, and so does one whose message
// is gone. Errors are *awsjson.Error: the queue does not exist, the handle is none.
func (s *Service) Delete(arn, receiptHandle string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(arn)
	if err != nil {
		return err
	}
	if err := checkHandle(receiptHandle); err != nil {
		return err
	}
	before := len(q.messages)
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return m.handle() == receiptHandle })
	q.deleted += before - len(q.messages)
	s.changed = true
	s.options.Metric(metricDeleted, dimensionsOf(q), 1)
	return nil
}

// ChangeVisibility hides a received message until d from now; 0 makes it visible
// at once. Errors are *awsjson.Error: the queue does not exist, the handle is none or not
// the last one of a message that is there, the message is not in flight, d is
// not 0 to 12 hours or would hide the message for longer than 12 hours after it
// was received.
func (s *Service) ChangeVisibility(arn, receiptHandle string, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(arn)
	if err != nil {
		return err
	}
	if err := checkVisibility(d); err != nil {
		return err
	}
	if err := checkHandle(receiptHandle); err != nil {
		return err
	}
	i := slices.IndexFunc(q.messages, func(m *message) bool { return m.handle() == receiptHandle })
	if i < 0 {
		return invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", receiptHandle)
	}
	m, now := q.messages[i], s.options.Clock.Now()
	if !now.Before(m.visible) {
		return failure("AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight", "The message is not in flight: its visibility timeout is over.")
	}
	if now.Add(d).Sub(m.taken) > MaxVisibility {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [%d seconds].",
			seconds(d), seconds(MaxVisibility))
	}
	m.visible = now.Add(d)
	s.changed = true
	q.wake()
	return nil
}

// Purge deletes everything that is in a queue.
func (s *Service) Purge(arn string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(arn)
	if err != nil {
		return err
	}
	q.messages = nil
	s.changed = true
	return nil
}

// handle is the receipt handle of the last receive.
func (m *message) handle() string {
	return base64.URLEncoding.EncodeToString(fmt.Appendf(nil, "%d:%d:%s", m.entry, m.received, m.id))
}

func checkHandle(handle string) error {
	content, err := base64.URLEncoding.DecodeString(handle)
	if err != nil || strings.Count(string(content), ":") != 2 {
		return failure("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", handle))
	}
	return nil
}

func newID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // It never fails: it ends the program instead.
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
