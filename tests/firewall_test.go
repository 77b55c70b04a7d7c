package tests

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	webACLType      = "aws:wafv2/webAcl:WebAcl"
	associationType = "aws:wafv2/webAclAssociation:WebAclAssociation"
	aclLoggingType  = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
	logGroupType    = "aws:cloudwatch/logGroup:LogGroup"
)

// TestDoor is the life of a stack's firewall, and of what else keeps others out.
func TestDoor(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.set("queueEnabled", "false")
	s.set("wafEnabled", "true")
	// The firewall is to be what refuses.
	s.set("rateLimit", "10000")
	s.set("burstLimit", "5000")
	out := s.must("preview", "--policy-pack", s.pack())
	assert.Contains(t, out, "aws:wafv2:WebAcl firewall create")
	assert.Empty(t, s.cloud.Resources(""), "a preview creates nothing")
	s.up()
	url, key := s.output("apiGatewayUrl"), s.output("apiKeyValue")
	answered := call(t, url, key)
	assert.Equal(t, http.StatusOK, answered.status, answered.body)
	assert.Empty(t, changed(s.up("--expect-no-changes")))
	s.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")

	t.Run("another rate", func(t *testing.T) { testBlocked(t, s, url, key) })
	t.Run("new name", func(t *testing.T) { testNewACL(t, s) })
	t.Run("network", func(t *testing.T) {
		s.set("networkIsolation", "false")
		ops := changed(s.up())
		assert.Contains(t, ops, "create-replacement "+modelType)
		assert.Contains(t, ops, "update "+stackType)
	})
	t.Run("own key", func(t *testing.T) {
		s.set("kmsKeyArn", "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab")
		ops := changed(s.up())
		logs := slices.DeleteFunc(slices.Clone(ops), func(op string) bool { return op != "update "+logGroupType })
		assert.Len(t, logs, 3, "the API's two and the firewall's: %v", ops)
		assert.Contains(t, ops, "update "+stackType)
	})

	s.set("wafEnabled", "false")
	assert.ElementsMatch(t, []string{
		"delete " + associationType, "delete " + aclLoggingType, "delete " + webACLType, "delete " + logGroupType,
		"delete scaletozero:firewall:Firewall",
	}, changed(s.up()))
	for range 12 {
		assert.NotEqual(t, http.StatusForbidden, call(t, s.output("apiGatewayUrl"), s.output("apiKeyValue")).status)
	}
	s.must("destroy", "--yes", "--skip-preview")
	assert.Empty(t, s.cloud.Resources(""))
}

// testBlocked lowers the limit under a running API, and goes over it.
func testBlocked(t *testing.T, s *stack, url, key string) {
	s.set("wafRateLimit", "10")
	assert.Equal(t, []string{"update " + webACLType}, changed(s.up()))
	for i := range 10 {
		assert.NotEqual(t, http.StatusForbidden, call(t, url, key).status, "request %d", i)
	}
	blocked := call(t, url, key)
	assert.Equal(t, http.StatusForbidden, blocked.status)
	assert.Contains(t, blocked.body, `"code":"Blocked"`)
	assert.Equal(t, "*", blocked.header.Get("Access-Control-Allow-Origin"))
}

// testNewACL renames what AWS cannot rename. The stage is never without a web ACL
// for longer than the step from the old to the new one.
func testNewACL(t *testing.T, s *stack) {
	s.set("apiName", "songs-api")
	ops := changed(s.up())
	created := slices.Index(ops, "create-replacement "+webACLType)
	left := slices.Index(ops, "delete-replaced "+associationType)
	joined := slices.Index(ops, "create-replacement "+associationType)
	deleted := slices.Index(ops, "delete-replaced "+webACLType)
	assert.True(t, 0 <= created && created < joined && 0 <= left && left < joined && joined < deleted, "the order was %v", ops)
	require.Len(t, s.cloud.Resources(webACLType), 1)
	assert.Len(t, s.cloud.Resources(associationType), 1)
	assert.Empty(t, changed(s.up("--expect-no-changes")))
}
