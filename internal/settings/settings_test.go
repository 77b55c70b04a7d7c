package settings_test

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
	"scaletozero/internal/settings"
)

const (
	digest  = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	imageIn = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/team/songs"
)

// The schema file and the build context are named relative to the project,
// where a fuzzing process is started already.
func TestMain(m *testing.M) {
	if _, err := os.Stat("Pulumi.yaml"); err != nil {
		if err := os.Chdir("../.."); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

type values = settings.Values

// with is the least configuration there is, and the changes.
func with(changes values) values {
	all := values{"imageUri": imageIn + digest}
	for key, value := range changes {
		if value == "" {
			delete(all, key)
			continue
		}
		all[key] = value
	}
	return all
}

func TestDefaults(t *testing.T) {
	s, err := settings.Parse("dev", with(nil).Source)
	require.NoError(t, err)
	assert.Equal(t, "ap-northeast-1", s.Region)
	assert.Equal(t, "music-mapping-endpoint-dev", s.EndpointName)
	assert.Equal(t, "music-mapping-model-dev", s.InferenceComponentName)
	assert.Equal(t, "music-mapping-api-dev", s.APIName)
	assert.Equal(t, "music-mapping-endpoint-dev-execution", s.ExecutionRoleName)
	assert.Equal(t, "music-mapping-api-dev-gateway", s.GatewayRoleName)
	assert.Equal(t, []int{0, 1, 3}, []int{s.MinInstanceCount, s.InitialInstanceCount, s.MaxInstanceCount})
	assert.Equal(t, 3600, s.StartupTimeoutSeconds)
	assert.Equal(t, []gateway.APIKey{{Name: "a", Enabled: true}}, s.APIKeys)
	assert.Equal(t, []any{10.0, 20, 10_000}, []any{s.RateLimit, s.BurstLimit, s.MonthlyQuota})
	assert.Equal(t, []string{"123456789012", "team/songs"}, []string{s.ImageAccount, s.ImageRepository})
	assert.Equal(t, "linux/amd64", s.Platform())
	assert.Nil(t, s.VPC())
	assert.False(t, s.ManageAccount)
	assert.Nil(t, s.Queue)
	scope := arn.Scope{Partition: "aws", Region: s.Region, AccountID: "123456789012"}
	assert.Nil(t, s.Function)
	assert.Empty(t, s.FunctionArns(scope))
	assert.Len(t, s.API(scope).Routes, 1)
}

func TestQueueDefaults(t *testing.T) {
	s, err := settings.Parse("dev", with(values{"queueEnabled": "true"}).Source)
	require.NoError(t, err)
	assert.Equal(t, &settings.Queue{
		Name: "music-mapping-api-dev-jobs", MaxConcurrency: 2, MaxTries: 3, JobTTLHours: 168, DirectWake: true,
	}, s.Queue)
	scope := arn.Scope{Partition: "aws", Region: s.Region, AccountID: "123456789012"}
	assert.Equal(t, []string{"arn:aws:lambda:ap-northeast-1:123456789012:function:music-mapping-api-dev-jobs-submit:live"}, s.FunctionArns(scope))
	var routes []string
	for _, route := range s.API(scope).Routes {
		routes = append(routes, route.Method+" "+route.Path)
	}
	assert.Equal(t, []string{"POST /infer", "POST /jobs", "GET /jobs/{id}"}, routes)
	assert.Equal(t, "arm64", s.Jobs(scope, nil, nil).Architecture)
}

// What Pulumi.yaml tells people must be what the program does without it.
func TestProjectFileDeclaresTheDefaults(t *testing.T) {
	project, err := workspace.LoadProject("Pulumi.yaml")
	require.NoError(t, err)
	byFile, err := settings.Files(".", "prod")
	require.NoError(t, err)
	image := byFile["imageUri"]
	declared := values{"imageUri": image}
	for key, config := range project.Config {
		if config.Default != nil {
			assert.NotEmpty(t, config.Description, key)
			text, ok := byDefault(config.Default)
			require.True(t, ok, key)
			if text != "" {
				declared[key] = text
			}
		}
	}
	// The defaults of queue and firewall show only where there is one.
	assert.Equal(t, []string{"false", "false"}, []string{declared["queueEnabled"], declared["wafEnabled"]})
	declared["queueEnabled"], declared["wafEnabled"] = "true", "true"
	fromFile, err := settings.Parse("prod", declared.Source)
	require.NoError(t, err)
	byProgram, err := settings.Parse("prod", values{"imageUri": image, "queueEnabled": "true", "wafEnabled": "true"}.Source)
	require.NoError(t, err)
	// An empty map and no map are the same environment.
	assert.Empty(t, fromFile.Environment)
	fromFile.Environment = byProgram.Environment
	fromFile.SubnetIDs, fromFile.SecurityGroupIDs = byProgram.SubnetIDs, byProgram.SecurityGroupIDs
	assert.Equal(t, byProgram, fromFile)
}

func byDefault(value any) (string, bool) {
	if text, ok := value.(string); ok {
		return text, true
	}
	text, err := json.Marshal(value)
	return string(text), err == nil
}

func TestStackFilesAreValid(t *testing.T) {
	for _, stack := range []string{"dev", "prod", "local"} {
		t.Run(stack, func(t *testing.T) {
			values, err := settings.Files(".", stack)
			require.NoError(t, err)
			s, err := settings.Parse(stack, values.Source)
			require.NoError(t, err)
			assert.Zero(t, s.MinInstanceCount)
		})
	}
}

func TestAccepted(t *testing.T) {
	for name, test := range map[string]struct {
		config values
		check  func(*testing.T, *settings.Settings)
	}{
		"built here": {values{"imageUri": "", "imageContext": "./model"}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, "./model", s.ImageContext)
			assert.Equal(t, "music-mapping-model-dev", s.RepositoryName)
		}},
		"latest where a tag will do": {values{"imageUri": imageIn + ":latest", "requireImageDigest": "false"}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, imageIn+":latest", s.ImageURI)
		}},
		"tag and digest": {values{"imageUri": imageIn + ":v1" + digest}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, "team/songs", s.ImageRepository)
		}},
		"China": {values{"aws:region": "cn-north-1", "imageUri": "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/songs" + digest}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, "cn-north-1", s.Region)
		}},
		"Graviton": {values{"instanceType": "ml.m7g.large"}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, "linux/arm64", s.Platform())
		}},
		"GPU is not Graviton": {values{"instanceType": "ml.g5.xlarge", "accelerators": "1"}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, "linux/amd64", s.Platform())
			assert.Equal(t, 1, s.Accelerators)
		}},
		"environment": {values{"environment": `{"LOG_LEVEL":"info"}`}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, map[string]string{"LOG_LEVEL": "info"}, s.Environment)
		}},
		"environment in characters": {values{"environment": `{"A":"` + strings.Repeat("曲", 1024) + `"}`}, func(t *testing.T, s *settings.Settings) {
			assert.Len(t, s.Environment["A"], 3*1024)
		}},
		"VPC": {values{"subnetIds": `["subnet-0a1b2c3d"]`, "securityGroupIds": `["sg-0a1b2c3d"]`}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, []string{"subnet-0a1b2c3d"}, s.VPC().SubnetIDs)
		}},
		"half a core": {values{"cpuCores": "0.5"}, func(t *testing.T, s *settings.Settings) {
			assert.InDelta(t, 0.5, s.CPUCores, 0)
		}},
		"queue": {values{
			"queueEnabled": "true", "queueMaxConcurrency": "1000", "queueMaxTries": "1", "queueJobTtlHours": "336",
			"queueDirectWake": "false", "queuePointInTimeRecovery": "true", "queueDeletionProtection": "true", "functionArchitecture": "x86_64",
		}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, &settings.Queue{
				Name: "music-mapping-api-dev-jobs", MaxConcurrency: 1000, MaxTries: 1, JobTTLHours: 336,
				PointInTimeRecovery: true, DeletionProtection: true,
			}, s.Queue)
			assert.Equal(t, "x86_64", s.Jobs(arn.Scope{}, nil, nil).Architecture)
		}},
		"functions of this machine": {values{"queueEnabled": "true", "functionArchitecture": "host"}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, "host", s.Build)
			assert.Equal(t, map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH], s.Architecture)
		}},
		"the jobs' path without jobs": {values{"routePath": "/jobs"}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, "/jobs", s.RoutePath)
		}},
		"two keys": {values{"apiKeys": `["a","b"]`, "disabledApiKeys": `[]`}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, []gateway.APIKey{{Name: "a", Enabled: true}, {Name: "b", Enabled: true}}, s.APIKeys)
			assert.Equal(t, s.APIKeys, s.API(arn.Scope{}).APIKeys)
		}},
		"the old key disabled": {values{"apiKeys": `["a","b"]`, "disabledApiKeys": `["a"]`}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, []gateway.APIKey{{Name: "a"}, {Name: "b", Enabled: true}}, s.APIKeys)
		}},
		// The pack refuses it, not the program: other teams may want it.
		"one instance stays": {values{"minInstanceCount": "1"}, func(t *testing.T, s *settings.Settings) {
			assert.Equal(t, 1, s.MinInstanceCount)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := settings.Parse("dev", with(test.config).Source)
			require.NoError(t, err)
			test.check(t, s)
		})
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("m", 60)
	for name, test := range map[string]struct {
		config values
		want   string
	}{
		"no image":             {values{"imageUri": ""}, "imageUri is not set"},
		"two images":           {values{"imageContext": "./model"}, "only one of them"},
		"S3 model":             {values{"imageUri": "s3://bucket/model.tar.gz"}, "S3 is not supported"},
		"S3 model by URL":      {values{"imageUri": "https://bucket.s3.amazonaws.com/model.tar.gz"}, "S3 is not supported"},
		"not ECR":              {values{"imageUri": "docker.io/library/nginx:1"}, "an image in ECR"},
		"public ECR":           {values{"imageUri": "public.ecr.aws/docker/library/nginx:1"}, "an image in ECR"},
		"other region":         {values{"imageUri": strings.Replace(imageIn, "ap-northeast-1", "us-east-1", 1) + digest}, "stack's region ap-northeast-1"},
		"latest":               {values{"imageUri": imageIn + ":latest"}, "by its digest"},
		"no tag, no digest":    {values{"imageUri": imageIn, "requireImageDigest": "false"}, "a tag or a digest"},
		"no Dockerfile":        {values{"imageUri": "", "imageContext": "./docs"}, "a Dockerfile in it"},
		"region":               {values{"aws:region": "tokyo"}, "aws:region"},
		"instance type":        {values{"instanceType": "m5.large"}, "ml.m5.large"},
		"min not a number":     {values{"minInstanceCount": "none"}, "whole number from 0"},
		"min below 0":          {values{"minInstanceCount": "-1"}, "minInstanceCount"},
		"min above max":        {values{"minInstanceCount": "4"}, "at most maxInstanceCount (3)"},
		"initial 0":            {values{"initialInstanceCount": "0"}, "initialInstanceCount"},
		"initial above max":    {values{"initialInstanceCount": "4"}, "from 1 to maxInstanceCount (3)"},
		"max 0":                {values{"maxInstanceCount": "0"}, "maxInstanceCount"},
		"cores":                {values{"cpuCores": "0.1"}, "from 0.25"},
		"cores NaN":            {values{"cpuCores": "NaN"}, "cpuCores"},
		"memory":               {values{"memoryMb": "127"}, "from 128"},
		"accelerators":         {values{"accelerators": "-1"}, "accelerators"},
		"time-out too short":   {values{"containerStartupHealthCheckTimeoutSeconds": "59"}, "from 60 to 3600"},
		"time-out too long":    {values{"containerStartupHealthCheckTimeoutSeconds": "3601"}, "from 60 to 3600"},
		"environment type":     {values{"environment": `["A"]`}, "map from name to text"},
		"environment name":     {values{"environment": `{"1A":"x"}`}, `"1A"`},
		"environment value":    {values{"environment": `{"A":"` + strings.Repeat("x", 1025) + `"}`}, "1025 characters"},
		"subnets alone":        {values{"subnetIds": `["subnet-0a1b2c3d"]`}, "both"},
		"subnet id":            {values{"subnetIds": `["vpc-1"]`, "securityGroupIds": `["sg-0a1b2c3d"]`}, "subnetIds[0]"},
		"subnets not a list":   {values{"subnetIds": `subnet-0a1b2c3d`}, "a list"},
		"KMS key":              {values{"kmsKeyArn": "alias/k"}, "ARN of a KMS key"},
		"upper case":           {values{"endpointName": "Songs"}, "lower-case"},
		"model name too long":  {values{"modelName": long}, "modelName NAME"},
		"endpoint too long":    {values{"endpointName": long}, "endpointName NAME"},
		"API name too long":    {values{"apiName": long}, "apiName NAME"},
		"route":                {values{"routePath": "infer"}, "routePath"},
		"route with parameter": {values{"routePath": "/infer/{id}"}, "routePath"},
		"two origins":          {values{"corsAllowOrigin": "https://a.example, https://b.example"}, "one origin"},
		"origin with path":     {values{"corsAllowOrigin": "https://a.example/app"}, "one origin"},
		"route with tilde":     {values{"routePath": "/~me/infer"}, "routePath"},
		"reserved route":       {values{"routePath": "/ping"}, "routePath"},
		"rate":                 {values{"rateLimit": "0"}, "rateLimit"},
		"burst":                {values{"burstLimit": "0"}, "burstLimit"},
		"quota":                {values{"monthlyQuota": "0"}, "monthlyQuota"},
		"keys not a list":      {values{"apiKeys": "a"}, "a list"},
		"keys null":            {values{"apiKeys": "null"}, "a list"},
		"key's name":           {values{"apiKeys": `["A"]`}, "apiKeys[0]"},
		"no key":               {values{"apiKeys": "[]"}, "one name, or 2"},
		"three keys":           {values{"apiKeys": `["a","b","c"]`}, `apiKeys is ["a" "b" "c"]`},
		"one key twice":        {values{"apiKeys": `["a","a"]`}, "different"},
		"disabled, not there":  {values{"disabledApiKeys": `["b"]`}, `one of apiKeys, ["a"]`},
		"disabled, not a list": {values{"disabledApiKeys": "b"}, "disabledApiKeys"},
		"all keys disabled":    {values{"apiKeys": `["a","b"]`, "disabledApiKeys": `["b","a"]`}, "one key must work"},
		"retention":            {values{"logRetentionDays": "2"}, "retention times"},
		"schema not there":     {values{"requestSchema": "no.json"}, "requestSchema"},
		"schema not a schema":  {values{"requestSchema": "README.md"}, "requestSchema"},
		"account flag":         {values{"manageApiGatewayAccount": "yes"}, "true or false"},
		"queue flag":           {values{"queueEnabled": "on"}, "queueEnabled"},
		"one worker":           {values{"queueMaxConcurrency": "1"}, "from 2 to 1000"},
		"no try":               {values{"queueMaxTries": "0"}, "from 1 to 100"},
		"kept too long":        {values{"queueJobTtlHours": "337"}, "from 1 to 336"},
		"wake flag":            {values{"queueDirectWake": "1"}, "queueDirectWake"},
		"recovery flag":        {values{"queuePointInTimeRecovery": "1"}, "queuePointInTimeRecovery"},
		"protection flag":      {values{"queueDeletionProtection": "1"}, "queueDeletionProtection"},
		"Go's architecture":    {values{"functionArchitecture": "amd64"}, "[arm64 x86_64], or host"},
		"two routes at /jobs":  {values{"queueEnabled": "true", "routePath": "/jobs"}, "routePath"},
		"jobs' name too long":  {values{"queueEnabled": "true", "apiName": strings.Repeat("a", 50)}, "-dev-jobs"},
		"digest flag":          {values{"requireImageDigest": "no"}, "true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings.Parse("dev", with(test.config).Source)
			require.Error(t, err)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "pulumi config", "the way out is a command")
		})
	}
}

// What rotates the keys must work on a stack whose image is somebody else's care.
func TestAPIKeysAlone(t *testing.T) {
	keys, err := settings.APIKeys("dev", values{"apiKeys": `["a","b"]`, "disabledApiKeys": `["a"]`}.Source)
	require.NoError(t, err)
	assert.Equal(t, []gateway.APIKey{{Name: "a"}, {Name: "b", Enabled: true}}, keys)
	_, err = settings.APIKeys("dev", values{"apiKeys": `[]`, "disabledApiKeys": `["a"]`}.Source)
	assert.ErrorContains(t, err, "the configuration of stack dev has 2 problems")
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := settings.Parse("dev", values{
		"instanceType": "m5", "minInstanceCount": "x", "corsAllowOrigin": "app",
	}.Source)
	require.Error(t, err)
	assert.ErrorContains(t, err, "the configuration of stack dev has 4 problems")
	for _, key := range []string{"imageUri", "instanceType", "minInstanceCount", "corsAllowOrigin"} {
		assert.ErrorContains(t, err, "\n  - "+key)
	}
}

func TestNamesAreMeasuredWithTheStacksName(t *testing.T) {
	name := strings.Repeat("e", 40)
	_, err := settings.Parse("dev", with(values{"endpointName": name}).Source)
	require.NoError(t, err)
	_, err = settings.Parse(strings.Repeat("s", 30), with(values{"endpointName": name}).Source)
	assert.ErrorContains(t, err, "71 characters long")
	_, err = settings.Parse("Dev.1", with(nil).Source)
	assert.ErrorContains(t, err, "pulumi stack init")
}

func TestEnvironmentIsNeverShown(t *testing.T) {
	_, err := settings.Parse("dev", with(values{"environment": `{"TOKEN":"` + strings.Repeat("hunter2", 200) + `"}`}).Source)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
}
