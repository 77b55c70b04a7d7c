//go:build unix

package lambda

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"scaletozero/localcloud/faults"
)

// maxRequest is the largest payload of a synchronous invocation, in bytes
// (developer guide, "Lambda quotas").
const maxRequest = 6291456

// latest is the only version that a function has here.
const latest = "$LATEST"

// Result is what a function answered.
type Result struct {
	// RequestID is the invocation's.
	RequestID string
	// FunctionError is "Unhandled" where the function failed, and otherwise empty.
	FunctionError string
	// Payload is the function's answer, or its error as JSON.
	Payload []byte
}

// Error is why a function was not invoked, in the service's words.
type Error struct {
	Status        int
	Type, Message string
	// Reason says which limit a TooManyRequestsException is about.
	Reason string
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

var errClosed = errors.New("the local Lambda is closed")

// invocation is one invocation on its way.
type invocation struct {
	id, trace string
	payload   []byte
	deadline  time.Time
	// answered takes the program's answer.
	answered chan Result
	// crash ends the program once it has the invocation.
	crash bool
}

// Invoke has a function answer a payload, which must be JSON, and waits for it.
// The function goes by its name or ARN. A function that fails is a Result with a
// FunctionError, and no error.
//
// Errors: *Error where the function does not exist, the payload is too large or no
// JSON, or all concurrency is in use; the error of ctx, while, as on AWS, the
// function runs on.
func (r *Runtime) Invoke(ctx context.Context, name string, payload []byte) (Result, error) {
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if len(payload) > maxRequest {
		return Result{}, &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestTooLargeException", Message: fmt.Sprintf(
			"%d byte payload is too large for the RequestResponse invocation type (limit %d bytes)", len(payload), maxRequest)}
	}
	if !json.Valid(payload) {
		return Result{}, &Error{Status: http.StatusBadRequest, Type: "InvalidRequestContentException", Message: "Could not parse request body into json"}
	}
	f, spec, err := r.admit(name)
	if err != nil {
		return Result{}, err
	}
	inv := newInvocation(payload, spec.Tracing)
	inv.crash = r.options.Faults.Happens(faults.FunctionCrash, f.name)
	done := make(chan Result, 1)
	r.background.Go(func() {
		began := time.Now()
		result := r.run(f, spec, inv)
		r.leave(f, spec, result, time.Since(began))
		done <- result
	})
	select {
	case result := <-done:
		return result, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

func newInvocation(payload []byte, sampled bool) *invocation {
	var random [36]byte
	rand.Read(random[:])
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80
	digits := hex.EncodeToString(random[:])
	inv := &invocation{
		id:      digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:32],
		payload: payload, answered: make(chan Result, 1),
	}
	flag := 0
	if sampled {
		flag = 1
	}
	inv.trace = fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=%d", time.Now().Unix(), digits[32:56], digits[56:72], flag)
	return inv
}

// functionName takes the name out of an ARN, with or without the qualifier
// $LATEST; a name stays as it is.
func functionName(nameOrARN string) string {
	name := nameOrARN
	if strings.HasPrefix(name, "arn:") {
		if parts := strings.SplitN(name, ":", 7); len(parts) == 7 {
			name = parts[6]
		}
	}
	return strings.TrimSuffix(name, ":"+latest)
}

// admit counts an invocation that may run, which leave ends.
func (r *Runtime) admit(name string) (*function, *Function, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.functions[functionName(name)]
	if f == nil {
		return nil, nil, &Error{Status: http.StatusNotFound, Type: "ResourceNotFoundException", Message: "Function not found: " + name}
	}
	if r.closed {
		return nil, nil, &Error{Status: http.StatusInternalServerError, Type: "ServiceException", Message: errClosed.Error()}
	}
	if reason := r.throttled(f); reason != "" {
		f.throttles++
		r.options.Metric("Throttles", dimension(f.name), 1)
		return nil, nil, &Error{Status: http.StatusTooManyRequests, Type: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: reason}
	}
	f.running++
	f.invocations++
	r.running++
	r.working[f.spec.Code]++
	return f, f.spec, nil
}

// throttled says which limit, if any, is in the way of one more invocation
// (developer guide, "Understanding Lambda function scaling"). The caller holds mu.
func (r *Runtime) throttled(f *function) string {
	const own, account = "ReservedFunctionConcurrentInvocationLimitExceeded", "ConcurrentInvocationLimitExceeded"
	if r.options.Faults.Happens(faults.FunctionThrottling, f.name) {
		return account
	}
	if f.spec.Reserved >= 0 {
		if f.running >= f.spec.Reserved {
			return own
		}
		return ""
	}
	// What is reserved is taken from all others, in use or not.
	left := r.options.Concurrency
	for _, other := range r.functions {
		if other.spec.Reserved >= 0 {
			left -= other.spec.Reserved
		} else {
			left -= other.running
		}
	}
	if left <= 0 {
		return account
	}
	return ""
}

// leave ends what admit counted.
func (r *Runtime) leave(f *function, spec *Function, result Result, took time.Duration) {
	failed := 0
	if result.FunctionError != "" {
		failed = 1
	}
	r.options.Metric("Invocations", dimension(f.name), 1)
	r.options.Metric("Errors", dimension(f.name), float64(failed))
	r.options.Metric("Duration", dimension(f.name), float64(took.Microseconds())/1000)
	r.mu.Lock()
	f.errors += failed
	f.running--
	if r.working[spec.Code]--; r.working[spec.Code] == 0 {
		delete(r.working, spec.Code)
	}
	if r.running--; r.running == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
	stale := r.functions[f.name] != f || f.spec != spec
	r.mu.Unlock()
	if stale {
		r.storing.Lock()
		defer r.storing.Unlock()
		r.discard(spec.Code)
	}
}

func dimension(name string) map[string]string { return map[string]string{"FunctionName": name} }

// run has a free environment, or a new one, answer the invocation. One that ends
// before it has got the invocation has done nothing with it: another one may.
func (r *Runtime) run(f *function, spec *Function, inv *invocation) Result {
	for retried := false; ; retried = true {
		e, failed := r.environment(f, spec, inv)
		if failed != nil {
			return *failed
		}
		e.logLine("START RequestId: %s Version: %s", inv.id, latest)
		began := time.Now()
		result, taken, again := e.work(inv)
		if result.FunctionError != "" {
			e.logLine("%s", result.Payload)
		}
		e.logLine("END RequestId: %s\nREPORT RequestId: %[1]s Duration: %.2f ms Memory Size: %d MB",
			inv.id, float64(time.Since(began).Microseconds())/1000, spec.MemoryMB)
		if again {
			r.release(e)
		} else {
			r.retire(e)
		}
		if taken || retried {
			return result
		}
	}
}

// environment returns a free environment or starts one. As on AWS, an init phase
// that fails is tried once more, within the function's own timeout.
func (r *Runtime) environment(f *function, spec *Function, inv *invocation) (*environment, *Result) {
	if e := r.take(f, spec); e != nil {
		inv.deadline = time.Now().Add(spec.Timeout)
		return e, nil
	}
	for attempt := 0; ; attempt++ {
		e, err := r.launch(f, spec)
		if err != nil {
			return nil, inv.error("Runtime.InvalidEntrypoint", fmt.Sprintf("RequestId: %s Error: %v", inv.id, err))
		}
		inv.deadline = time.Now().Add(spec.Timeout)
		limit := spec.Timeout
		if attempt == 0 {
			limit = r.options.InitTimeout
		}
		failed := e.ready(inv, limit)
		if failed == nil {
			if attempt == 0 {
				inv.deadline = time.Now().Add(spec.Timeout)
			}
			return e, nil
		}
		e.logLine("INIT_REPORT Phase: init Status: error %s", failed.Payload)
		r.retire(e)
		if attempt == 1 {
			return nil, failed
		}
	}
}

// take returns the free environment that worked last, or nil.
func (r *Runtime) take(f *function, spec *Function) *environment {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f.spec == spec && len(f.free) > 0 {
		e := f.free[len(f.free)-1]
		f.free = f.free[:len(f.free)-1]
		if !e.reaper.Stop() {
			continue // Its time is up, and it is being ended.
		}
		select {
		case <-e.process.Exited(): // On its own.
			r.background.Go(e.end)
		default:
			return e
		}
	}
	return nil
}

// release makes an environment free, unless its function has changed or is gone.
func (r *Runtime) release(e *environment) {
	r.mu.Lock()
	f := e.function
	usable := !r.closed && r.functions[f.name] == f && f.spec == e.spec
	if usable {
		f.free = append(f.free, e)
		e.reaper = time.AfterFunc(r.options.Clock.Wall(r.options.IdleTimeout), func() { r.reap(e) })
	}
	r.mu.Unlock()
	if !usable {
		r.retire(e)
	}
}

// reap ends an environment that nothing asked for.
func (r *Runtime) reap(e *environment) {
	r.mu.Lock()
	for i, other := range e.function.free {
		if other == e {
			e.function.free = append(e.function.free[:i:i], e.function.free[i+1:]...)
			break
		}
	}
	r.mu.Unlock()
	e.end()
}

// retire ends an environment that cannot be used again, and removes its code if
// it was the last to need it.
func (r *Runtime) retire(e *environment) {
	e.end()
	r.storing.Lock()
	defer r.storing.Unlock()
	r.discard(e.spec.Code)
}
