//go:build unix

package lambda

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"scaletozero/localcloud/process"
)

// environment is one execution environment: a process, with a runtime API of its
// own.
type environment struct {
	runtime  *Runtime
	function *function
	spec     *Function
	process  *process.Process
	server   *http.Server
	log      *os.File
	serving  sync.WaitGroup
	ending   sync.Once

	// asked tells that the program asks for an invocation, handover gives it one.
	asked    chan struct{}
	handover chan *invocation
	// broken takes what the program says of an init phase that failed.
	broken chan []byte
	// reaper ends an environment without work; the runtime's mu guards it.
	reaper *time.Timer

	mu sync.Mutex
	// current is the invocation that the program has and has not answered.
	current *invocation
}

// logPath is where a function logs: the file that stands for its log group.
func (r *Runtime) logPath(name string) string {
	return filepath.Join(r.options.LogDir, "aws_lambda_"+name+".log")
}

// launch starts an environment. The caller ends it.
func (r *Runtime) launch(f *function, spec *Function) (*environment, error) {
	log, err := os.OpenFile(r.logPath(f.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", process.Loopback+":0")
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	e := &environment{
		runtime: r, function: f, spec: spec, log: log,
		asked: make(chan struct{}, 1), handover: make(chan *invocation), broken: make(chan []byte, 1),
	}
	// As on AWS, only the program of the environment knows where this is.
	e.server = &http.Server{Handler: e.api(), ReadHeaderTimeout: 10 * time.Second}
	root := r.codePath(spec.Code)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.Join(errClosed, listener.Close(), log.Close())
	}
	e.process, err = process.Start(process.Spec{
		Command: []string{filepath.Join(root, bootstrap)}, Dir: root, Output: log,
		Env: r.variables(spec, root, listener.Addr().String()),
	})
	if err != nil {
		return nil, errors.Join(err, listener.Close(), log.Close())
	}
	e.serving.Go(func() { _ = e.server.Serve(listener) }) // It ends with the environment.
	r.environments[e] = true
	f.inits++
	return e, nil
}

// end kills the program, if it still runs, and what it left behind.
func (e *environment) end() {
	e.ending.Do(func() {
		e.process.Stop(0)
		// Neither can fail in a way that matters now.
		_ = e.server.Close()
		_ = e.log.Close()
		e.serving.Wait()
		e.runtime.mu.Lock()
		defer e.runtime.mu.Unlock()
		delete(e.runtime.environments, e)
		if e.reaper != nil {
			e.reaper.Stop()
		}
	})
}

// variables are all that a function's program finds in its environment (developer
// guide, "Defined runtime environment variables"). Of the machine's there is
// nothing but TMPDIR: no credentials, no profile, and no home folder to find them
// in.
func (r *Runtime) variables(f *Function, root, api string) []string {
	all := map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC"}
	if dir, ok := os.LookupEnv("TMPDIR"); ok {
		all["TMPDIR"] = dir
	}
	maps.Copy(all, f.Environment)
	maps.Copy(all, map[string]string{
		"_HANDLER": f.Handler, "LAMBDA_TASK_ROOT": root,
		"AWS_LAMBDA_RUNTIME_API": api, "AWS_LAMBDA_FUNCTION_NAME": f.Name, "AWS_LAMBDA_FUNCTION_VERSION": latest,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + f.Name, "AWS_LAMBDA_LOG_STREAM_NAME": latest,
		"AWS_REGION": f.Region, "AWS_DEFAULT_REGION": f.Region,
		// The SDKs want some; nothing here looks at them.
		"AWS_ACCESS_KEY_ID": "localcloud", "AWS_SECRET_ACCESS_KEY": "localcloud", "AWS_SESSION_TOKEN": "localcloud",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	})
	for service, url := range r.options.Endpoints {
		all["AWS_ENDPOINT_URL_"+service] = url
	}
	env := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}

// ReservedVariables returns those that a function may not set, ordered (developer
// guide, "Defined runtime environment variables").
func ReservedVariables(environment map[string]string) []string {
	var reserved []string
	for name := range environment {
		switch {
		case strings.HasPrefix(name, "AWS_LAMBDA_") && name != "AWS_LAMBDA_EXEC_WRAPPER",
			slices.Contains([]string{
				"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
				"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
			}, name):
			reserved = append(reserved, name)
		}
	}
	slices.Sort(reserved)
	return reserved
}

// logLine writes a line of the service's own into the function's log.
func (e *environment) logLine(format string, args ...any) {
	// A log that cannot be written must not cost the caller the answer.
	_, _ = fmt.Fprintf(e.log, format+"\n", args...)
}

// ready returns nil once the program asks for its first invocation, and otherwise
// what the caller of a function whose init phase failed is told.
func (e *environment) ready(inv *invocation, limit time.Duration) *Result {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-e.asked:
		return nil
	case said := <-e.broken:
		return inv.failed(said)
	case <-e.process.Exited():
	case <-timer.C:
		return inv.timedOut(limit)
	}
	select {
	case said := <-e.broken: // It has said why before it ended.
		return inv.failed(said)
	default:
		return inv.exited(e.process.Status())
	}
}

// work gives the program the invocation and waits for its answer, and for it to
// ask for the next one: only then is an invocation over. taken tells whether the
// program has got it, again whether the environment can be used again.
func (e *environment) work(inv *invocation) (result Result, taken, again bool) {
	timer := time.NewTimer(time.Until(inv.deadline))
	defer timer.Stop()
	exited := e.process.Exited()
	select {
	case e.handover <- inv:
	case <-exited:
		return *inv.exited(e.process.Status()), false, false
	case <-timer.C:
		return *inv.timedOut(e.spec.Timeout), true, false
	}
	if inv.crash {
		e.process.Kill()
		return *inv.exited(e.process.Status()), true, false
	}
	select {
	case result = <-inv.answered:
	case <-exited:
		return *inv.exited(e.process.Status()), true, false
	case <-timer.C:
		return *inv.timedOut(e.spec.Timeout), true, false
	}
	select {
	case <-e.asked:
		return result, true, true
	case <-exited:
	case <-timer.C:
	}
	return result, true, false
}
