package cfn_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/policies/internal/cfn"
)

const stackURN = "urn:pulumi:dev::p::aws:cloudformation/stack:Stack::s"

// expand is the resources of a template by logical id.
func expand(t *testing.T, body string) map[string]cfn.Resource {
	t.Helper()
	resources, hidden := cfn.Expand(cfn.Resource{
		Type: cfn.TypeStack, Label: "s", URN: stackURN, Properties: object{"TemplateBody": body, "Tags": object{"team": "ml"}},
	})
	require.Empty(t, hidden)
	byPath := map[string]cfn.Resource{}
	for _, r := range resources {
		byPath[r.Path] = r
	}
	return byPath
}

func TestReferencesInsideATemplate(t *testing.T) {
	resources := expand(t, `
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Other: {Type: AWS::SQS::Queue}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateBody: '{"Resources":{"Queue":{"Type":"AWS::SQS::Queue"}}}'}
  User:
    Type: T
    Properties:
      Ref: !Ref Queue
      GetAtt: !GetAtt Queue.Arn
      List: !GetAtt [Queue, Arn]
      Sub: !Sub arn:${AWS::Partition}:x/${Queue.QueueName}
      Join: !Join [":", [!Ref AWS::Region, !Ref Queue]]
      Region: !Ref AWS::Region
`)
	queue, other, inner, user := resources["Queue"], resources["Other"], resources["Inner/Queue"], resources["User"]
	assert.Equal(t, stackURN+"#Queue", queue.ID())
	assert.Equal(t, stackURN+"#Inner/Queue", inner.ID())
	assert.Equal(t, object{"team": "ml"}, inner.DefaultTags)
	properties, _ := cfn.Object(user.Properties)
	for name, want := range map[string]bool{"Ref": true, "GetAtt": true, "List": true, "Sub": true, "Join": true, "Region": false} {
		reference := user.Reference(name, properties[name])
		means, _ := reference.Means(queue)
		assert.Equal(t, want, means, name)
		for _, another := range []cfn.Resource{other, inner} {
			means, doubt := reference.Means(another)
			assert.False(t, means, name)
			assert.NotNil(t, doubt, name)
		}
	}
	for name, want := range map[string]string{"Sub": "arn:…:x/…", "Join": "…:…", "Region": "", "Ref": ""} {
		u, ok := properties[name].(cfn.Unknown)
		require.True(t, ok, name)
		assert.Equal(t, want, u.Outline, name)
	}
	same, doubt := user.Reference("Ref", properties["Ref"]).Same(user.Reference("Sub", properties["Sub"]))
	assert.True(t, same)
	assert.Nil(t, doubt)
	_, doubt = user.Reference("Ref", properties["Ref"]).Same(user.Reference("Region", properties["Region"]))
	assert.NotNil(t, doubt)
}

func TestReferencesBetweenResources(t *testing.T) {
	unknown := cfn.Unknown{Why: "later"}
	queue := cfn.Resource{URN: "urn:queue", Identities: []string{"arn:aws:sqs:eu-west-1:1:jobs", "jobs"}}
	user := cfn.Resource{URN: "urn:user", Depends: map[string][]string{"A": {"urn:queue"}, "S": {stackURN}}}
	inTemplate := cfn.Resource{URN: stackURN, Path: "Queue"}
	whole := cfn.Resource{URN: "urn:whole", Depends: map[string][]string{cfn.AnyProperty: {"urn:queue"}}}
	for _, c := range []struct {
		name           string
		from           cfn.Resource
		property       string
		value          any
		to             cfn.Resource
		means, doubted bool
	}{
		{"unknown, made of it", user, "A", unknown, queue, true, false},
		{"unknown, made of another", user, "B", unknown, queue, false, true},
		{"its ARN", user, "B", "arn:aws:sqs:eu-west-1:1:jobs", queue, true, false},
		{"its name at the end", user, "B", "https://sqs.eu-west-1.amazonaws.com/1/jobs", queue, true, false},
		{"another's ARN", user, "B", "arn:aws:sqs:eu-west-1:1:more-jobs", queue, false, false},
		{"missing", user, "B", nil, queue, false, false},
		{"output of a stack", user, "S", unknown, inTemplate, true, false},
		{"properties in one piece", whole, "B", unknown, queue, true, false},
	} {
		means, doubt := c.from.Reference(c.property, c.value).Means(c.to)
		assert.Equal(t, c.means, means, c.name)
		assert.Equal(t, c.doubted, doubt != nil, c.name)
	}
	for _, c := range []struct {
		name       string
		one, other any
		same       bool
		doubted    bool
	}{
		{"equal", "a", "a", true, false},
		{"different", "a", "b", false, false},
		{"both missing", nil, nil, false, false},
		{"one unknown", unknown, "a", false, true},
	} {
		same, doubt := queue.Reference("A", c.one).Same(queue.Reference("B", c.other))
		assert.Equal(t, c.same, same, c.name)
		assert.Equal(t, c.doubted, doubt != nil, c.name)
	}
}

func TestTags(t *testing.T) {
	want := object{"a": "b"}
	assert.Equal(t, want, cfn.Tags(object{"a": "b"}))
	assert.Equal(t, want, cfn.Tags(list{object{"Key": "a", "Value": "b"}, object{"Value": "c"}, "d"}))
	assert.Empty(t, cfn.Tags("a"))
}
