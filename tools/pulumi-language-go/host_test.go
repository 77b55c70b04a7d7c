package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"
)

// beHost makes the test binary behave as the language host, so that the tests
// talk to a real process the way the engine does.
const beHost = "PULUMI_LANGUAGE_GO_TEST_HOST"

func TestMain(m *testing.M) {
	if os.Getenv(beHost) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestRunReportsHowTheProgramEnded(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	for _, tc := range []struct {
		name, body string
		bail       bool
		wantError  string
	}{
		{name: "success", body: ``},
		{name: "error already logged to the engine", body: `os.Exit(32)`, bail: true},
		{name: "any other status", body: `os.Exit(3)`, wantError: "exit status 3"},
		{name: "panic", body: `panic("oops")`, wantError: "exit status 2"},
		{name: "signal", body: `p, _ := os.FindProcess(os.Getpid()); _ = p.Kill(); select {}`, wantError: "signal: killed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			response, err := h.client.Run(t.Context(), &pulumirpc.RunRequest{Info: program(t, tc.body)})
			require.NoError(t, err)
			assert.Equal(t, tc.bail, response.GetBail())
			if tc.wantError == "" {
				assert.Empty(t, response.GetError())
			} else {
				assert.Contains(t, response.GetError(), tc.wantError)
			}
		})
	}
}

func TestRunHandsTheProgramWhatPulumiRunReads(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	info := program(t, `
		for _, name := range []string{"PULUMI_ORGANIZATION", "PULUMI_PROJECT", "PULUMI_STACK", "PULUMI_CONFIG",
			"PULUMI_CONFIG_SECRET_KEYS", "PULUMI_DRY_RUN", "PULUMI_PARALLEL", "PULUMI_MONITOR", "PULUMI_ENGINE"} {
			fmt.Println(name + "=" + os.Getenv(name))
		}
		cwd, _ := os.Getwd()
		fmt.Println("cwd=" + cwd)`)
	pwd, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	_, err = h.client.Run(t.Context(), &pulumirpc.RunRequest{
		Info: info, Pwd: pwd, Organization: "org", Project: "proj", Stack: "dev",
		Config: map[string]string{"proj:key": "a \"quoted\" value"}, ConfigSecretKeys: []string{"proj:secret"},
		DryRun: true, Parallel: 7, MonitorAddress: "127.0.0.1:4242",
	})
	require.NoError(t, err)
	h.stop(t)
	assert.Equal(t, []string{
		"PULUMI_ORGANIZATION=org",
		"PULUMI_PROJECT=proj",
		"PULUMI_STACK=dev",
		`PULUMI_CONFIG={"proj:key":"a \"quoted\" value"}`,
		`PULUMI_CONFIG_SECRET_KEYS=["proj:secret"]`,
		"PULUMI_DRY_RUN=true",
		"PULUMI_PARALLEL=7",
		"PULUMI_MONITOR=127.0.0.1:4242",
		"PULUMI_ENGINE=" + h.engine,
		"cwd=" + pwd,
	}, strings.Split(strings.TrimSpace(h.stdout()), "\n"))
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	for _, tc := range []struct {
		name    string
		request *pulumirpc.RunRequest
		want    []string
	}{
		{
			"a program that does not compile",
			&pulumirpc.RunRequest{Info: program(t, `undeclared()`)},
			[]string{"go build failed in", "exit status 1"},
		},
		{
			"a directory without a program",
			&pulumirpc.RunRequest{Info: &pulumirpc.ProgramInfo{ProgramDirectory: t.TempDir()}},
			[]string{"go build failed in"},
		},
		{
			"a binary that is not there",
			&pulumirpc.RunRequest{Info: withOption(t, "binary", "no-such-executable")},
			[]string{`"no-such-executable"`, "build it first"},
		},
		{
			"a binary that is not a string",
			&pulumirpc.RunRequest{Info: withOption(t, "binary", true)},
			[]string{"binary is true", "Pulumi.yaml"},
		},
		{
			"the option buildTarget",
			&pulumirpc.RunRequest{Info: withOption(t, "buildTarget", "bin/program")},
			[]string{"buildTarget is not supported"},
		},
		{
			"a debugger",
			&pulumirpc.RunRequest{Info: program(t, ``), AttachDebugger: true},
			[]string{"cannot attach a debugger"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := h.client.Run(t.Context(), tc.request)
			for _, want := range tc.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestRunShowsTheCompilersMessages(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	_, err := h.client.Run(t.Context(), &pulumirpc.RunRequest{Info: program(t, `undeclared()`)})
	require.Error(t, err)
	h.stop(t)
	assert.Contains(t, h.errors.String(), "undefined: undeclared")
}

func TestRunTakesThePrebuiltBinary(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	info := withOption(t, "binary", "true")
	info.ProgramDirectory = t.TempDir() // nothing to compile here
	response, err := h.client.Run(t.Context(), &pulumirpc.RunRequest{Info: info})
	require.NoError(t, err)
	assert.Empty(t, response.GetError())
}

// The executable must be replaced when its source changed, and only then:
// linking a program on the AWS SDK takes seconds.
func TestRunLinksOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	info := program(t, `fmt.Println("first")`)
	run := func() os.FileInfo {
		_, err := h.client.Run(t.Context(), &pulumirpc.RunRequest{Info: info})
		require.NoError(t, err)
		built, err := filepath.Glob(filepath.Join(h.cache, "*", "*", "program"))
		require.NoError(t, err)
		require.Len(t, built, 1)
		stat, err := os.Stat(built[0])
		require.NoError(t, err)
		return stat
	}
	first, again := run(), run()
	assert.True(t, os.SameFile(first, again), "an unchanged program was linked again")

	writeProgram(t, info.GetProgramDirectory(), `fmt.Println("second")`)
	changed := run()
	assert.False(t, os.SameFile(first, changed))
	h.stop(t)
	assert.Equal(t, "first\nfirst\nsecond\n", h.stdout())
}

// Two hosts share a cache whenever two commands run on the same project.
func TestHostsBuildTheSameProgramAtTheSameTime(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	info := program(t, `fmt.Println("ran")`)
	var hosts [4]*hostProcess
	for i := range hosts {
		hosts[i] = startHostIn(t, cache)
	}
	var wg sync.WaitGroup
	for _, h := range hosts {
		wg.Go(func() {
			response, err := h.client.Run(t.Context(), &pulumirpc.RunRequest{Info: info})
			assert.NoError(t, err)
			assert.Empty(t, response.GetError())
		})
	}
	wg.Wait()
	for _, h := range hosts {
		h.stop(t)
		assert.Equal(t, "ran\n", h.stdout())
	}
}

func TestRunPluginStreamsItsOutputAndExitStatus(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	pwd, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	stream, err := h.client.RunPlugin(t.Context(), &pulumirpc.RunPluginRequest{
		Info: program(t, `
			cwd, _ := os.Getwd()
			fmt.Println(os.Args[1], os.Getenv("FROM_ENGINE"), cwd)
			fmt.Fprintln(os.Stderr, "to stderr")
			os.Exit(7)`),
		Pwd: pwd, Args: []string{"127.0.0.1:1"}, Env: []string{"FROM_ENGINE=yes"}, Kind: "analyzer",
	})
	require.NoError(t, err)
	var stdout, stderr strings.Builder
	exitCodes := []int32{}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch output := message.GetOutput().(type) {
		case *pulumirpc.RunPluginResponse_Stdout:
			stdout.Write(output.Stdout)
		case *pulumirpc.RunPluginResponse_Stderr:
			stderr.Write(output.Stderr)
		case *pulumirpc.RunPluginResponse_Exitcode:
			exitCodes = append(exitCodes, output.Exitcode)
		}
	}
	assert.Equal(t, "127.0.0.1:1 yes "+pwd+"\n", stdout.String())
	assert.Equal(t, "to stderr\n", stderr.String())
	assert.Equal(t, []int32{7}, exitCodes)
}

func TestRunPluginShowsTheCompilersMessages(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	stream, err := h.client.RunPlugin(t.Context(), &pulumirpc.RunPluginRequest{Info: program(t, `undeclared()`)})
	require.NoError(t, err)
	var stderr strings.Builder
	for err == nil {
		var message *pulumirpc.RunPluginResponse
		message, err = stream.Recv()
		stderr.Write(message.GetStderr())
	}
	assert.Contains(t, stderr.String(), "undefined: undeclared")
	assert.ErrorContains(t, err, "go build failed in")
}

// Whatever ends a session, nothing that the host started may survive it. The
// program under test connects to the test and then waits for ever: the
// connection breaks when its process is gone.
func TestNoProcessOutlivesItsSession(t *testing.T) {
	t.Parallel()
	runProgram := func(ctx context.Context, h *hostProcess, info *pulumirpc.ProgramInfo) {
		_, _ = h.client.Run(ctx, &pulumirpc.RunRequest{Info: info})
	}
	runPlugin := func(ctx context.Context, h *hostProcess, info *pulumirpc.ProgramInfo) {
		stream, err := h.client.RunPlugin(ctx, &pulumirpc.RunPluginRequest{Info: info, Env: os.Environ()})
		for err == nil {
			_, err = stream.Recv()
		}
	}
	for _, tc := range []struct {
		name     string
		start    func(context.Context, *hostProcess, *pulumirpc.ProgramInfo)
		end      func(t *testing.T, h *hostProcess, cancelCall context.CancelFunc)
		stubborn bool
	}{
		{"the engine cancels a program", runProgram, func(_ *testing.T, _ *hostProcess, cancel context.CancelFunc) { cancel() }, false},
		{"the engine cancels a plugin", runPlugin, func(_ *testing.T, _ *hostProcess, cancel context.CancelFunc) { cancel() }, false},
		{"a plugin ignores the interrupt", runPlugin, func(_ *testing.T, _ *hostProcess, cancel context.CancelFunc) { cancel() }, true},
		{"the host is interrupted", runProgram, func(t *testing.T, h *hostProcess, _ context.CancelFunc) { h.stop(t) }, false},
		{"the engine drops its connection", runPlugin, func(t *testing.T, h *hostProcess, _ context.CancelFunc) {
			require.NoError(t, h.conn.Close())
		}, false},
		{"the engine is gone", runProgram, func(t *testing.T, h *hostProcess, _ context.CancelFunc) {
			h.stopEngine()
			require.NoError(t, h.wait(), "the host must end by itself")
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { _ = listener.Close() })
			body := `conn, err := net.Dial("tcp", "` + listener.Addr().String() + `")
				if err != nil { panic(err) }
				_, _ = conn.Read(make([]byte, 1))`
			if tc.stubborn {
				body = `signal.Ignore(os.Interrupt);` + body
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			info := program(t, body)
			go tc.start(ctx, h, info)

			running, err := listener.Accept()
			require.NoError(t, err)
			tc.end(t, h, cancel)
			require.NoError(t, running.SetReadDeadline(time.Now().Add(20*time.Second)))
			_, err = running.Read(make([]byte, 1))
			assert.ErrorIs(t, err, io.EOF, "the process is still there")
		})
	}
}

func TestWhatTheEngineAsksBesides(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	ctx := t.Context()

	_, err := h.client.Handshake(ctx, &pulumirpc.LanguageHandshakeRequest{EngineAddress: h.engine})
	require.NoError(t, err)

	info, err := h.client.GetPluginInfo(ctx, &emptypb.Empty{})
	require.NoError(t, err)
	assert.Regexp(t, `^v3\.\d+\.\d+$`, info.GetVersion())

	about, err := h.client.About(ctx, &pulumirpc.AboutRequest{})
	require.NoError(t, err)
	assert.FileExists(t, about.GetExecutable())
	assert.Regexp(t, `^go1\.\d+`, about.GetVersion())

	packages, err := h.client.GetRequiredPackages(ctx, &pulumirpc.GetRequiredPackagesRequest{Info: program(t, ``)})
	require.NoError(t, err)
	assert.Empty(t, packages.GetPackages())
}

func TestInstallDependencies(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	install := func(info *pulumirpc.ProgramInfo) error {
		stream, err := h.client.InstallDependencies(t.Context(), &pulumirpc.InstallDependenciesRequest{Info: info})
		for err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	assert.ErrorIs(t, install(program(t, ``)), io.EOF)
	assert.ErrorContains(t, install(&pulumirpc.ProgramInfo{ProgramDirectory: t.TempDir()}), "go mod download failed in")
}

func TestStartedByHand(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), beHost+"=1")
	output, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(output), "the Pulumi CLI starts this program")
}
