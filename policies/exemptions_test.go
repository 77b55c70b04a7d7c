package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func exempting(items ...any) map[string]object {
	return map[string]object{exemptionsName: {"exemptions": items}}
}

func exemptionOf(changes ...object) object {
	return with(object{"rule": "logs-have-retention", "resource": "it", "reason": "an audit wants them", "expires": "2026-03-31"}, changes...)
}

func TestExemptions(t *testing.T) {
	logGroup := registration{token: "aws:cloudwatch/logGroup:LogGroup", name: "it", properties: object{}}
	for _, c := range []struct {
		name      string
		exemption object
		exempt    bool
		problem   string
	}{
		{"on its last day", exemptionOf(), true, ""},
		{"by a glob of the URN", exemptionOf(object{"resource": "urn:pulumi:dev::*:LogGroup::i?"}), true, ""},
		{"from every rule", exemptionOf(object{"rule": "*"}), true, ""},
		{"another resource", exemptionOf(object{"resource": "i"}), false, ""},
		{"another rule", exemptionOf(object{"rule": "cost-guard"}), false, ""},
		{"expired", exemptionOf(object{"expires": "2026-03-30"}), false, `exemptions[0] (rule "logs-have-retention", resource "it"): it expired on 2026-03-30, so the rule holds again`},
		{"no reason", exemptionOf(object{"reason": "  "}), false, "it has no reason"},
		{"no resource", exemptionOf(object{"resource": nil}), false, "it names no resource"},
		{"no such rule", exemptionOf(object{"rule": "logs"}), false, "no rule of this pack has that name"},
		{"no such day", exemptionOf(object{"expires": "2026-02-30"}), false, `expires is "2026-02-30", which is no day`},
		{"no day", exemptionOf(object{"expires": nil}), false, `expires is "", which is no day`},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := logGroup
			other.name = "other"
			messages := judged(t, newRun(true, "dev", today), []registration{logGroup, other}, exempting(c.exemption))
			found := strings.Join(messages["logs-have-retention"], "\n")
			assert.Contains(t, found, `"other"`)
			assert.Equal(t, c.exempt, !strings.Contains(found, `"it"`), found)
			if c.problem == "" {
				assert.Empty(t, messages[exemptionsName])
				return
			}
			require.Len(t, messages[exemptionsName], 1, "told once, not for each resource")
			assert.Contains(t, messages[exemptionsName][0], c.problem)
		})
	}
}

// A rule about the whole stack gets no configuration from the SDK; the
// exemptions reach it all the same, and so does a template's logical id.
func TestExemptionsOfStackRules(t *testing.T) {
	stage := registration{token: stageToken, name: "it", properties: plainStage}
	template := registration{token: stackToken, name: "stack", properties: object{"templateBody": "Resources: {Inner: {Type: AWS::SQS::Queue}}"}}
	config := exempting(
		exemptionOf(object{"rule": "api-has-usage-plan"}), exemptionOf(object{"rule": "queue-is-safe", "resource": "Inner"}))
	messages := judged(t, newRun(true, "dev", today), []registration{stage, template}, config)
	assert.Empty(t, messages["api-has-usage-plan"])
	assert.Empty(t, messages["queue-is-safe"])
	assert.NotEmpty(t, messages["api-stage-observed"])
}

// What may turn out to be wrong at the update is exempt as well.
func TestExemptionsOfWhatIsNotKnown(t *testing.T) {
	logGroup := registration{token: "aws:cloudwatch/logGroup:LogGroup", name: "it", properties: object{"retentionInDays": unknown}}
	messages := judged(t, newRun(true, "dev", today), []registration{logGroup}, exempting(exemptionOf()))
	assert.Empty(t, messages["logs-have-retention-not-yet-known"])
}
