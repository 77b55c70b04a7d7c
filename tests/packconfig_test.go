package tests

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	noRecovery = "point-in-time recovery is false; it must be enabled in stack local"
	// recoverable is what prod.json demands of tables.
	recoverable = `"pointInTimeRecoveryStacks": ["*"]`
)

// TestPackIsConfigured previews the local stack with the pack's ready
// configurations, and with what people make of them.
func TestPackIsConfigured(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	exempt := func(reason, expires string) string {
		exemption, err := json.Marshal(map[string]string{"rule": "table-is-safe", "resource": "queue", "reason": reason, "expires": expires})
		require.NoError(t, err)
		return `{"table-is-safe": {` + recoverable + `}, "exemptions-are-current": {"exemptions": [` + string(exemption) + `]}}`
	}
	for _, c := range []struct {
		name string
		// config is a file of the pack, or what is in one.
		config string
		// set are the values to mend the stack with.
		set    map[string]string
		denied bool
		// said are parts of what the preview says.
		said []string
	}{
		{"prod", "prod.json", nil, true, []string{"[mandatory]  table-is-safe", noRecovery}},
		{"prod, mended", "prod.json", map[string]string{"queuePointInTimeRecovery": "true"}, false, nil},
		{"dev", "dev.json", nil, true, []string{
			"[mandatory]  cost-guard", "the number of instances is 3; it must be at most 1 in stack local", "MaxCapacity is 3; it must be at most 1 in stack local",
		}},
		{"dev, mended", "dev.json", map[string]string{"maxInstanceCount": "1"}, false, nil},
		{"demoted", `{"table-is-safe": {"enforcementLevel": "advisory", ` + recoverable + `}}`, nil, false, []string{"[advisory]  table-is-safe", noRecovery}},
		{"exempt", exempt("jobs are repeated by their callers", "2999-12-31"), nil, false, nil},
		{"exempt no longer", exempt("jobs are repeated by their callers", "2020-01-31"), nil, true, []string{
			"[mandatory]  exemptions-are-current", "it expired on 2020-01-31, so the rule holds again", noRecovery,
		}},
		{"exempt without a reason", exempt(" ", "2999-12-31"), nil, true, []string{"exemptions-are-current", "reason"}},
		{"knob misspelt", `{"cost-guard": {"maxInstance": 1}}`, nil, true, []string{
			`the configuration of cost-guard has "maxInstance"; its knobs are ["instanceTypes" "maxInstances" "maxProvisionedConcurrency"]. Correct the name or remove it.`,
		}},
		{"knob of another type", `{"cost-guard": {"maxInstances": "one"}}`, nil, true, []string{"cost-guard", "maxInstances"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := filepath.Join(s.pack(), "config", c.config)
			if filepath.Ext(c.config) != ".json" {
				s.write("config.json", c.config)
				config = filepath.Join(s.dir, "config.json")
			}
			for key, value := range c.set {
				s.set(key, value)
			}
			out, err := s.pulumi("preview", "--policy-pack", s.pack(), "--policy-pack-config", config)
			assert.Equal(t, c.denied, err != nil, out)
			for _, part := range c.said {
				assert.Contains(t, out, part)
			}
			if !c.denied {
				assert.NotContains(t, out, "[mandatory]")
			}
			for key := range c.set {
				s.must("config", "rm", key)
			}
		})
	}
	assert.Empty(t, s.cloud.Resources(""), "a preview creates nothing")
}
