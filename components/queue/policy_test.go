package queue_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/iampolicy"
	"scaletozero/components/queue"
	"scaletozero/internal/recorder"
)

const (
	inAccount = ":ap-northeast-1:123456789012:"
	table     = "arn:aws:dynamodb" + inAccount + "table/songs-jobs"
	jobsQueue = "arn:aws:sqs" + inAccount + "songs-jobs"
	endpoint  = "arn:aws:sagemaker" + inAccount + "endpoint/songs-endpoint-dev"
	component = "arn:aws:sagemaker" + inAccount + "inference-component/songs-dev"
	logs      = "arn:aws:logs" + inAccount + "log-group:/aws/lambda/songs-jobs-"
	aliasArn  = "arn:aws:lambda" + inAccount + "function:songs-dev:live"
	ownKey    = "arn:aws:kms" + inAccount + "key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// rule is a statement's actions and the resources that they are for.
type rule struct{ actions, resources []string }

var (
	traces = rule{[]string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, []string{"*"}}
	write  = []string{"logs:CreateLogStream", "logs:PutLogEvents"}
)

func TestRolesNameExactlyWhatTheyTouch(t *testing.T) {
	submit := map[string]rule{
		"Logs":   {write, []string{logs + "submit:*"}},
		"Traces": traces,
		"Jobs":   {[]string{"dynamodb:GetItem", "dynamodb:PutItem"}, []string{table}},
		"Send":   {[]string{"sqs:SendMessage"}, []string{jobsQueue}},
	}
	worker := map[string]rule{
		"Logs":    {write, []string{logs + "worker:*"}},
		"Traces":  traces,
		"Jobs":    {[]string{"dynamodb:GetItem", "dynamodb:UpdateItem"}, []string{table}},
		"Receive": {[]string{"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}, []string{jobsQueue}},
		"GiveUp":  {[]string{"sqs:SendMessage"}, []string{jobsQueue + "-dead-letter"}},
		"Invoke":  {[]string{"sagemaker:InvokeEndpoint"}, []string{endpoint, component}},
		"AskOnce": {[]string{"dynamodb:PutItem"}, []string{table}},
		"Wake":    {[]string{"sagemaker:DescribeInferenceComponent", "sagemaker:UpdateInferenceComponentRuntimeConfig"}, []string{component}},
	}
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, args(), options...)
			assert.Equal(t, submit, rulesOf(t, graph, "jobs-submit"))
			assert.Equal(t, worker, rulesOf(t, graph, "jobs-worker"))
		})
	}
}

// A model in a function is asked through its alias, and nothing wakes it.
func TestWorkerOfAFunctionNamesTheAliasOnly(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			rules := rulesOf(t, run(t, functionArgs(), options...), "jobs-worker")
			assert.Equal(t, rule{[]string{"lambda:InvokeFunction"}, []string{aliasArn}}, rules["Invoke"])
			assert.NotContains(t, rules, "Wake")
			assert.NotContains(t, rules, "AskOnce")
		})
	}
}

func rulesOf(t *testing.T, graph *recorder.Graph, name string) map[string]rule {
	t.Helper()
	var document iampolicy.Document
	require.NoError(t, json.Unmarshal([]byte(named(t, graph, roleRules, name).Inputs["policy"].StringValue()), &document))
	rules := map[string]rule{}
	for _, statement := range document.Statement {
		rules[statement.Sid] = rule{statement.Action, statement.Resource}
	}
	return rules
}

func TestWorkerWakesOnlyWhereAsked(t *testing.T) {
	a := args()
	a.DirectWake = false
	rules := rulesOf(t, run(t, a), "jobs-worker")
	assert.NotContains(t, rules, "Wake")
	assert.NotContains(t, rules, "AskOnce")
}

func TestRolesUseTheKeyOnlyWhereThereIsOne(t *testing.T) {
	a := args()
	a.KMSKeyArn = ownKey
	graph := run(t, a)
	for _, role := range []string{"jobs-submit", "jobs-worker"} {
		assert.NotContains(t, rulesOf(t, run(t, args()), role), "Key")
		assert.Equal(t, rule{[]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{ownKey}}, rulesOf(t, graph, role)["Key"])
	}
}

func TestOnlyLambdaAssumesTheRoles(t *testing.T) {
	roles := run(t, args()).OfType(roleToken)
	require.Len(t, roles, 2)
	for i, want := range []string{queue.SubmitFunction("songs-jobs"), "songs-jobs-worker"} {
		assert.Equal(t, want, roles[i].Inputs["name"].StringValue())
		var trust iampolicy.Document
		require.NoError(t, json.Unmarshal([]byte(roles[i].Inputs["assumeRolePolicy"].StringValue()), &trust))
		require.Len(t, trust.Statement, 1)
		assert.Equal(t, map[string]string{"Service": "lambda.amazonaws.com"}, trust.Statement[0].Principal)
	}
}
