package function_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/function"
	"scaletozero/internal/recorder"
)

const (
	functionToken = "aws:lambda/function:Function"
	aliasToken    = "aws:lambda/alias:Alias"
	roleToken     = "aws:iam/role:Role"
	roleRules     = "aws:iam/rolePolicy:RolePolicy"
	groupToken    = "aws:cloudwatch/logGroup:LogGroup"
	targetToken   = "aws:appautoscaling/target:Target"
	scalingToken  = "aws:appautoscaling/policy:Policy"
	actionToken   = "aws:appautoscaling/scheduledAction:ScheduledAction"

	image  = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/songs@sha256:abc"
	ownKey = "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// ofImage are the args of a model.
func ofImage() *function.Args {
	return &function.Args{
		Scope:            arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: recorder.Account},
		FunctionName:     "songs-dev",
		Image:            &function.Image{URI: pulumi.String(image), EntryPoint: []string{"/adapter"}, Command: []string{"/model", "serve"}},
		LogRetentionDays: 30,
	}
}

// ofPackage are the args of a program of our own.
func ofPackage() *function.Args {
	a := ofImage()
	a.Image = nil
	a.Package = pulumi.NewAssetArchive(map[string]any{"bootstrap": pulumi.NewStringAsset("program")})
	return a
}

func with(a *function.Args, change func(*function.Args)) *function.Args {
	change(a)
	return a
}

// provider is the recorder's, and knows versions besides.
type provider struct {
	*recorder.Graph
	preview bool
	mu      sync.Mutex
	// ignored are the properties whose changes a resource ignores, by type.
	ignored map[string][]string
}

func (p *provider) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	id, outputs, err := p.Graph.NewResource(args)
	p.mu.Lock()
	defer p.mu.Unlock()
	if rpc := args.RegisterRPC; rpc != nil {
		p.ignored[args.TypeToken] = rpc.GetIgnoreChanges()
	}
	if err == nil && args.TypeToken == functionToken {
		outputs["version"] = resource.NewStringProperty("7")
		if p.preview {
			outputs["version"] = resource.MakeComputed(resource.NewStringProperty(""))
		}
	}
	return id, outputs, err
}

// create runs a program with the function, named "model", and hands it to use.
func create(args *function.Args, dry bool, use func(*function.Function), options ...recorder.Option) (*provider, error) {
	mocks := &provider{Graph: &recorder.Graph{}, preview: dry, ignored: map[string][]string{}}
	for _, option := range options {
		option(mocks.Graph)
	}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		created, err := function.New(ctx, "model", args)
		if err == nil {
			use(created)
		}
		return err
	}, pulumi.WithMocks(recorder.Project, "dev", mocks), func(info *pulumi.RunInfo) { info.DryRun = dry })
	return mocks, err
}

func nothing(*function.Function) {}

func run(t *testing.T, args *function.Args) *provider {
	t.Helper()
	graph, err := create(args, false, nothing)
	require.NoError(t, err)
	assert.Empty(t, graph.Orphans())
	return graph
}

// preview is the same with outputs that are not known yet.
func preview(t *testing.T, args *function.Args) *provider {
	t.Helper()
	graph, err := create(args, true, nothing, recorder.Preview)
	require.NoError(t, err)
	assert.Empty(t, graph.Orphans())
	return graph
}

// modes are how a program runs: for an update, and for a preview.
var modes = map[string]func(*testing.T, *function.Args) *provider{"update": run, "preview": preview}

func TestImage(t *testing.T) {
	for name, run := range modes {
		t.Run(name, func(t *testing.T) {
			graph := run(t, ofImage())
			created := graph.Only(t, functionToken)
			inputs := created.Inputs
			assert.Equal(t, "songs-dev", inputs["name"].StringValue())
			assert.Equal(t, "Image", inputs["packageType"].StringValue())
			assert.Equal(t, image, inputs["imageUri"].StringValue())
			assert.Equal(t, map[string]any{"entryPoints": []any{"/adapter"}, "commands": []any{"/model", "serve"}}, inputs["imageConfig"].Mappable())
			assert.Equal(t, []any{"arm64"}, inputs["architectures"].Mappable())
			assert.Equal(t, 1769.0, inputs["memorySize"].NumberValue(), "one CPU")
			assert.Equal(t, 28.0, inputs["timeout"].NumberValue(), "less than API Gateway waits")
			assert.True(t, inputs["publish"].BoolValue())
			assert.Equal(t, "Active", inputs["tracingConfig"].ObjectValue()["mode"].StringValue())
			for _, absent := range []resource.PropertyKey{
				"code", "runtime", "handler", "description", "environment", "kmsKeyArn", "reservedConcurrentExecutions", "vpcConfig",
			} {
				assert.NotContains(t, inputs, absent)
			}

			waits := strings.Join(created.DependsOn, " ")
			assert.Contains(t, waits, groupToken+"::model", "Lambda makes a group of its own otherwise, to be kept for ever")
			assert.Contains(t, waits, roleRules+"::model")
			group := graph.Only(t, groupToken).Inputs
			assert.Equal(t, "/aws/lambda/songs-dev", group["name"].StringValue())
			assert.Equal(t, 30.0, group["retentionInDays"].NumberValue())
			assert.NotContains(t, group, resource.PropertyKey("kmsKeyId"))
		})
	}
}

func TestImageThatIsNotBuiltYet(t *testing.T) {
	a := ofImage()
	a.Image.URI = pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return image }).(pulumi.StringOutput)
	inputs := preview(t, a).Only(t, functionToken).Inputs
	assert.NotContains(t, inputs, resource.PropertyKey("imageUri"))
	assert.Equal(t, "Image", inputs["packageType"].StringValue())
	assert.Equal(t, "songs-dev", inputs["name"].StringValue())
}

func TestPackage(t *testing.T) {
	for name, run := range modes {
		t.Run(name, func(t *testing.T) {
			a := ofPackage()
			a.Architecture = "x86_64"
			inputs := run(t, a).Only(t, functionToken).Inputs
			assert.Equal(t, "provided.al2023", inputs["runtime"].StringValue())
			assert.Equal(t, "bootstrap", inputs["handler"].StringValue())
			assert.True(t, inputs["code"].IsArchive())
			assert.Equal(t, []any{"x86_64"}, inputs["architectures"].Mappable())
			assert.Equal(t, 256.0, inputs["memorySize"].NumberValue())
			assert.True(t, inputs["publish"].BoolValue())
			for _, absent := range []resource.PropertyKey{"packageType", "imageUri", "imageConfig"} {
				assert.NotContains(t, inputs, absent)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*function.Args)
		input  resource.PropertyKey
		want   any
	}{
		"description": {func(a *function.Args) { a.Description = "The model" }, "description", "The model"},
		"memory":      {func(a *function.Args) { a.MemoryMB = 4096 }, "memorySize", 4096.0},
		"time-out":    {func(a *function.Args) { a.TimeoutSeconds = 300 }, "timeout", 300.0},
		"reserved":    {func(a *function.Args) { a.ReservedConcurrency = 5 }, "reservedConcurrentExecutions", 5.0},
		"environment": {
			func(a *function.Args) { a.Environment = pulumi.StringMap{"ALLOW_ORIGIN": pulumi.String("*")} },
			"environment",
			map[string]any{"variables": map[string]any{"ALLOW_ORIGIN": "*"}},
		},
		"VPC": {func(a *function.Args) {
			a.VPC = &function.VPC{SubnetIDs: []string{"subnet-1", "subnet-2"}, SecurityGroupIDs: []string{"sg-1"}}
		}, "vpcConfig", map[string]any{"subnetIds": []any{"subnet-1", "subnet-2"}, "securityGroupIds": []any{"sg-1"}}},
		"key":        {func(a *function.Args) { a.KMSKeyArn = ownKey }, "kmsKeyArn", ownKey},
		"no command": {func(a *function.Args) { a.Image.Command = nil }, "imageConfig", map[string]any{"entryPoints": []any{"/adapter"}}},
	} {
		for mode, run := range modes {
			t.Run(name+" at "+mode, func(t *testing.T) {
				inputs := run(t, with(ofImage(), test.change)).Only(t, functionToken).Inputs
				require.Contains(t, inputs, test.input)
				assert.Equal(t, test.want, inputs[test.input].Mappable())
			})
		}
	}
}

func TestOwnKeyEncryptsLogs(t *testing.T) {
	group := run(t, with(ofImage(), func(a *function.Args) { a.KMSKeyArn = ownKey })).Only(t, groupToken)
	assert.Equal(t, ownKey, group.Inputs["kmsKeyId"].StringValue())
}

// Callers keep calling the alias, whatever version is behind it.
func TestAliasFollowsTheVersion(t *testing.T) {
	updated := run(t, ofImage()).Only(t, aliasToken)
	assert.Equal(t, function.AliasName, updated.Inputs["name"].StringValue())
	assert.Equal(t, "songs-dev", updated.Inputs["functionName"].StringValue())
	assert.Equal(t, "7", updated.Inputs["functionVersion"].StringValue())
	assert.NotContains(t, updated.Inputs, resource.PropertyKey("routingConfig"))

	previewed := preview(t, ofImage()).Only(t, aliasToken)
	assert.NotContains(t, previewed.Inputs, resource.PropertyKey("functionVersion"), "not published yet")
	assert.Equal(t, "songs-dev", previewed.Inputs["functionName"].StringValue())
}

func TestOutputs(t *testing.T) {
	var got []any
	var ready []pulumi.Resource
	_, err := create(ofImage(), false, func(created *function.Function) {
		ready = created.Ready
		pulumi.All(created.FunctionArn, created.AliasArn, created.InvokeName).ApplyT(func(all []any) error {
			got = all
			return nil
		})
	})
	require.NoError(t, err)
	assert.Equal(t, []any{"arn:aws:mock:::model", "arn:aws:mock:::model", "songs-dev:live"}, got)
	assert.Len(t, ready, 1)
}

func TestFunctionNamesWhatFailed(t *testing.T) {
	a := with(ofImage(), func(a *function.Args) {
		a.Provisioned = &function.Provisioned{Max: 3, Schedules: officeHours()}
	})
	for token, want := range map[string]string{
		roleToken: "model failed", roleRules: "model failed", groupToken: "model failed", functionToken: "model failed",
		aliasToken: "model failed", targetToken: "model failed", scalingToken: "model failed", actionToken: "model-(morning|evening) failed",
	} {
		t.Run(token, func(t *testing.T) {
			_, err := create(a, false, nothing, recorder.Failing(token))
			assert.Regexp(t, want, err)
		})
	}
}
