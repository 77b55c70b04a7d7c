package provider_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigateway"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudformation"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/dynamodb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sqs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/wafv2"
	"github.com/pulumi/pulumi-docker-build/sdk/go/dockerbuild"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"

	"scaletozero/localcloud/provider"
)

// sdkTypes are the SDK's resources: their fields are the outputs that programs can read.
var sdkTypes = map[string]any{
	provider.TypeRole: iam.Role{}, provider.TypeRolePolicy: iam.RolePolicy{}, provider.TypeRolePolicyAttachment: iam.RolePolicyAttachment{},
	provider.TypeRepository: ecr.Repository{}, provider.TypeLifecyclePolicy: ecr.LifecyclePolicy{}, provider.TypeModel: sagemaker.Model{},
	provider.TypeStack: cloudformation.Stack{}, provider.TypeScalingTarget: appautoscaling.Target{}, provider.TypeScalingPolicy: appautoscaling.Policy{},
	provider.TypeMetricAlarm: cloudwatch.MetricAlarm{}, provider.TypeLogGroup: cloudwatch.LogGroup{}, provider.TypeRestAPI: apigateway.RestApi{},
	provider.TypeDeployment: apigateway.Deployment{}, provider.TypeStage: apigateway.Stage{}, provider.TypeMethodSettings: apigateway.MethodSettings{},
	provider.TypeAPIKey: apigateway.ApiKey{}, provider.TypeUsagePlan: apigateway.UsagePlan{}, provider.TypeUsagePlanKey: apigateway.UsagePlanKey{},
	provider.TypeScheduledAction: appautoscaling.ScheduledAction{}, provider.TypeAccount: apigateway.Account{}, provider.TypeImage: dockerbuild.Image{},
	provider.TypeQueue: sqs.Queue{}, provider.TypeQueuePolicy: sqs.QueuePolicy{}, provider.TypeRedriveAllowPolicy: sqs.RedriveAllowPolicy{}, provider.TypeTable: dynamodb.Table{},
	provider.TypeFunction: lambda.Function{}, provider.TypeAlias: lambda.Alias{}, provider.TypeEventSourceMapping: lambda.EventSourceMapping{},
	provider.TypeWebACL: wafv2.WebAcl{}, provider.TypeWebACLAssociation: wafv2.WebAclAssociation{}, provider.TypeWebACLLogging: wafv2.WebAclLoggingConfiguration{},
	provider.TypeLogMetricFilter: cloudwatch.LogMetricFilter{}, provider.TypeCompositeAlarm: cloudwatch.CompositeAlarm{}, provider.TypeKey: kms.Key{},
	provider.TypeTopic: sns.Topic{}, provider.TypeTopicPolicy: sns.TopicPolicy{}, provider.TypeTopicSubscription: sns.TopicSubscription{},
	provider.TypeDashboard: cloudwatch.Dashboard{},
}

// outputFields are the names of the type's outputs in the SDK.
func outputFields(typ string) map[string]bool {
	fields := map[string]bool{}
	t := reflect.TypeOf(sdkTypes[typ])
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("pulumi"); name != "" {
			fields[name] = true
		}
	}
	return fields
}

func TestEveryTypeLivesItsLife(t *testing.T) {
	var covered []string
	for _, s := range specifications(t) {
		covered = append(covered, s.typ)
		t.Run(s.typ, func(t *testing.T) {
			c := newCloud(t)
			w := newWorld(c, s.typ)
			d, inputs := w[s.typ], s.inputs(w)

			assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, c.diff(d, recheck(c, d, inputs)).GetChanges(), "the same inputs again")
			checkOutputs(c, s.typ, d, inputs)
			checkRead(c, d)
			if s.update != nil {
				d = checkUpdate(c, d, merged(inputs, s.update))
				checkRead(c, d)
			}
			if s.replace != nil {
				diff := c.diff(d, recheck(c, d, merged(inputs, s.replace)))
				assert.NotEmpty(t, diff.GetReplaces(), "changing %v replaces", s.replace)
			}
			require.NoError(t, c.delete(d))
			assert.Empty(t, c.read(d).GetId(), "nothing is left to read")
			require.NoError(t, c.delete(d), "deleting what is gone is no error")
		})
	}
	slices.Sort(covered)
	assert.Equal(t, provider.Types(), covered, "every type is tested")
}

// recheck is what the engine does before a diff: a Check with the old inputs.
func recheck(c *cloud, d deployed, inputs props) (checked *structpb.Struct) {
	c.t.Helper()
	u := resource.URN(d.urn)
	checked, reasons := c.check(string(u.Type()), u.Name(), inputs, d.inputs)
	require.Empty(c.t, reasons)
	return checked
}

// checkOutputs compares the outputs with the SDK and with what the preview promised.
func checkOutputs(c *cloud, typ string, d deployed, inputs props) {
	c.t.Helper()
	outputs, fields := c.decode(d.outputs), outputFields(typ)
	for name, value := range outputs {
		assert.True(c.t, fields[string(name)], "output %s exists in the SDK", name)
		assert.False(c.t, value.ContainsUnknowns(), "output %s is known", name)
	}
	checked, reasons := c.check(typ, "preview", inputs, nil)
	require.Empty(c.t, reasons)
	answer, err := c.client.Create(c.t.Context(), &pulumirpc.CreateRequest{Urn: urn(typ, "preview"), Properties: checked, Preview: true})
	require.NoError(c.t, err)
	preview := c.decode(answer.GetProperties())
	assert.ElementsMatch(c.t, slices.Collect(maps.Keys(outputs)), slices.Collect(maps.Keys(preview)), "a preview has the same outputs")
	for name, value := range preview {
		_, given := c.decode(checked)[name]
		assert.Equal(c.t, given, !value.IsComputed(), "a preview knows the inputs and nothing else: %s", name)
	}
}

// checkRead expects a refresh to find no drift.
func checkRead(c *cloud, d deployed) {
	c.t.Helper()
	read := c.read(d)
	assert.Equal(c.t, d.id, read.GetId())
	assert.Equal(c.t, c.decode(d.outputs), c.decode(read.GetProperties()))
	assert.Equal(c.t, c.decode(d.inputs), c.decode(read.GetInputs()))
}

func checkUpdate(c *cloud, d deployed, inputs props) deployed {
	c.t.Helper()
	news := recheck(c, d, inputs)
	diff := c.diff(d, news)
	assert.Equal(c.t, pulumirpc.DiffResponse_DIFF_SOME, diff.GetChanges())
	assert.Empty(c.t, diff.GetReplaces())
	next, err := c.update(d, news)
	require.NoError(c.t, err)
	assert.Equal(c.t, pulumirpc.DiffResponse_DIFF_NONE, c.diff(next, recheck(c, next, inputs)).GetChanges())
	return next
}
