//go:build unix

package lambda

import (
	"encoding/json"
	"fmt"
	"time"
)

// failed is the answer of a function that says itself what went wrong.
func (inv *invocation) failed(said []byte) *Result {
	return &Result{RequestID: inv.id, FunctionError: "Unhandled", Payload: said}
}

// error is the answer for a function that could not say what went wrong.
func (inv *invocation) error(kind, message string) *Result {
	payload, err := json.Marshal(errorPayload{kind, message})
	if err != nil {
		panic(err) // Strings can always be encoded.
	}
	return inv.failed(payload)
}

// exited is the answer for a function whose program ended (developer guide,
// "Troubleshoot invocation issues in Lambda").
func (inv *invocation) exited(status string) *Result {
	reason := "Runtime exited with error: " + status
	if status == "exit status 0" {
		reason = "Runtime exited without providing a reason"
	}
	return inv.error("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: %s", inv.id, reason))
}

// timedOut is the answer for a function that took too long.
func (inv *invocation) timedOut(limit time.Duration) *Result {
	return inv.error("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, limit.Seconds()))
}
