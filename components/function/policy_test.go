package function_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/function"
	"scaletozero/components/iampolicy"
)

// policyOf is the only policy of a role.
func policyOf(t *testing.T, graph *provider) iampolicy.Document {
	t.Helper()
	var document iampolicy.Document
	require.NoError(t, json.Unmarshal([]byte(graph.Only(t, roleRules).Inputs["policy"].StringValue()), &document))
	return document
}

func TestRoleNamesExactlyWhatItTouches(t *testing.T) {
	basics := []iampolicy.Statement{
		iampolicy.Allow("Logs", []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			[]string{"arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/songs-dev:*"}),
		iampolicy.Allow("Traces", []string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, []string{"*"}),
	}
	interfaces := []string{
		"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
	}
	network := []iampolicy.Statement{
		iampolicy.Allow("Network", interfaces, []string{"*"}),
		{
			Sid: "NetworkNotFromCode", Effect: "Deny", Action: interfaces, Resource: []string{"*"},
			Condition: map[string]iampolicy.Condition{"ArnEquals": {
				"lambda:SourceFunctionArn": {"arn:aws:lambda:ap-northeast-1:123456789012:function:songs-dev"},
			}},
		},
	}
	translate := iampolicy.Allow("Translate", []string{"translate:TranslateText"}, []string{"*"})
	inVPC := func(a *function.Args) {
		a.VPC = &function.VPC{SubnetIDs: []string{"subnet-1"}, SecurityGroupIDs: []string{"sg-1"}}
	}
	for name, test := range map[string]struct {
		change func(*function.Args)
		want   []iampolicy.Statement
	}{
		"nothing besides": {func(*function.Args) {}, basics},
		"a key":           {func(a *function.Args) { a.KMSKeyArn = ownKey }, basics},
		"in a VPC":        {inVPC, slices.Concat(basics, network)},
		"its own":         {func(a *function.Args) { a.Statements = []iampolicy.Statement{translate} }, slices.Concat(basics, []iampolicy.Statement{translate})},
		"all": {func(a *function.Args) {
			inVPC(a)
			a.Statements = []iampolicy.Statement{translate}
		}, slices.Concat(basics, network, []iampolicy.Statement{translate})},
	} {
		for mode, run := range modes {
			t.Run(name+" at "+mode, func(t *testing.T) {
				assert.Equal(t, iampolicy.New(test.want...), policyOf(t, run(t, with(ofPackage(), test.change))))
			})
		}
	}
}

func TestOnlyLambdaAssumesTheRole(t *testing.T) {
	role := run(t, ofImage()).Only(t, roleToken)
	assert.Equal(t, "songs-dev", role.Inputs["name"].StringValue())
	assert.JSONEq(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":["sts:AssumeRole"]}
	]}`, role.Inputs["assumeRolePolicy"].StringValue())
}
