package endpoint

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"scaletozero/localcloud/process"
)

// loopback is the only address a copy may listen on.
const loopback = process.Loopback

// writeBuffer, in bytes, lets most requests go out in one piece.
const writeBuffer = 16 << 10

// processLauncher runs copies as processes of this machine.
type processLauncher struct {
	command []string
	// logPath is where the copies of a component log.
	logPath func(component string) string
}

// Launch starts the process on a free loopback port.
func (p processLauncher) Launch(l Launch) (Process, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, fmt.Errorf("finding a free port: %w", err)
	}
	log, err := os.OpenFile(p.logPath(l.Component.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	// The process has its own handle once it is started.
	defer func() { _ = log.Close() }()
	if _, err := fmt.Fprintf(log, "--- %s copy %d on port %d: %s\n",
		time.Now().UTC().Format(time.RFC3339), l.Number, port, l.Component.Image); err != nil {
		return nil, fmt.Errorf("writing the log: %w", err)
	}
	started, err := process.Start(process.Spec{Command: p.command, Env: environment(l.Component, port), Output: log})
	if err != nil {
		return nil, fmt.Errorf("cannot start the model command %q: %w", p.command[0], err)
	}
	return server(started, net.JoinHostPort(loopback, strconv.Itoa(port))), nil
}

// environment is the container's. Only what a program needs to run at all comes
// from outside: credentials and passphrases of the surrounding shell do not.
func environment(c Component, port int) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range c.Environment {
		env = append(env, name+"="+value)
	}
	return append(env, "SAGEMAKER_BIND_TO_PORT="+strconv.Itoa(port), "BIND_HOST="+loopback)
}

// served is a started program that listens.
type served struct {
	*process.Process
	// Transport reaches the program, whatever host a request names.
	*http.Transport
}

// server is the program that will listen on address.
func server(started *process.Process, address string) served {
	var dialer net.Dialer
	s := served{started, &http.Transport{
		// No proxy of the environment may come in between.
		MaxIdleConnsPerHost: 64, DisableCompression: true, WriteBufferSize: writeBuffer,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}}
	go func() {
		<-s.Exited()
		s.CloseIdleConnections()
	}()
	return s
}
