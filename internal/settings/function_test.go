package settings_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/dashboard"
	"scaletozero/components/function"
	"scaletozero/components/roles"
	"scaletozero/internal/settings"
)

var here = arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: "123456789012"}

const liveAlias = "arn:aws:lambda:ap-northeast-1:123456789012:function:music-mapping-model-dev:live"

func TestFunctionInPlaceOfAnEndpoint(t *testing.T) {
	s, err := settings.Parse("dev", with(values{"backend": "function", "networkIsolation": "false", "queueEnabled": "true"}).Source)
	require.NoError(t, err)
	assert.Equal(t, "linux/arm64", s.Platform())
	image := pulumi.String("image")
	assert.Equal(t, &function.Args{
		Scope: here, FunctionName: "music-mapping-model-dev", Description: "The model behind music-mapping-api-dev",
		Image:        &function.Image{URI: image, EntryPoint: []string{"/adapter"}, Command: []string{"/model", "serve"}},
		Architecture: "arm64", MemoryMB: 1769, TimeoutSeconds: 28, LogRetentionDays: 30,
		Environment: pulumi.StringMap{"ALLOW_ORIGIN": pulumi.String("*")},
	}, s.ModelFunction(here, image))

	submit := "arn:aws:lambda:ap-northeast-1:123456789012:function:music-mapping-api-dev-jobs-submit:live"
	assert.Equal(t, &roles.Args{
		Scope: here, GatewayRoleName: "music-mapping-api-dev-gateway", FunctionArns: []string{liveAlias, submit},
	}, s.Roles(here, "unused"))

	infer := s.API(here).Routes[0]
	assert.Equal(t, "POST /infer", infer.Method+" "+infer.Path)
	assert.Equal(t, liveAlias, infer.Function.FunctionArn)
	assert.Empty(t, infer.Endpoint)

	jobs := s.Jobs(here, nil, nil)
	assert.Equal(t, liveAlias, jobs.FunctionAliasArn)
	assert.Empty(t, jobs.EndpointName+jobs.InferenceComponentName)
	assert.False(t, jobs.DirectWake, "a function wakes by being called")
}

func TestFunctionConfigured(t *testing.T) {
	s, err := settings.Parse("dev", with(values{
		"backend": "function", "networkIsolation": "false", "functionMemoryMb": "3008", "functionTimeoutSeconds": "5", "functionCommand": `["python", "serve.py"]`, "functionReservedConcurrency": "10",
		"functionProvisionedMax": "4", "functionScheduleStart": "cron(50 8 ? * MON-FRI *)", "functionScheduleEnd": "cron(0 18 ? * MON-FRI *)",
		"functionScheduleTimezone": "Asia/Tokyo", "functionScheduleMinimum": "2", "functionArchitecture": "x86_64",
		"environment": `{"LEVEL":"1"}`, "corsAllowOrigin": "https://app.example.com", "kmsKeyArn": ownKey,
		"subnetIds": `["subnet-0a1b2c3d"]`, "securityGroupIds": `["sg-0a1b2c3d"]`,
	}).Source)
	require.NoError(t, err)
	assert.Equal(t, "linux/amd64", s.Platform())
	args := s.ModelFunction(here, pulumi.String("image"))
	assert.Equal(t, []string{"python", "serve.py"}, args.Image.Command)
	assert.Equal(t, []int{3008, 5, 10}, []int{args.MemoryMB, args.TimeoutSeconds, args.ReservedConcurrency})
	assert.Equal(t, &function.Provisioned{Max: 4, Schedules: []function.Schedule{
		{Name: "start", Expression: "cron(50 8 ? * MON-FRI *)", Timezone: "Asia/Tokyo", Min: 2, Max: 4},
		{Name: "end", Expression: "cron(0 18 ? * MON-FRI *)", Timezone: "Asia/Tokyo"},
	}}, args.Provisioned)
	assert.Equal(t, pulumi.StringMap{"ALLOW_ORIGIN": pulumi.String("https://app.example.com"), "LEVEL": pulumi.String("1")}, args.Environment)
	assert.Equal(t, &function.VPC{SubnetIDs: []string{"subnet-0a1b2c3d"}, SecurityGroupIDs: []string{"sg-0a1b2c3d"}}, args.VPC)
	assert.Equal(t, ownKey, args.KMSKeyArn)
}

// environmentOf is so many bytes of variables, with what the adapter is told.
func environmentOf(size int) string {
	const told = len(`{"ALLOW_ORIGIN":"*"}`)
	variables := map[string]string{}
	for size -= told; size > 0; {
		name := fmt.Sprintf("V%d", len(variables)+10)
		around := len(`"":"",`) + len(name)
		length := min(1024, size-around)
		// What is left must hold another variable.
		if left := size - around - length; left > 0 && left < 2*around {
			length -= 2 * around
		}
		variables[name] = strings.Repeat("x", length)
		size -= around + length
	}
	text, _ := json.Marshal(variables) //nolint:errchkjson // A map of texts always marshals.
	return string(text)
}

func TestFunctionEnvironmentMayBeAsLargeAsLambdaTakes(t *testing.T) {
	_, err := settings.Parse("dev", with(values{"backend": "function", "networkIsolation": "false", "environment": environmentOf(4096)}).Source)
	assert.NoError(t, err)
}

func TestFunctionInAVPCIsAsIsolatedAsThat(t *testing.T) {
	_, err := settings.Parse("dev", with(values{
		"backend": "function", "subnetIds": `["subnet-0a1b2c3d"]`, "securityGroupIds": `["sg-0a1b2c3d"]`,
	}).Source)
	assert.NoError(t, err)
}

func TestFunctionRefused(t *testing.T) {
	for name, test := range map[string]struct {
		config values
		want   string
	}{
		"backend":             {values{"backend": "lambda"}, "sagemaker or function"},
		"memory":              {values{"functionMemoryMb": "64"}, "a whole number from 128 to 10240"},
		"time-out":            {values{"functionTimeoutSeconds": "29"}, "a whole number from 1 to 28"},
		"concurrency":         {values{"functionReservedConcurrency": "-1"}, "a whole number from 0 to 1000"},
		"more kept than most": {values{"functionProvisionedMin": "1"}, "at most functionProvisionedMax (0)"},
		"more than reserved": {
			values{"functionReservedConcurrency": "2", "functionProvisionedMin": "1", "functionProvisionedMax": "3"}, "at most functionReservedConcurrency (2)",
		},
		"schedule's form": {values{"functionScheduleStart": "50 8 * * 1-5"}, "cron(50 8 ? * MON-FRI *)"},
		"no end":          {values{"functionProvisionedMin": "1", "functionProvisionedMax": "1", "functionScheduleStart": "cron(50 8 ? * MON-FRI *)"}, "one is set and the other is not"},
		"schedule without room": {
			values{"functionScheduleStart": "cron(50 8 ? * MON-FRI *)", "functionScheduleEnd": "cron(0 18 ? * MON-FRI *)"},
			"functionScheduleMinimum is 1; it must be at most functionProvisionedMax (0)",
		},
		"never kept":     {values{"functionProvisionedMax": "2"}, "nothing would ever be kept started"},
		"both days":      {values{"functionScheduleStart": "cron(50 8 * * MON-FRI *)"}, "one of the two days is ?"},
		"time zone":      {values{"functionScheduleTimezone": "Tokyo"}, "a time zone such as Asia/Tokyo"},
		"reserved name":  {values{"backend": "function", "networkIsolation": "false", "environment": `{"AWS_REGION":"x"}`}, "some are taken"},
		"adapter's name": {values{"backend": "function", "networkIsolation": "false", "environment": `{"ALLOW_ORIGIN":"x"}`}, "some are taken"},
		"isolated":       {values{"backend": "function"}, "a Lambda function has a network"},
		"image's address": {
			values{"backend": "function", "networkIsolation": "false", "imageUri": strings.Replace(imageIn, "ecr", "ecr-fips", 1) + digest},
			"ECR's ordinary address",
		},
		"command":        {values{"functionCommand": `["serve", ""]`}, "functionCommand[1]"},
		"short name":     {values{"backend": "function", "networkIsolation": "false", "environment": `{"A":"x"}`}, "two letters"},
		"too much of it": {values{"backend": "function", "networkIsolation": "false", "environment": environmentOf(4097)}, "has 4097 bytes"},
		"name too long":  {values{"backend": "function", "networkIsolation": "false", "modelName": strings.Repeat("a", 61)}, "shorten it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings.Parse("dev", with(test.config).Source)
			require.Error(t, err)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "pulumi config")
		})
	}
}

func TestDashboardShowsWhatThereIs(t *testing.T) {
	s, err := settings.Parse("dev", with(nil).Source)
	require.NoError(t, err)
	assert.Nil(t, s.Dashboard)

	s, err = settings.Parse("dev", with(values{"dashboardEnabled": "true", "queueEnabled": "true", "sloEnabled": "true"}).Source)
	require.NoError(t, err)
	shown, err := s.Shown(here)
	require.NoError(t, err)
	assert.Equal(t, &dashboard.Endpoint{
		EndpointName: "music-mapping-endpoint-dev", VariantName: "AllTraffic", InferenceComponentName: "music-mapping-model-dev",
		MaxInstances: 3, WakeAlarm: "music-mapping-model-dev-wake",
	}, shown.Endpoint)
	assert.Nil(t, shown.Function)
	assert.Equal(t, &dashboard.Queue{
		QueueName: "music-mapping-api-dev-jobs", DeadLetterQueueName: "music-mapping-api-dev-jobs-dead-letter",
	}, shown.Queue)
	assert.Equal(t, "music-mapping-api-dev-slo", shown.Objectives.Name)
	assert.Positive(t, shown.Cost.InstanceHourUSD)

	for name, change := range map[string]values{
		"a region without prices":        {"aws:region": "us-east-1", "imageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/songs" + digest},
		"an instance type without price": {"instanceType": "ml.g5.xlarge"},
	} {
		t.Run(name, func(t *testing.T) {
			change["dashboardEnabled"] = "true"
			s, err := settings.Parse("dev", with(change).Source)
			require.NoError(t, err)
			shown, err := s.Shown(here)
			require.NoError(t, err)
			assert.Nil(t, shown.Cost, "an estimate would be wrong")
		})
	}

	s, err = settings.Parse("dev", with(values{"backend": "function", "networkIsolation": "false", "dashboardEnabled": "true"}).Source)
	require.NoError(t, err)
	shown, err = s.Shown(here)
	require.NoError(t, err)
	assert.Nil(t, shown.Endpoint)
	assert.Equal(t, &dashboard.Function{FunctionName: "music-mapping-model-dev", Alias: "live", MemoryMB: 1769}, shown.Function)
	arm := shown.Cost.FunctionGBSecondUSD
	s, err = settings.Parse("dev", with(values{"backend": "function", "networkIsolation": "false", "dashboardEnabled": "true", "functionArchitecture": "x86_64"}).Source)
	require.NoError(t, err)
	shown, err = s.Shown(here)
	require.NoError(t, err)
	assert.Greater(t, shown.Cost.FunctionGBSecondUSD, arm)
}
