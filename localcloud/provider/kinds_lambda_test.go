package provider_test

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/gateway"
	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/provider"
)

const executionRole = "arn:aws:iam::123456789012:role/role"

// writeZip writes a zip with a bootstrap that fails with the status.
func writeZip(t *testing.T, path string, status int) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	writer := zip.NewWriter(file)
	header := &zip.FileHeader{Name: "bootstrap"}
	header.SetMode(0o755)
	entry, err := writer.CreateHeader(header)
	require.NoError(t, err)
	_, err = fmt.Fprintf(entry, "#!/bin/sh\nexit %d\n", status)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.NoError(t, file.Close())
}

// code is the zip at the path as the engine sends it.
func code(t *testing.T, path string) *archive.Archive {
	t.Helper()
	content, err := archive.FromPath(path)
	require.NoError(t, err)
	return content
}

// function is a function of this machine.
func function(t *testing.T, change ...props) props {
	t.Helper()
	path := filepath.Join(t.TempDir(), "function.zip")
	writeZip(t, path, 1)
	inputs := props{
		"role": executionRole, "runtime": "provided.al2023", "handler": "bootstrap", "architectures": []any{lambda.Architecture()}, "code": code(t, path),
	}
	for _, c := range change {
		inputs = merged(inputs, c)
	}
	return inputs
}

// newRole makes the role that functions run as.
func (c *cloud) newRole() {
	c.t.Helper()
	c.create(provider.TypeRole, props{"name": "role", "assumeRolePolicy": trustPolicy})
}

// exits invokes the function and returns the status that its program ends with.
func (c *cloud) exits(name string) string {
	c.t.Helper()
	result, err := c.functions.Invoke(context.Background(), name, nil)
	require.NoError(c.t, err)
	_, status, _ := strings.Cut(string(result.Payload), "exit status ")
	return strings.TrimSuffix(status, `"}`)
}

func TestFunction(t *testing.T) {
	c := newCloud(t)
	c.newRole()
	path := filepath.Join(t.TempDir(), "worker.zip")
	writeZip(t, path, 3)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	sum := sha256.Sum256(content)
	f := c.create(provider.TypeFunction, function(t, props{"name": "worker", "code": code(t, path)}))

	const arn = "arn:aws:lambda:ap-northeast-1:123456789012:function:worker"
	assert.Equal(t, "worker", f.id)
	for output, want := range map[string]string{
		"arn": arn, "qualifiedArn": arn + ":$LATEST", "version": "$LATEST", "lastModified": "2026-01-02T03:04:05.000+0000",
		"invokeArn":      "arn:aws:apigateway:ap-northeast-1:lambda:path/2015-03-31/functions/" + arn + "/invocations",
		"sourceCodeHash": hex.EncodeToString(sum[:]), "codeSha256": base64.StdEncoding.EncodeToString(sum[:]),
	} {
		assert.Equal(t, want, c.text(f, output), output)
	}
	out := c.decode(f.outputs)
	assert.True(t, out["code"].IsArchive(), "the engine gets its archive back")
	assert.Equal(t, float64(len(content)), out["sourceCodeSize"].NumberValue())
	assert.Equal(t, float64(3), out["timeout"].NumberValue(), "the real provider's default")
	assert.Equal(t, "3", c.exits(arn))

	read := c.read(f)
	assert.True(t, c.decode(read.GetInputs()).DeepEquals(c.decode(f.inputs)), "a refresh changes nothing")
	require.NoError(t, c.delete(f))
	assert.Empty(t, c.functions.State())
}

func TestNewCodeOfAFunction(t *testing.T) {
	c := newCloud(t)
	c.newRole()
	path := filepath.Join(t.TempDir(), "worker.zip")
	writeZip(t, path, 3)
	inputs := function(t, props{"name": "worker", "code": code(t, path)})
	f := c.create(provider.TypeFunction, inputs)

	same, _ := c.check(provider.TypeFunction, "it", merged(inputs, props{"code": code(t, path)}), f.inputs)
	assert.Empty(t, c.diff(f, same).GetDiffs())

	writeZip(t, path, 4)
	news, _ := c.check(provider.TypeFunction, "it", merged(inputs, props{"code": code(t, path)}), f.inputs)
	diff := c.diff(f, news)
	assert.Equal(t, []string{"code"}, diff.GetDiffs())
	assert.Empty(t, diff.GetReplaces())
	updated, err := c.update(f, news)
	require.NoError(t, err)
	assert.Equal(t, "4", c.exits("worker"))
	assert.NotEqual(t, c.text(f, "codeSha256"), c.text(updated, "codeSha256"))

	require.NoError(t, os.Remove(path))
	slower, _ := c.check(provider.TypeFunction, "it", merged(inputs, props{"code": c.decode(updated.outputs)["code"].ArchiveValue(), "timeout": 9}), updated.inputs)
	again, err := c.update(updated, slower)
	require.NoError(t, err, "code that stays is not read again")
	assert.Equal(t, c.text(updated, "codeSha256"), c.text(again, "codeSha256"))
	assert.Equal(t, "4", c.exits("worker"))
}

func TestFunctionsSurviveARestart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	c.newRole()
	path := filepath.Join(t.TempDir(), "worker.zip")
	writeZip(t, path, 3)
	c.create(provider.TypeFunction, function(t, props{"name": "worker", "code": code(t, path)}))
	require.NoError(t, os.Remove(path))
	require.NoError(t, c.functions.Close())

	again := openCloud(t, state)
	assert.Equal(t, "3", again.exits("worker"))
	require.NoError(t, again.functions.Close())
	require.NoError(t, os.RemoveAll(state+".functions"))
	store, err := provider.OpenStore(state)
	require.NoError(t, err)
	broken := provider.New(provider.Options{
		Store: store, Runtime: again.runtime, Gateway: noGateway{}, Scaler: again.scaler, Queues: again.queues, Tables: again.tables,
		Functions: lambda.New(lambda.Options{CodeDir: state + ".functions", LogDir: again.logs}), URL: again.api.URL, LogDir: again.logs,
	})
	require.ErrorContains(t, broken.Resume(t.Context()), `function "worker": its code is not in `)
}

func TestFunctionsThatAreRefused(t *testing.T) {
	other := map[string]string{"x86_64": "arm64", "arm64": "x86_64"}[lambda.Architecture()]
	elsewhere := &archive.Archive{Sig: archive.ArchiveSig, Path: "no/such.zip", Hash: "1"}
	changed := code(t, "testdata/image")
	changed.Hash = "another"
	tests := []struct {
		name   string
		change props
		want   string
	}{
		{"another architecture", props{"architectures": []any{other}}, "set the config key functionArchitecture to host"},
		{"a name", props{"name": "a.b"}, "name must match"},
		{"a timeout", props{"timeout": 901}, "timeout must be from 1 to 900"},
		{"memory", props{"memorySize": 64}, "memorySize must be from 128 to 10240"},
		{"an image in place of an archive", props{"imageUri": functionImage}, "imageUri is not for a function with the packageType Zip"},
		{"layers", props{"layers": []any{"a"}}, "layers is not implemented by localcloud"},
		{"another runtime", props{"runtime": "nodejs22.x"}, "localcloud implements functions in archives with a handler and the runtime provided.al2023"},
		{"no code", props{"code": nil}, "code must be an archive of files on this machine"},
		{"code elsewhere", props{"code": &archive.Archive{Sig: archive.ArchiveSig, URI: "https://example.com/a.zip", Hash: "1"}}, "code must be an archive of files"},
		{"code that is not there", props{"code": elsewhere}, "start localcloud in the program's directory"},
		{"code that is another", props{"code": changed}, "is not what the program was run with"},
		{"code without a bootstrap", props{"code": code(t, "testdata/image")}, "no executable file named bootstrap"},
		{"a role that is none", props{"role": "arn:aws:iam::123456789012:role/other"}, "cannot be assumed by Lambda"},
		{"reserved variables", props{"environment": props{"variables": props{"AWS_REGION": "a", "A": "b"}}}, "Reserved keys used in this request: AWS_REGION"},
		{"large variables", props{"environment": props{"variables": props{"A": strings.Repeat("x", 4096)}}}, "exceeded the 4KB limit"},
		{"more concurrency than there is", props{"reservedConcurrentExecutions": 901}, "below its minimum value of [100]"},
	}
	c := newCloud(t)
	c.newRole()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inputs := function(t, test.change)
			checked, reasons := c.check(provider.TypeFunction, "it", inputs, nil)
			got := strings.Join(reasons, "\n")
			if got == "" {
				_, err := c.tryCreate(provider.TypeFunction, "it", c.decode(checked).Mappable())
				require.Error(t, err)
				got = err.Error()
			}
			assert.Contains(t, got, test.want)
			assert.Empty(t, c.functions.State())
		})
	}
}

// newMapping makes a function, a queue and a mapping between them.
func newMapping(c *cloud, change props) (deployed, error) {
	c.t.Helper()
	c.newRole()
	c.create(provider.TypeFunction, function(c.t, props{"name": "worker", "timeout": 30}))
	queue := c.create(provider.TypeQueue, props{"name": "jobs"})
	return c.tryCreate(provider.TypeEventSourceMapping, "it", merged(props{
		"eventSourceArn": c.text(queue, "arn"), "functionName": "worker", "functionResponseTypes": []any{"ReportBatchItemFailures"},
		"scalingConfig": props{"maximumConcurrency": 2},
	}, change))
}

func TestEventSourceMapping(t *testing.T) {
	c := newCloud(t)
	m, err := newMapping(c, nil)
	require.NoError(t, err)
	assert.Equal(t, m.id, c.text(m, "uuid"))
	assert.Equal(t, "arn:aws:lambda:ap-northeast-1:123456789012:event-source-mapping:"+m.id, c.text(m, "arn"))
	assert.Equal(t, "arn:aws:lambda:ap-northeast-1:123456789012:function:worker", c.text(m, "functionArn"))
	assert.Equal(t, "Enabled", c.text(m, "state"))
	assert.Equal(t, resource.NewProperty(10.0), c.decode(m.outputs)["batchSize"])
	require.Len(t, c.functions.Mappings(), 1)

	byARN, _ := c.check(provider.TypeEventSourceMapping, "it", merged(c.decode(m.inputs).Mappable(), props{"functionName": c.text(m, "functionArn"), "__defaults": []any{}}), m.inputs)
	assert.Empty(t, c.diff(m, byARN).GetDiffs(), "the name and the ARN are the same")

	off, _ := c.check(provider.TypeEventSourceMapping, "it", merged(c.decode(m.inputs).Mappable(), props{"enabled": false}), m.inputs)
	m, err = c.update(m, off)
	require.NoError(t, err)
	assert.Equal(t, "Disabled", c.text(m, "state"))
	assert.False(t, c.functions.Mappings()[0].Enabled)
	require.NoError(t, c.delete(m))
	assert.Empty(t, c.functions.Mappings())
}

func TestMappingsThatAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		change props
		want   string
	}{
		{"no such function", props{"functionName": "other"}, "ResourceNotFoundException: Function not found: other"},
		{"no such queue", props{"eventSourceArn": "arn:aws:sqs:ap-northeast-1:123456789012:other"}, "NonExistentQueue"},
		{"large batches", props{"batchSize": 11}, "batches of up to 10 messages"},
		{"another response", props{"functionResponseTypes": []any{"Other"}}, "allowed is ReportBatchItemFailures"},
		{"a stream", props{"startingPosition": "LATEST"}, "localcloud implements event source mappings of a queue: startingPosition is not for it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t)
			_, err := newMapping(c, test.change)
			require.ErrorContains(t, err, test.want)
			assert.Empty(t, c.functions.Mappings())
		})
	}
	c := newCloud(t)
	_, reasons := c.check(provider.TypeEventSourceMapping, "it", props{"functionName": "worker", "scalingConfig": props{"maximumConcurrency": 1}}, nil)
	assert.Equal(t, []string{"scalingConfig.maximumConcurrency must be from 2 to 1000"}, reasons)

	m, err := newMapping(c, nil)
	require.NoError(t, err)
	require.NoError(t, c.delete(m))
	slow, _ := c.check(provider.TypeFunction, "it", function(t, props{"name": "worker", "timeout": 31}), nil)
	_, err = c.update(deployed{urn: urn(provider.TypeFunction, "it"), id: "worker", inputs: slow}, slow)
	require.NoError(t, err)
	_, err = c.tryCreate(provider.TypeEventSourceMapping, "it", props{"eventSourceArn": "arn:aws:sqs:ap-northeast-1:123456789012:jobs", "functionName": "worker"})
	require.ErrorContains(t, err, "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds")
}

// noGateway serves nothing.
type noGateway struct{}

func (noGateway) Deploy(string, string, gateway.Stage) {}

func (noGateway) Remove(string, string) {}
