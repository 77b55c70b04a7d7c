package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// messageLimit is the longest message that the queue takes, in bytes
// (MaximumMessageSize of SetQueueAttributes in the SQS API reference, at its
// default).
const messageLimit = 262_144

// message is what travels through the queue.
type message struct {
	ID   string `json:"id"`
	Body string `json:"body"`
}

// SQS takes no message with these two characters (SendMessage in its API
// reference), and JSON can do without. All others that it does not take are
// escaped by encoding/json already.
var escapes = strings.NewReplacer("\ufffe", `\ufffe`, "\uffff", `\uffff`)

func (m message) String() string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // three characters would become six each
	if err := encoder.Encode(m); err != nil {
		// Two strings always marshal.
		panic(fmt.Sprintf("message: %v", err))
	}
	return escapes.Replace(strings.TrimSuffix(text.String(), "\n"))
}

func parseMessage(text string) (m message, err error) {
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("the message is not JSON: %w", err)
	}
	if !validID(m.ID) {
		return m, fmt.Errorf("the message names no job")
	}
	return m, nil
}
