package tests

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeyPolicyCoversLogGroupsAndAlarms: a log group that the key's policy in
// docs/kms.md leaves out cannot be created, and an alarm tells nobody.
func TestKeyPolicyCoversLogGroupsAndAlarms(t *testing.T) {
	t.Parallel()
	var policy struct {
		Statement []struct {
			Sid       string
			Condition map[string]map[string][]string
		}
	}
	_, text, found := strings.Cut(read(t, filepath.Join(built.root, "docs", "kms.md")), "```json\n")
	require.True(t, found)
	text, _, _ = strings.Cut(text, "```")
	require.NoError(t, json.Unmarshal([]byte(text), &policy))
	require.Len(t, policy.Statement, 3)
	alarms := policy.Statement[2].Condition["ArnLike"]["aws:SourceArn"]
	covered := policy.Statement[1].Condition["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
	used := map[string]bool{}

	var graph []struct {
		Type   string
		Inputs map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, filepath.Join(built.root, "tests", "testdata", "graph.prod.golden.json"))), &graph))
	for _, resource := range graph {
		if name, ok := resource.Inputs["alarmName"].(string); ok {
			assert.True(t, like(alarms[0], "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:"+name), name)
		}
		if resource.Type != logGroupType {
			continue
		}
		name, ok := resource.Inputs["name"].(string)
		require.True(t, ok)
		matching := ""
		for _, arn := range covered {
			if like(arn, "arn:aws:logs:ap-northeast-1:123456789012:log-group:"+name) {
				matching = arn
			}
		}
		assert.NotEmpty(t, matching, name)
		used[matching] = true
	}
	assert.Len(t, used, len(covered), "none is there that no log group needs")
}

// like is IAM's ArnLike for patterns with * in the last part only.
func like(pattern, arn string) bool {
	parts := strings.Split(pattern, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(arn)
}
