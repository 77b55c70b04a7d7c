// Command pulumi-language-go lets the Pulumi CLI run Go programs and Go policy
// packs where Pulumi's own host, which is only distributed as a download with
// the CLI, cannot be had. It implements the part of pulumirpc.LanguageRuntime
// that preview, up, refresh, destroy, install and about use; code generation
// and debugging stay with the official host.
//
// The CLI starts it with the engine's address as the last argument, reads the
// port it serves on from the first line of its standard output, and interrupts
// it when done.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// engineCheckInterval is how often the host asks whether its engine is alive. It
// bounds how long the host outlives a CLI that was killed without a chance to
// interrupt it.
const engineCheckInterval = 2 * time.Second

func main() {
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-go: %v\n", err)
		os.Exit(1)
	}
}

// serve runs the host until it is interrupted or its engine is gone.
func serve() error {
	engine, err := parseArguments(os.Args[1:])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	programs, err := newProgramCache()
	if err != nil {
		return err
	}
	if err := rpcutil.Healthcheck(ctx, engine, engineCheckInterval, stop); err != nil {
		return fmt.Errorf("watching the engine at %s: %w", engine, err)
	}

	cancel := make(chan bool)
	context.AfterFunc(ctx, func() { close(cancel) })
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(srv *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(srv, &host{shutdown: ctx, engine: engine, programs: programs})
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("listening for the engine: %w", err)
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

// parseArguments returns the engine's address. The flags are those with which
// the CLI may precede it; the host has no use for them.
func parseArguments(args []string) (engine string, err error) {
	flags := flag.NewFlagSet("pulumi-language-go", flag.ContinueOnError)
	flags.Bool("logtostderr", false, "accepted and ignored")
	flags.Int("v", 0, "accepted and ignored")
	flags.String("tracing", "", "accepted and ignored")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if flags.NArg() != 1 {
		return "", errors.New("expected the engine's address as the only argument: " +
			"the Pulumi CLI starts this program, it is not meant to be run by hand")
	}
	return flags.Arg(0), nil
}
