// Adapter lets an image that keeps SageMaker's contract for inference containers
// run as a Lambda function: it starts the model and hands on to it what API
// Gateway asks the function. It is the image's entry point on Lambda, and the
// model's own command line follows it:
//
//	/adapter /model serve
//
// A model that ends, or that does not answer in time, is started again.
//
// Environment, which the model gets too, but for what only Lambda's own programs
// need (see withheld):
//
//	ALLOW_ORIGIN            the origin that browsers may call from, or "*"
//	SAGEMAKER_BIND_TO_PORT  the port that the model listens on; default 8080
package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"scaletozero/functions/environment"
)

// How long the model is waited for before the first invocation. Lambda gives an
// init phase 10 seconds, then ends it and begins anew inside the first
// invocation, which would throw away what the model has loaded so far. With
// provisioned concurrency it gives 130 seconds or more (Lambda developer guide,
// "Understanding the Lambda execution environment lifecycle"). A model that needs
// longer goes on loading during invocations; between them Lambda halts it.
const (
	initWait        = 9 * time.Second
	provisionedWait = 125 * time.Second
)

// defaultPort is the contract's (AWS page "Custom Inference Code with Hosting
// Services").
const defaultPort = 8080

func main() {
	log := environment.Log()
	settings := environment.Read(os.LookupEnv)
	origin, port := settings.Text("ALLOW_ORIGIN"), settings.Port("SAGEMAKER_BIND_TO_PORT", defaultPort)
	if err := settings.Err(); err != nil {
		environment.Exit(log, err)
	}
	a := &adapter{allowOrigin: origin, log: log, start: func() (*model, error) { return startModel(os.Args[1:], port, log) }}
	m, err := a.start()
	if err != nil {
		environment.Exit(log, err)
	}
	a.model.Store(m)
	a.passOn()
	if err := a.initialize(os.Getenv("AWS_LAMBDA_INITIALIZATION_TYPE")); err != nil {
		environment.Exit(log, err)
	}
	lambda.Start(a.answer)
}

// initialize waits for the model as long as an init phase of that type lets it. The
// error is that of a model that has ended, with provisioned concurrency: nobody
// waits for an answer yet, and Lambda tells that it has no environment only of one
// that does not start. Otherwise the first invocation starts it again.
func (a *adapter) initialize(initialization string) error {
	wait, provisioned := initWait, initialization == "provisioned-concurrency"
	if provisioned {
		wait = provisionedWait
	}
	m := a.model.Load()
	state := m.await(time.After(wait))
	if state == died && provisioned {
		return errors.New("the model has ended: " + m.status)
	}
	a.log.Info("the init phase ends", "model", string(state))
	return nil
}

// passOn hands SIGTERM on to the model and ends with it. Lambda sends SIGTERM
// only to functions with an extension, while no invocation is running; the others
// are killed (Lambda developer guide, "Shutdown phase").
func (a *adapter) passOn() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		told := <-signals
		a.log.Info("stopping: the model is told to")
		m := a.model.Load()
		if err := m.command.Process.Signal(told); err != nil && !errors.Is(err, os.ErrProcessDone) {
			a.log.Warn("the model could not be told to stop", "error", err.Error())
		}
		<-m.died
		os.Exit(0)
	}()
}
