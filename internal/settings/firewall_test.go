package settings_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/internal/settings"
)

const ownKey = "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func TestDoorIsClosedByDefault(t *testing.T) {
	s, err := settings.Parse("dev", with(nil).Source)
	require.NoError(t, err)
	assert.Nil(t, s.Firewall)
	assert.True(t, s.NetworkIsolation, "a model has no business in a network unless somebody says so")

	s, err = settings.Parse("dev", with(values{"wafEnabled": "true", "networkIsolation": "false"}).Source)
	require.NoError(t, err)
	assert.Equal(t, &settings.Firewall{Name: "music-mapping-api-dev", RateLimit: 2000}, s.Firewall)
	assert.False(t, s.NetworkIsolation)

	s, err = settings.Parse("dev", with(values{"wafEnabled": "true", "wafRateLimit": "10", "logRetentionDays": "7"}).Source)
	require.NoError(t, err)
	stage := pulumi.String("arn:aws:apigateway:ap-northeast-1::/restapis/abc/stages/dev")
	acl := s.WebACL(stage)
	assert.Equal(t, []any{"music-mapping-api-dev", stage, 10, 7}, []any{acl.Name, acl.StageArn, acl.RateLimit, acl.LogRetentionDays})
}

// Wherever something is kept, one key is handed on, or none.
func TestKeyReachesAllThatIsKept(t *testing.T) {
	for name, test := range map[string]struct {
		given string
		log   pulumi.StringPtrInput
	}{"AWS's": {"", nil}, "own": {ownKey, pulumi.StringPtr(ownKey)}} {
		t.Run(name, func(t *testing.T) {
			config := values{"queueEnabled": "true", "wafEnabled": "true", "kmsKeyArn": test.given}
			s, err := settings.Parse("dev", with(config).Source)
			require.NoError(t, err)
			scope := arn.Scope{Partition: "aws", Region: s.Region, AccountID: "123456789012"}
			assert.Equal(t, test.given, s.KMSKeyArn)
			assert.Equal(t, test.given, s.Jobs(scope, nil, nil).KMSKeyArn)
			assert.Equal(t, test.log, s.API(scope).LogKMSKeyArn)
			assert.Equal(t, test.log, s.WebACL(pulumi.String("")).LogKMSKeyArn)
		})
	}
}

func TestDoorRefused(t *testing.T) {
	for name, test := range map[string]struct {
		config values
		want   string
	}{
		"firewall flag":     {values{"wafEnabled": "on"}, "wafEnabled"},
		"rate too low":      {values{"wafRateLimit": "9"}, "from 10 to 2000000000"},
		"rate too high":     {values{"wafRateLimit": "2000000001"}, "wafRateLimit"},
		"isolation flag":    {values{"networkIsolation": "yes"}, "networkIsolation"},
		"name too long":     {values{"wafEnabled": "true", "apiName": strings.Repeat("a", 125)}, "there is room for 128"},
		"key's region":      {values{"kmsKeyArn": strings.Replace(ownKey, "ap-northeast-1", "us-east-1", 1)}, "a key in the stack's region ap-northeast-1"},
		"key of the region": {values{"aws:region": "us-east-1", "kmsKeyArn": ownKey}, "a key in the stack's region us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings.Parse("dev", with(test.config).Source)
			require.Error(t, err)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "pulumi config set")
		})
	}
}
