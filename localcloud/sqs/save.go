package sqs

import (
	"encoding/json"
	"fmt"
	"time"

	"scaletozero/localcloud/durable"
)

// savedMessage is a message as the file keeps it. Times are durations from the
// moment of writing, since the clock starts anew with the local cloud.
type savedMessage struct {
	ID   string `json:"id"`
	Body string `json:"body"`
	// Age and Here are since it was sent and since it came into the queue.
	Age  time.Duration `json:"age"`
	Here time.Duration `json:"here"`
	// Hidden is for how much longer it is.
	Hidden time.Duration `json:"hidden,omitempty"`
	// First and Taken are since the first and the last receive, if there was one.
	First           time.Duration `json:"first,omitempty"`
	Taken           time.Duration `json:"taken,omitempty"`
	Receives        int           `json:"receives,omitempty"`
	ReceivesHere    int           `json:"receivesHere,omitempty"`
	DeadLetterOfARN string        `json:"deadLetterOfArn,omitempty"`
}

func (m *message) saved(now time.Time) savedMessage {
	kept := savedMessage{
		ID: m.id, Body: m.body, Age: now.Sub(m.sent), Here: now.Sub(m.arrived), Hidden: max(m.visible.Sub(now), 0),
		Receives: m.received, ReceivesHere: m.here, DeadLetterOfARN: m.source,
	}
	if m.received > 0 {
		kept.First, kept.Taken = now.Sub(m.first), now.Sub(m.taken)
	}
	return kept
}

func (m savedMessage) message(entry int64, now time.Time) *message {
	return &message{
		entry: entry, id: m.ID, body: m.Body, sent: now.Add(-m.Age), arrived: now.Add(-m.Here), visible: now.Add(m.Hidden),
		first: now.Add(-m.First), taken: now.Add(-m.Taken), received: m.Receives, here: m.ReceivesHere, source: m.DeadLetterOfARN,
	}
}

// load reads the file; a missing one is empty.
func load(path string) (map[string][]savedMessage, error) {
	kept := map[string][]savedMessage{}
	err := durable.Load(path, "the queues' messages", &kept)
	return kept, err
}

// save writes the file, if it is out of date.
func (s *Service) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.changed || s.options.Path == "" {
		return nil
	}
	now := s.options.Clock.Now()
	all := map[string][]savedMessage{}
	for arn, messages := range s.kept {
		all[arn] = messages
	}
	for arn, q := range s.queues {
		for _, m := range q.messages {
			all[arn] = append(all[arn], m.saved(now))
		}
	}
	content, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("the messages of the queues cannot be encoded: %w", err)
	}
	if err := durable.Write(s.options.Path, content); err != nil {
		return fmt.Errorf("the messages of the queues cannot be written: %w", err)
	}
	s.changed = false
	return nil
}
