//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"scaletozero/localcloud/faults"
)

const faultUsage = `localcloud fault makes something go wrong. All durations are AWS time.

  localcloud fault KIND [flags]   happen once, or --count times, or --for a time
  localcloud fault list           print what is on
  localcloud fault clear          switch everything off

Kinds:
  model-crash          an invocation ends the model's process
  model-hang           an invocation gets no answer until the time limit
  slow-start           a copy takes --delay longer to start
  service-5xx          SageMaker answers 500 or 503
  throttling           SageMaker answers 429
  no-capacity          an instance cannot be provisioned
  kill                 a model process is killed now
  queue-duplicate      a message of a queue is delivered twice
  function-crash       an invocation ends the function's process
  function-throttling  Lambda answers 429

Flags:
`

// runFault changes or lists the faults of the running local cloud.
func runFault(arguments []string, out io.Writer) error {
	var fault faults.Fault
	var stateDir string
	flags := flag.NewFlagSet("localcloud fault", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), faultUsage)
		flags.PrintDefaults()
	}
	stateFlag(flags, &stateDir)
	flags.StringVar(&fault.Component, "component", "", "the inference component, queue or function that it happens to (default every one)")
	flags.IntVar(&fault.Count, "count", 0, "how many times it happens")
	flags.DurationVar(&fault.For, "for", 0, "how long it is on, such as 10m")
	flags.Float64Var(&fault.Probability, "probability", 0, "the chance that it happens each time it could (default 1)")
	flags.DurationVar(&fault.Delay, "delay", 0, "how much longer a slow start takes (default 5m)")
	action, rest := "", arguments
	if len(arguments) > 0 && !strings.HasPrefix(arguments[0], "-") {
		action, rest = arguments[0], arguments[1:]
	}
	if err := flags.Parse(rest); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is unexpected: flags follow the kind of fault", flags.Arg(0))
	}
	switch action {
	case "":
		flags.Usage()
		return errors.New("say which fault, or list, or clear")
	case "list":
		return faultRequest(stateDir, http.MethodGet, nil, out)
	case "clear":
		return faultRequest(stateDir, http.MethodDelete, nil, out)
	}
	fault.Kind = faults.Kind(action)
	return faultRequest(stateDir, http.MethodPost, &fault, out)
}

// faultRequest asks the admin endpoint and prints what is then on.
func faultRequest(stateDir, method string, fault *faults.Fault, out io.Writer) (err error) {
	health, err := answering(stateDir)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if fault != nil {
		if err := json.NewEncoder(&body).Encode(fault); err != nil {
			return err
		}
	}
	request, err := http.NewRequest(method, health.URL+faults.AdminPath, &body)
	if err != nil {
		return err
	}
	request.Header.Set(faults.AdminHeader, faults.AdminValue)
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}} // Loopback needs no proxy.
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("localcloud (pid %d) runs but does not answer: %w", health.PID, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(answer)))
	}
	var on []faults.Fault
	if err := json.Unmarshal(answer, &on); err != nil {
		return fmt.Errorf("the answer of localcloud cannot be read: %w", err)
	}
	return printFaults(on, out)
}

func printFaults(on []faults.Fault, out io.Writer) error {
	if len(on) == 0 {
		_, err := fmt.Fprintln(out, "no fault is on")
		return err
	}
	for _, fault := range on {
		if _, err := fmt.Fprintln(out, fault); err != nil {
			return err
		}
	}
	return nil
}
