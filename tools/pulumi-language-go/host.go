package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/executable"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// host answers the engine. Methods it does not have are reported as
// unimplemented, which the engine takes as "no" for the optional ones.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	shutdown context.Context // ends when the host must stop, and with it every process it started
	engine   string          // address of the engine's gRPC server, host:port
	programs programCache
}

// Handshake is a formality: the host knows its engine from its arguments. The
// engine calls it only for hosts that it did not start itself.
func (h *host) Handshake(
	context.Context, *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo reports the version of the Pulumi SDK that the host speaks.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: sdkVersion()}, nil
}

// About tells `pulumi about` which Go compiles the programs.
func (h *host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("go is not on PATH, install it from https://go.dev/dl: %w", err)
	}
	version, err := exec.CommandContext(ctx, goTool, "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", goTool, err)
	}
	return &pulumirpc.AboutResponse{Executable: goTool, Version: strings.TrimSpace(string(version))}, nil
}

// GetRequiredPackages names no package. The engine would take the names as
// plugins to download before it runs the program, and it does so even for those
// that PULUMI_DEBUG_PROVIDERS supplies (ensurePluginsAreInstalled in pkg/engine
// does not ask); where this host is needed, Pulumi's downloads are out of reach.
// Nothing is lost: Pulumi's provider SDKs send their plugin's name and version
// with each resource, and the engine fetches what is still missing at that point.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// InstallDependencies downloads the program's modules, at the versions its
// go.mod names. It never edits go.mod.
func (h *host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest,
	stream grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	ctx, cancel := h.whileServing(stream.Context())
	defer cancel()
	output := sender(func(p []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: p}) })
	cmd := command(ctx, "go", "mod", "download")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go mod download failed in %s: %w", cmd.Dir, err)
	}
	return nil
}

// Run compiles the program (or takes the executable that the project's option
// `binary` names) and runs it to its end. What it prints reaches the user
// through the host's own output, which the engine shows.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	if req.GetAttachDebugger() {
		return nil, errors.New("this language host cannot attach a debugger: use the official Pulumi CLI for that")
	}
	ctx, cancel := h.whileServing(ctx)
	defer cancel()
	env, err := h.programEnv(req)
	if err != nil {
		return nil, err
	}
	prepare := func(executable string) *exec.Cmd {
		cmd := command(ctx, executable)
		cmd.Dir, cmd.Env = req.GetPwd(), env
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd
	}

	binary, err := binaryOption(req.GetInfo())
	if err != nil {
		return nil, err
	}
	var cmd *exec.Cmd
	if binary == "" {
		cmd, err = h.programs.start(ctx, req.GetInfo().GetProgramDirectory(), os.Stderr, prepare)
	} else {
		cmd = prepare(binary)
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	return runResult(cmd.Wait()), nil
}

// RunPlugin compiles and runs a plugin written in Go, such as a policy pack. Its
// output goes to the engine as it comes: the first line of its standard output
// is the port that the plugin serves on. The plugin is stopped when the engine
// ends the call.
func (h *host) RunPlugin(
	req *pulumirpc.RunPluginRequest, stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	if req.GetAttachDebugger() {
		return errors.New("this language host cannot attach a debugger: use the official Pulumi CLI for that")
	}
	ctx, cancel := h.whileServing(stream.Context())
	defer cancel()
	stdout, stderr := pluginOutput(stream)
	cmd, err := h.programs.start(ctx, req.GetInfo().GetProgramDirectory(), stderr, func(executable string) *exec.Cmd {
		cmd := command(ctx, executable, req.GetArgs()...)
		cmd.Dir, cmd.Env = req.GetPwd(), req.GetEnv()
		cmd.Stdout, cmd.Stderr = stdout, stderr
		return cmd
	})
	if err != nil {
		return err
	}
	if err := cmd.Wait(); !hasExited(err) {
		return fmt.Errorf("running the plugin: %w", err)
	}
	return stream.Send(&pulumirpc.RunPluginResponse{
		Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(cmd.ProcessState.ExitCode())}, //nolint:gosec // -1 to 255
	})
}

// whileServing returns a context that ends with ctx or when the host must stop.
func (h *host) whileServing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.shutdown, cancel)
	return ctx, func() { stop(); cancel() }
}

// programEnv is the environment of a program: the host's own, and what
// pulumi.Run reads. Config travels as one JSON object in PULUMI_CONFIG.
func (h *host) programEnv(req *pulumirpc.RunRequest) ([]string, error) {
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("encoding the stack's configuration: %w", err)
	}
	secretKeys, err := json.Marshal(append([]string{}, req.GetConfigSecretKeys()...))
	if err != nil {
		return nil, fmt.Errorf("encoding the names of the secret configuration: %w", err)
	}
	env := os.Environ()
	for _, v := range [][2]string{
		{pulumi.EnvOrganization, req.GetOrganization()},
		{pulumi.EnvProject, req.GetProject()},
		{pulumi.EnvStack, req.GetStack()},
		{pulumi.EnvPulumiRootDirectory, req.GetInfo().GetRootDirectory()},
		{pulumi.EnvConfig, string(config)},
		{pulumi.EnvConfigSecretKeys, string(secretKeys)},
		{pulumi.EnvDryRun, strconv.FormatBool(req.GetDryRun())},
		{pulumi.EnvParallel, strconv.Itoa(int(req.GetParallel()))},
		{pulumi.EnvMonitor, req.GetMonitorAddress()},
		{pulumi.EnvEngine, h.engine},
	} {
		env = append(env, v[0]+"="+v[1])
	}
	return env, nil
}

// binaryOption returns the path of the executable that the project names in
// `runtime: {name: go, options: {binary: …}}`, or "" where it names none.
func binaryOption(info *pulumirpc.ProgramInfo) (string, error) {
	options := info.GetOptions().AsMap()
	if _, ok := options["buildTarget"]; ok {
		return "", errors.New("runtime option buildTarget is not supported by this language host: " +
			"remove it from Pulumi.yaml, or build the program yourself and name the executable in the option binary")
	}
	option, ok := options["binary"]
	if !ok {
		return "", nil
	}
	name, ok := option.(string)
	if !ok || name == "" {
		return "", fmt.Errorf("runtime option binary is %v, expected the path of an executable: correct it in Pulumi.yaml",
			option)
	}
	path, err := executable.FindExecutable(name)
	if err != nil {
		return "", fmt.Errorf("runtime option binary names %q, which is neither in the project's directory nor on PATH: "+
			"build it first: %w", name, err)
	}
	return path, nil
}

// runResult says how a program ended, in the engine's terms. A program that has
// reported its error to the engine itself ends with status 32; the engine then
// only has to stop.
func runResult(err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case errors.As(err, &exit) && exit.ExitCode() == constant.ExitStatusLoggedError:
		return &pulumirpc.RunResponse{Bail: true}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program did not end well: %v", err)}
	}
}

// hasExited reports whether err, from exec.Cmd.Wait, is about a process that
// came to an end of its own, whatever its exit status.
func hasExited(err error) bool {
	var exit *exec.ExitError
	return err == nil || errors.As(err, &exit)
}

// sender makes a writer of a function that sends.
type sender func([]byte) error

func (send sender) Write(p []byte) (int, error) {
	if err := send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pluginOutput returns the two ends of a plugin's output. They may be written to
// at the same time, which the stream under them does not allow.
func pluginOutput(
	stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) (stdout, stderr io.Writer) {
	var mu sync.Mutex
	send := func(response *pulumirpc.RunPluginResponse) error {
		mu.Lock()
		defer mu.Unlock()
		return stream.Send(response)
	}
	stdout = sender(func(p []byte) error {
		return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: p}})
	})
	stderr = sender(func(p []byte) error {
		return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: p}})
	})
	return stdout, stderr
}

// sdkVersion is the version of the Pulumi SDK that this program is built from.
func sdkVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/pulumi/pulumi/sdk/v3" {
			return module.Version
		}
	}
	return ""
}
