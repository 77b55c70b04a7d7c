package tests

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// previews is how many of each kind are made, in turns, for one measurement: a
	// preview is short, and its time depends on what else the machine does.
	previews = 3
	// sampling is how often the memory of a running command is looked at.
	sampling = 20 * time.Millisecond
)

// benchPreview measures `pulumi preview` of the dev stack, of which nothing is to
// be changed: what the policy pack adds to it, and how it compares with what CDK
// takes to write a template of the same pattern.
func benchPreview(b *testing.B) []figure {
	s := newStack(b)
	s.name = "dev"
	s.write("Pulumi.dev.yaml", read(b, filepath.Join(built.root, "Pulumi.dev.yaml")))
	s.must("stack", "select", "--create", s.name)
	s.up()
	return append(benchPack(b, s), benchCDK(b, s)...)
}

// benchPack measures how much of a preview the engine waits for the pack to judge.
// It is read from the engine's own trace of one preview, in which whatever else
// the machine does strikes both alike. Without a bar, because most of it is not
// the pack's own, is how much longer a preview takes with the pack than without:
// the engine starts a process, through a language host that first sees whether
// the pack has to be compiled, as one from Pulumi does each time.
func benchPack(b *testing.B, s *stack) []figure {
	b.Helper()
	resources := unchanged(b, s)
	pack := []string{"--policy-pack", s.pack()}
	var judging, each, whole []float64
	for i := range runs {
		trace := filepath.Join(b.TempDir(), strconv.Itoa(i))
		seconds(b, s.previewing(append(pack, "--otel-traces", "file://"+trace)...))
		spans := spansOf(b, trace)
		judging = append(judging, 100*spans.judging.Seconds()/spans.preview.Seconds())
		each = append(each, 1000*spans.judging.Seconds()/resources)
		var without, with float64
		for range previews {
			without += seconds(b, s.previewing())
			with += seconds(b, s.previewing(pack...))
		}
		whole = append(whole, 100*(with-without)/without)
	}
	return []figure{
		atMost(10, "policy pack's judging, of a preview", median(judging), "%"),
		noBar("policy pack's judging, per resource", median(each), "ms"),
		noBar("preview with the pack, its process and its compilation, over one without", median(whole), "% more"),
	}
}

// spans is how long the engine took for a preview, and for its calls to the pack
// in it, which it makes one at a time.
type spans struct{ preview, judging time.Duration }

// spansOf reads a trace in the JSON of OpenTelemetry's protocol.
func spansOf(b *testing.B, file string) (s spans) {
	b.Helper()
	for decoder := json.NewDecoder(strings.NewReader(read(b, file))); decoder.More(); {
		var exported struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []struct {
						Name              string
						StartTimeUnixNano time.Duration `json:",string"`
						EndTimeUnixNano   time.Duration `json:",string"`
					}
				}
			}
		}
		require.NoError(b, decoder.Decode(&exported))
		for _, resource := range exported.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					took := span.EndTimeUnixNano - span.StartTimeUnixNano
					switch {
					case span.Name == "pulumi":
						s.preview = took
					case strings.HasPrefix(span.Name, "pulumirpc.Analyzer/"):
						s.judging += took
					}
				}
			}
		}
	}
	require.NotZero(b, s.preview, "the trace has no preview")
	require.NotZero(b, s.judging, "the trace has no pack")
	return s
}

var unchangedResources = regexp.MustCompile(`(\d+) unchanged`)

// unchanged is how many resources the stack has, all of them as they should be.
func unchanged(b *testing.B, s *stack) float64 {
	b.Helper()
	out := s.must("preview", "--expect-no-changes")
	found := unchangedResources.FindStringSubmatch(out)
	require.NotNil(b, found, out)
	count, err := strconv.Atoi(found[1])
	require.NoError(b, err)
	return float64(count)
}

// benchCDK compares a preview, pack included, with the synthesis of the same
// pattern by tests/benchcdk. A preview does more: it asks the cloud about every
// resource, and compares.
func benchCDK(b *testing.B, s *stack) []figure {
	b.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("No comparison with AWS CDK: %s is not installed, it takes Node.js 20 or later.\n", tool)
			return nil
		}
	}
	modules := installCDK(b)
	synth := func() *exec.Cmd {
		command := exec.CommandContext(b.Context(), "node", filepath.Join(built.root, "tests", "benchcdk", "app.js"), b.TempDir())
		command.Env = append(os.Environ(), "NODE_PATH="+modules)
		return command
	}
	seconds(b, synth())
	var took, held, timeRatio, memoryRatio []float64
	for range runs {
		pulumi, cdk := measure(b, s.previewing("--policy-pack", s.pack())), measure(b, synth())
		took, held = append(took, pulumi.seconds), append(held, pulumi.megabytes)
		timeRatio = append(timeRatio, pulumi.seconds/cdk.seconds)
		memoryRatio = append(memoryRatio, pulumi.megabytes/cdk.megabytes)
	}
	figures := []figure{
		noBar("preview of the dev stack, with the pack", median(took), "s"),
		atMost(1, "its time over that of CDK's synth", median(timeRatio), "ratio"),
	}
	if median(held) == 0 {
		fmt.Println("No comparison of memory with AWS CDK: it takes /proc, which only Linux has.")
		return figures
	}
	return append(figures,
		noBar("its memory at the peak, all processes", median(held), "MB"),
		atMost(1, "its memory over that of CDK's synth", median(memoryRatio), "ratio"))
}

// installCDK installs what tests/benchcdk pins, once for each lock file, and
// returns the folder of the modules.
func installCDK(b *testing.B) string {
	b.Helper()
	pins, home := filepath.Join(built.root, "tests", "benchcdk"), filepath.Join(built.root, ".local", "benchcdk")
	lock := read(b, filepath.Join(pins, "package-lock.json"))
	dir := filepath.Join(home, fmt.Sprintf("%x", sha256.Sum256([]byte(lock)))[:16])
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
	}
	require.NoError(b, os.MkdirAll(home, 0o750))
	fresh := filepath.Join(home, "installing")
	require.NoError(b, os.RemoveAll(fresh)) // What an interrupted installation left.
	require.NoError(b, os.Mkdir(fresh, 0o750))
	require.NoError(b, os.WriteFile(filepath.Join(fresh, "package-lock.json"), []byte(lock), 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(fresh, "package.json"), []byte(read(b, filepath.Join(pins, "package.json"))), 0o600))
	install := exec.CommandContext(b.Context(), "npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = fresh
	out, err := install.CombinedOutput()
	require.NoError(b, err, "npm ci of tests/benchcdk: %s", out)
	require.NoError(b, os.Rename(fresh, dir))
	return modules
}

// previewing is the CLI's command for a preview of the stack.
func (s *stack) previewing(args ...string) *exec.Cmd {
	args = append([]string{"preview", "--expect-no-changes", "--non-interactive", "--color=never"}, args...)
	command := exec.CommandContext(s.t.Context(), "pulumi", args...)
	command.Dir = s.dir
	command.Env = os.Environ()
	for name, value := range s.env() {
		command.Env = append(command.Env, name+"="+value)
	}
	return command
}

// seconds is how long a command takes.
func seconds(b *testing.B, command *exec.Cmd) float64 {
	b.Helper()
	began := time.Now()
	out, err := command.CombinedOutput()
	require.NoError(b, err, "%s\n%s", command, out)
	return time.Since(began).Seconds()
}

// cost is what a command and all that it starts took. Memory is that of all the
// processes together at its highest, pages that they share counted for each of
// them; 0 where there is no /proc.
type cost struct{ seconds, megabytes float64 }

func measure(b *testing.B, command *exec.Cmd) (c cost) {
	b.Helper()
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	began := time.Now()
	require.NoError(b, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	ticker := time.NewTicker(sampling)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			require.NoError(b, err, "%s\n%s", command, out.String())
			c.seconds = time.Since(began).Seconds()
			return c
		case <-ticker.C:
			c.megabytes = max(c.megabytes, residentMegabytes(command.Process.Pid))
		}
	}
}

// residentMegabytes is the memory that a process and its descendants have now.
// See proc_pid_stat(5) for the fields.
func residentMegabytes(root int) float64 {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // The pattern is well-formed.
	parents, pages := map[int]int{}, map[int]int{}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // It has ended since.
		}
		// The name of the program, in brackets, may hold anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		parents[pid], _ = strconv.Atoi(fields[1])
		pages[pid], _ = strconv.Atoi(fields[21])
	}
	total := 0
	for pid := range pages {
		for ancestor := pid; ancestor != 0; ancestor = parents[ancestor] {
			if ancestor == root {
				total += pages[pid]
				break
			}
		}
	}
	return float64(total*os.Getpagesize()) / 1e6
}
