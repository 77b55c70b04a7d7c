//go:build unix

// Command localcloud runs the local cloud: in the foreground (serve), or as a background process (start, stop, status).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"

	"scaletozero/localcloud"
	"scaletozero/localcloud/clock"
)

const usage = `localcloud runs a program's AWS resources on this machine, on loopback only.

  localcloud serve  [flags] [MODEL-ARGUMENT...]   run in the foreground, until interrupted
  localcloud start  [flags] [MODEL-ARGUMENT...]   run in the background; returns when it is ready
  localcloud stop   [--state DIR]                 stop it, and every model process
  localcloud status [--state DIR]                 say whether it runs; exits 1 if not
  localcloud providers [--state DIR]              print what PULUMI_DEBUG_PROVIDERS must be
  localcloud console [--state DIR]                print where the console is
  localcloud fault KIND|list|clear [flags]        make something go wrong; "localcloud fault" says what can

Flags (the environment variable gives the default):
`

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // A second signal ends the process at once.
	err := run(ctx, os.Args[1:], os.Stdout)
	cancel()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "localcloud:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	var options localcloud.Options
	var model, speed string
	flags := flag.NewFlagSet("localcloud", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	stateFlag(flags, &options.StateDir)
	flags.StringVar(&options.Addr, "addr", env("LOCALCLOUD_ADDR", localcloud.DefaultAddr), "where the REST API is served (LOCALCLOUD_ADDR)")
	flags.StringVar(&options.ProviderAddr, "provider-addr", env("LOCALCLOUD_PROVIDER_ADDR", localcloud.DefaultProviderAddr),
		"where Pulumi's engine attaches (LOCALCLOUD_PROVIDER_ADDR)")
	flags.StringVar(&speed, "speed", env("LOCALCLOUD_SPEED", strconv.Itoa(clock.DefaultSpeed)),
		"how much faster than the wall clock AWS time runs: 60 turns a minute into a second (LOCALCLOUD_SPEED)")
	flags.StringVar(&options.ConsoleAddr, "console-addr", env("LOCALCLOUD_CONSOLE_ADDR", localcloud.DefaultConsoleAddr),
		"where the console is served (LOCALCLOUD_CONSOLE_ADDR)")
	flags.StringVar(&model, "model", env("LOCALCLOUD_MODEL", ""), "program that stands in for the model container (LOCALCLOUD_MODEL)")
	flags.StringVar(&options.Adapter, "adapter", env("LOCALCLOUD_ADAPTER", ""),
		"program that runs the model where a function is a container image (LOCALCLOUD_ADAPTER)")
	if len(arguments) == 0 {
		flags.Usage()
		return errors.New("say what to do: serve, start, stop, status, providers, console or fault")
	}
	if arguments[0] == "fault" {
		return runFault(arguments[1:], out)
	}
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	var err error
	if options.Speed, err = strconv.ParseFloat(speed, 64); err != nil || options.Speed == 0 {
		return fmt.Errorf("--speed is %q: it must be a number from 1 (real time)", speed)
	}
	options.Model = append([]string{model}, flags.Args()...)
	switch arguments[0] {
	case "serve":
		return serve(ctx, options, out)
	case "start":
		return start(ctx, options, arguments[1:], out)
	case "stop":
		return stop(ctx, options.StateDir, out)
	case "status":
		return status(options.StateDir, out)
	case "providers":
		return providers(options.StateDir, out)
	case "console":
		return consoleURL(options.StateDir, out)
	default:
		return fmt.Errorf("%q is not a command: use serve, start, stop, status, providers, console or fault", arguments[0])
	}
}

func stateFlag(flags *flag.FlagSet, dir *string) {
	flags.StringVar(dir, "state", env("LOCALCLOUD_STATE", ".local/cloud"), "state directory (LOCALCLOUD_STATE)")
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// serve runs until ctx ends. It tells a parent that waits for it when it is ready, or why it is not.
func serve(ctx context.Context, options localcloud.Options, out io.Writer) error {
	parent, err := waitingParent()
	if err != nil {
		return err
	}
	options.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(localcloud.GCPercent)
	}
	cloud, err := localcloud.Start(ctx, options)
	if err != nil {
		return errors.Join(err, parent.tell(err.Error()))
	}
	if _, err := fmt.Fprintln(out, describe(cloud.Health())); err != nil {
		return errors.Join(err, cloud.Close())
	}
	if err := parent.tell(ready); err != nil {
		return errors.Join(err, cloud.Close())
	}
	<-ctx.Done()
	return cloud.Close()
}

func describe(h localcloud.Health) string {
	text := fmt.Sprintf("localcloud is running (pid %d, %g times faster than AWS): API at %s, console at %s, provider at %s, %d resources",
		h.PID, h.Speed, h.URL, h.Console, h.Provider, h.Resources)
	if h.Problem != "" {
		text += "\nnot everything that was deployed could be started again: " + h.Problem
	}
	return text
}

func logPath(stateDir string) string { return filepath.Join(stateDir, "localcloud.log") }
