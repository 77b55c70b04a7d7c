package settings_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/slo"
	"scaletozero/internal/settings"
)

func TestObjectives(t *testing.T) {
	s, err := settings.Parse("dev", with(nil).Source)
	require.NoError(t, err)
	assert.Nil(t, s.SLO, "a stack promises nothing unless somebody says so")

	s, err = settings.Parse("dev", with(values{"sloEnabled": "true"}).Source)
	require.NoError(t, err)
	assert.Equal(t, &settings.SLO{Name: "music-mapping-api-dev-slo", Objectives: slo.Objectives{
		WindowDays: 28, Availability: 99.9, LatencyP95Ms: 80, LatencyP50Ms: 60,
	}}, s.SLO)

	s, err = settings.Parse("dev", with(values{
		"sloEnabled": "true", "sloAvailability": "99.5", "sloLatencyP95Ms": "900", "sloLatencyP50Ms": "300", "sloCountColdStarts": "true",
		"sloEmail": "team@example.com", "kmsKeyArn": ownKey, "routePath": "/ask",
	}).Source)
	require.NoError(t, err)
	scope, group := arn.Scope{Partition: "aws", Region: s.Region, AccountID: "123456789012"}, pulumi.String("/log")
	assert.Equal(t, &slo.Args{
		Scope: scope, Name: "music-mapping-api-dev-slo", APIName: "music-mapping-api-dev", StageName: "dev", Method: "POST", Path: "/ask",
		Objectives:      slo.Objectives{WindowDays: 28, Availability: 99.5, LatencyP95Ms: 900, LatencyP50Ms: 300},
		CountColdStarts: true, AccessLogGroup: group, KMSKeyArn: ownKey, Email: "team@example.com",
	}, s.Watched(scope, group))
}

// A function's callers wait for it to start: there is nothing to count apart.
func TestObjectivesOfAFunctionCountColdStarts(t *testing.T) {
	for backend, want := range map[string]bool{"sagemaker": false, "function": true} {
		s, err := settings.Parse("dev", with(values{"sloEnabled": "true", "backend": backend, "networkIsolation": "false"}).Source)
		require.NoError(t, err)
		assert.Equal(t, want, s.SLO.CountColdStarts, backend)
	}
}

func TestObjectivesRefused(t *testing.T) {
	for name, test := range map[string]struct {
		config values
		want   string
	}{
		"flag":          {values{"sloEnabled": "on"}, "sloEnabled"},
		"count":         {values{"sloCountColdStarts": "on"}, "sloCountColdStarts"},
		"all":           {values{"sloAvailability": "100"}, "a number from 95 to 99.999"},
		"too few":       {values{"sloAvailability": "94"}, "a number from 95 to 99.999"},
		"p95":           {values{"sloLatencyP95Ms": "29001"}, "a whole number from 1 to 29000"},
		"p50":           {values{"sloLatencyP50Ms": "0"}, "a whole number from 1 to 29000"},
		"p50 above p95": {values{"sloLatencyP50Ms": "81"}, "at most sloLatencyP95Ms (80)"},
		"mail":          {values{"sloEmail": "team"}, "one address such as team@example.com"},
		"name too long": {values{"sloEnabled": "true", "apiName": strings.Repeat("a", 193)}, "there is room for 200"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings.Parse("dev", with(test.config).Source)
			require.Error(t, err)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "pulumi config set")
		})
	}
}
