package tests

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/scaling"
)

// TestObjectives is the life of the alarms about what callers are promised: refusals of a sleeping model ring nothing
// but the alarm about a model that does not wake, and that one late; failures ring.
func TestObjectives(t *testing.T) {
	t.Parallel()
	s := newStackAt(t, 2*clock.DefaultSpeed)
	s.set("queueEnabled", "false")
	s.set("dashboardEnabled", "false")
	s.set("sloEnabled", "true")
	s.set("sloEmail", "team@example.com")
	s.set("rateLimit", "10000")
	s.set("burstLimit", "5000")
	out := s.must("preview", "--policy-pack", s.pack())
	assert.Contains(t, out, "aws:sns:Topic slo create")
	s.up()
	assert.Equal(t, "arn:aws:sns:ap-northeast-1:123456789012:music-mapping-api-local-slo", s.output("sloTopicArn"))
	assert.Empty(t, changed(s.up("--expect-no-changes")))
	s.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")
	url, key := s.output("apiGatewayUrl"), s.output("apiKeyValue")

	// ask calls until something is so, and at least as long as an alarm takes to see it.
	ask := func(fault faults.Kind, so func(rings []string) bool) {
		t.Helper()
		require.NoError(t, s.cloud.Faults().Add(faults.Fault{Kind: fault, For: time.Hour}))
		began := s.cloud.Clock().Now()
		assert.Eventually(t, func() bool {
			assert.Equal(t, 5, call(t, url, key).status/100)
			return s.cloud.Clock().Since(began) > 2*time.Minute && so(s.ringing())
		}, time.Minute, 50*time.Millisecond, "%s: %+v", fault, s.cloud.Alarms())
		s.cloud.Faults().Clear()
	}
	// Asleep, and it does not wake.
	require.Eventually(t, func() bool {
		endpoint := s.cloud.Endpoints()[0]
		return endpoint.Components[0].Desired == 0 && len(endpoint.Instances) == 0
	}, time.Minute, 50*time.Millisecond)
	began := s.cloud.Clock().Now()
	ask(faults.NoCapacity, func(rings []string) bool {
		assert.Subset(t, []string{"not-waking"}, rings)
		return len(rings) > 0
	})
	assert.Greater(t, s.cloud.Clock().Since(began), 20*time.Minute)
	// Some of these are a 503 to callers as well.
	ask(faults.Service5xx, func(rings []string) bool {
		return slices.Contains(rings, "burn-fast") && slices.Contains(rings, "burn-steady")
	})

	ops := map[string]bool{}
	s.set("sloEnabled", "false")
	for _, op := range changed(s.up()) {
		ops[strings.Split(op, " ")[0]] = true
	}
	assert.Equal(t, []string{"delete"}, slices.Collect(maps.Keys(ops)))
	assert.Empty(t, s.ringing())
}

// ringing are the names of the alarms about the objectives that are in ALARM, without what they begin with.
func (s *stack) ringing() []string {
	var names []string
	for _, alarm := range s.cloud.Alarms() {
		name, is := strings.CutPrefix(alarm.Name, "music-mapping-api-local-slo-")
		if is && alarm.State == scaling.InAlarm {
			names = append(names, name)
		}
	}
	return names
}
