// Command model is the sample model server: it keeps SageMaker's contract for
// inference containers and maps songs onto two axes.
//
// SageMaker starts a container as `docker run IMAGE serve`, asks GET /ping
// until it answers 200, sends each inference to POST /invocations, and stops it
// with SIGTERM, followed by SIGKILL 30 seconds later (AWS page "Custom
// Inference Code with Hosting Services").
//
// Environment:
//
//	SAGEMAKER_BIND_TO_PORT  port to listen on, 0 to 65535; default 8080
//	BIND_HOST               address to listen on; default 0.0.0.0, which a
//	                        container needs to be reached from outside. Set it
//	                        to 127.0.0.1 where the server runs on a laptop.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// drainTimeout bounds the wait for requests in flight after SIGTERM. It is
// shorter than the 30 seconds after which SageMaker sends SIGKILL.
const drainTimeout = 25 * time.Second

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if err := run(os.Args[1:], os.Getenv); err != nil {
		log.Fatalf("model: %v", err)
	}
}

// run serves until SIGTERM or SIGINT, then lets the requests in flight finish.
func run(args []string, getenv func(string) string) error {
	address, err := listenAddress(args, getenv)
	if err != nil {
		return err
	}
	// Signals are caught before the port opens, so that whoever sees /ping
	// answer may already rely on a graceful stop.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; choose another port with SAGEMAKER_BIND_TO_PORT", address, err)
	}
	server := &http.Server{Handler: newHandler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Printf("listening on %s", listener.Addr())

	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	log.Print("stopping: waiting for the requests in flight")
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return fmt.Errorf("requests still in flight %s after SIGTERM were cut off: %w", drainTimeout, err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listenAddress reads the command line and the environment. The only argument
// is `serve`, which SageMaker always passes; leaving it out means the same.
func listenAddress(args []string, getenv func(string) string) (string, error) {
	if len(args) > 1 || len(args) == 1 && args[0] != "serve" {
		return "", fmt.Errorf("unknown arguments %q: the only one allowed is `serve`, as in `docker run IMAGE serve`", args)
	}
	port := getenv("SAGEMAKER_BIND_TO_PORT")
	if port == "" {
		port = "8080"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("SAGEMAKER_BIND_TO_PORT is %q: it must be a port number from 0 to 65535", port)
	}
	host := getenv("BIND_HOST")
	if host == "" {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(host, port), nil
}
