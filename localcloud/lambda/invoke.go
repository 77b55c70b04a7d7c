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
	"slices"
	"time"

	"scaletozero/localcloud/faults"
)

// maxRequest is the largest payload of a synchronous invocation, in bytes
// (developer guide, "Lambda quotas").
const maxRequest = 6291456

// Result is what a function answered.
type Result struct {
	// RequestID is the invocation's, Version the one that ran.
	RequestID, Version string
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
	// arn is what was invoked, with the alias or version that was named.
	arn      string
	payload  []byte
	deadline time.Time
	// answered takes the program's answer.
	answered chan Result
	// crash ends the program once it has the invocation.
	crash bool
}

// Invoke has a function answer a payload, which must be JSON, and waits for it.
// The function goes by its name or ARN, with or without an alias or a version
// behind it, as in NAME:live. A function that fails is a Result with a
// FunctionError, and no error.
//
// Errors: *Error where the function, alias or version does not exist, the payload
// is too large or no JSON, or all concurrency is in use; the error of ctx, while,
// as on AWS, the function runs on.
func (r *Runtime) Invoke(ctx context.Context, name string, payload []byte) (Result, error) {
	_, qualifier := SplitName(name)
	return r.invoke(ctx, name, qualifier, payload)
}

func (r *Runtime) invoke(ctx context.Context, name, qualifier string, payload []byte) (Result, error) {
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
	a, err := r.admit(name, qualifier)
	if err != nil {
		return Result{}, err
	}
	inv := newInvocation(payload, a.version.Tracing)
	inv.arn = a.version.arn
	if qualifier != "" {
		inv.arn += ":" + qualifier
	}
	inv.crash = r.options.Faults.Happens(faults.FunctionCrash, a.version.name)
	done := make(chan Result, 1)
	r.background.Go(func() {
		began := time.Now()
		result := r.run(a, inv)
		result.Version = a.version.number
		r.leave(a, result, time.Since(began))
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

// admission is an invocation that may run.
type admission struct {
	version *version
	// resource is NAME:QUALIFIER; empty where no alias or version was named.
	resource string
	// kept is the environment that was kept ahead for it, or nil; spilled tells that
	// all that were kept had work.
	kept    *environment
	spilled bool
}

// admit counts an invocation that may run, which leave ends.
func (r *Runtime) admit(name, qualifier string) (*admission, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, err := r.find(name, qualifier)
	if err != nil {
		return nil, err
	}
	if r.closed {
		return nil, &Error{Status: http.StatusInternalServerError, Type: "ServiceException", Message: errClosed.Error()}
	}
	f, a := v.function, &admission{version: v}
	if qualifier != "" {
		a.resource = f.name + ":" + qualifier
	}
	reason := ""
	if r.options.Faults.Happens(faults.FunctionThrottling, f.name) {
		reason = accountLimit
	} else if a.kept = r.takeProvisioned(f.pools[qualifier]); a.kept == nil {
		a.spilled, reason = f.pools[qualifier] != nil, r.throttled(f)
	}
	if reason != "" {
		f.throttles++
		r.options.Metric("Throttles", dimension(f.name), 1)
		return nil, &Error{Status: http.StatusTooManyRequests, Type: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: reason}
	}
	f.running++
	f.peak = max(f.peak, f.running)
	f.invocations++
	r.running++
	r.peak = max(r.peak, r.running)
	r.working[v.Code]++
	return a, nil
}

// The reasons of a TooManyRequestsException (API reference, Invoke).
const (
	ownLimit     = "ReservedFunctionConcurrentInvocationLimitExceeded"
	accountLimit = "ConcurrentInvocationLimitExceeded"
)

// throttled says which limit, if any, is in the way of one more invocation
// without provisioned concurrency (developer guide, "Understanding Lambda function
// scaling"). What is provisioned is taken from what the function reserves, or from
// the account, in use or not. The caller holds mu.
func (r *Runtime) throttled(f *function) string {
	if f.spec.Reserved >= 0 {
		if f.onDemand() >= f.spec.Reserved-f.provisioned("") {
			return ownLimit
		}
		return ""
	}
	// What is reserved is taken from all others, in use or not.
	left := r.options.Concurrency
	for _, other := range r.functions {
		if other.spec.Reserved >= 0 {
			left -= other.spec.Reserved
		} else {
			left -= other.onDemand() + other.provisioned("")
		}
	}
	if left <= 0 {
		return accountLimit
	}
	return ""
}

// leave ends what admit counted.
func (r *Runtime) leave(a *admission, result Result, took time.Duration) {
	failed := 0
	if result.FunctionError != "" {
		failed = 1
	}
	v := a.version
	all := []map[string]string{dimension(v.name)}
	if a.resource != "" {
		all = append(all, qualified(v.name, a.resource))
	}
	for _, dimensions := range all {
		r.options.Metric("Invocations", dimensions, 1)
		r.options.Metric("Errors", dimensions, float64(failed))
		r.options.Metric("Duration", dimensions, float64(took.Microseconds())/1000)
	}
	switch {
	case a.spilled:
		r.options.Metric("ProvisionedConcurrencySpilloverInvocations", qualified(v.name, a.resource), 1)
	case a.kept != nil:
		r.options.Metric("ProvisionedConcurrencyInvocations", qualified(v.name, a.resource), 1)
	}
	r.mu.Lock()
	v.function.errors += failed
	v.function.running--
	r.unwork(v.Code)
	if r.running--; r.running == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
	stale := !r.lives(v)
	r.mu.Unlock()
	if stale {
		r.storing.Lock()
		defer r.storing.Unlock()
		r.discard(v.Code)
	}
}

// unwork counts one less that works with the code. The caller holds mu.
func (r *Runtime) unwork(code string) {
	if r.working[code]--; r.working[code] == 0 {
		delete(r.working, code)
	}
}

// run has an environment answer the invocation: the one that was kept for it, a
// free one, or a new one. One that ends before it has got the invocation has done
// nothing with it: another one may.
func (r *Runtime) run(a *admission, inv *invocation) Result {
	e := a.kept
	for retried := false; ; retried = true {
		if e == nil || retried {
			var failed *Result
			if e, failed = r.environment(a.version, inv); failed != nil {
				return *failed
			}
		} else {
			inv.deadline = time.Now().Add(a.version.Timeout)
		}
		e.logLine("START RequestId: %s Version: %s", inv.id, a.version.number)
		began := time.Now()
		result, taken, again := e.work(inv)
		if result.FunctionError != "" {
			e.logLine("%s", result.Payload)
		}
		e.logLine("END RequestId: %s\nREPORT RequestId: %[1]s Duration: %.2f ms Memory Size: %d MB",
			inv.id, float64(time.Since(began).Microseconds())/1000, a.version.MemoryMB)
		switch {
		case e.pool != nil:
			r.giveBack(e, again)
		case again:
			r.release(e)
		default:
			r.retire(e)
		}
		if taken || retried {
			return result
		}
	}
}

// environment returns a free environment or starts one. As on AWS, an init phase
// that fails is tried once more, within the function's own timeout.
func (r *Runtime) environment(v *version, inv *invocation) (*environment, *Result) {
	if e := r.take(v); e != nil {
		inv.deadline = time.Now().Add(v.Timeout)
		return e, nil
	}
	for attempt := 0; ; attempt++ {
		e, err := r.launch(v, onDemand)
		if err != nil {
			return nil, inv.error("Runtime.InvalidEntrypoint", fmt.Sprintf("RequestId: %s Error: %v", inv.id, err))
		}
		inv.deadline = time.Now().Add(v.Timeout)
		limit := v.Timeout
		if attempt == 0 {
			limit = r.options.InitTimeout
		}
		failed := e.ready(inv, limit)
		if failed == nil {
			if attempt == 0 {
				inv.deadline = time.Now().Add(v.Timeout)
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
func (r *Runtime) take(v *version) *environment {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(v.free) > 0 {
		e := v.free[len(v.free)-1]
		v.free = v.free[:len(v.free)-1]
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
	usable := r.lives(e.version)
	if usable {
		e.version.free = append(e.version.free, e)
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
	e.version.free = slices.DeleteFunc(e.version.free, func(other *environment) bool { return other == e })
	r.mu.Unlock()
	e.end()
}

// retire ends an environment that cannot be used again, and removes its code if
// it was the last to need it.
func (r *Runtime) retire(e *environment) {
	e.end()
	r.storing.Lock()
	defer r.storing.Unlock()
	r.discard(e.version.Code)
}
