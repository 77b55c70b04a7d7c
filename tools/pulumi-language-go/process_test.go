package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
)

// hostProcess is a running language host, and the engine that it believes in.
type hostProcess struct {
	client     pulumirpc.LanguageRuntimeClient
	conn       *grpc.ClientConn
	engine     string
	stopEngine func()
	cache      string

	cmd    *exec.Cmd
	wait   func() error // for the process to end; may be called more than once
	output *hostOutput
	errors *bytes.Buffer
}

func startHost(t *testing.T) *hostProcess {
	t.Helper()
	return startHostIn(t, t.TempDir())
}

// startHostIn starts a host that keeps compiled programs under cache.
func startHostIn(t *testing.T, cache string) *hostProcess {
	t.Helper()
	h := &hostProcess{cache: cache, output: &hostOutput{port: make(chan string, 1)}, errors: &bytes.Buffer{}}
	h.startEngine(t)
	h.cmd = exec.Command(os.Args[0], "-v=9", "--tracing", "file:trace", h.engine)
	h.cmd.Env = append(os.Environ(), beHost+"=1", "PULUMI_HOME="+cache)
	h.cmd.Stdout, h.cmd.Stderr = h.output, h.errors
	h.cmd.WaitDelay = 10 * time.Second // a program that outlived its host must fail a test, not hang it
	require.NoError(t, h.cmd.Start())
	h.wait = sync.OnceValue(h.cmd.Wait)
	t.Cleanup(func() { h.stop(t) })

	select {
	case port := <-h.output.port:
		var err error
		h.conn, err = grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = h.conn.Close() })
		h.client = pulumirpc.NewLanguageRuntimeClient(h.conn)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the host printed no port", h.errors)
	}
	return h
}

func (h *hostProcess) startEngine(t *testing.T) {
	t.Helper()
	stop := make(chan bool)
	engine, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: stop})
	require.NoError(t, err)
	h.stopEngine = sync.OnceFunc(func() {
		close(stop)
		assert.NoError(t, <-engine.Done)
	})
	t.Cleanup(h.stopEngine)
	h.engine = net.JoinHostPort("127.0.0.1", strconv.Itoa(engine.Port))
}

// stop interrupts the host, as the engine does, and waits for its end.
func (h *hostProcess) stop(t *testing.T) {
	t.Helper()
	_ = h.cmd.Process.Signal(os.Interrupt) // it may have ended already
	require.NoError(t, h.wait())
}

// stdout is what programs printed through a host that has ended.
func (h *hostProcess) stdout() string {
	_, printed, _ := strings.Cut(h.output.all.String(), "\n")
	return printed
}

// hostOutput collects a host's standard output and hands over its first line,
// the port.
type hostOutput struct {
	all  strings.Builder
	port chan string
}

func (o *hostOutput) Write(p []byte) (int, error) {
	known := strings.Contains(o.all.String(), "\n")
	o.all.Write(p)
	if port, _, complete := strings.Cut(o.all.String(), "\n"); complete && !known {
		o.port <- port
	}
	return len(p), nil
}

// program writes a Go program, in a module of its own, with the given statements
// as its main function.
func program(t *testing.T, body string) *pulumirpc.ProgramInfo {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module program\n\ngo 1.26\n"), 0o600))
	writeProgram(t, dir, body)
	return &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: "."}
}

func writeProgram(t *testing.T, dir, body string) {
	t.Helper()
	source := `package main

import ("fmt"; "net"; "os"; "os/signal")

var _, _, _, _ = fmt.Println, net.Dial, os.Exit, signal.Ignore

func main() {` + body + "}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
}

// withOption is a program of a project with one runtime option.
func withOption(t *testing.T, name string, value any) *pulumirpc.ProgramInfo {
	t.Helper()
	info := program(t, ``)
	options, err := structpb.NewStruct(map[string]any{name: value})
	require.NoError(t, err)
	info.Options = options
	return info
}
