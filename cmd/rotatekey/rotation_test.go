package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/gateway"
)

// keys reads "a -b": a works, b is disabled.
func keys(text string) []gateway.APIKey {
	var read []gateway.APIKey
	for _, word := range strings.Fields(text) {
		name, disabled := strings.CutPrefix(word, "-")
		read = append(read, gateway.APIKey{Name: name, Enabled: !disabled})
	}
	return read
}

func TestNextStep(t *testing.T) {
	for name, test := range map[string]struct {
		configured, deployed string
		number               int
		to                   string
		commands             []string
		undo                 string
	}{
		"one key": {
			"a", "a", adding, "a b",
			[]string{"config set-all --path --plaintext apiKeys[0]=a --plaintext apiKeys[1]=b"},
			"pulumi config rm --path 'apiKeys[1]'",
		},
		"after z comes a": {
			"z", "z", adding, "z a",
			[]string{"config set-all --path --plaintext apiKeys[0]=z --plaintext apiKeys[1]=a"},
			"pulumi config rm --path 'apiKeys[1]'",
		},
		"after a word comes a": {
			"mobile", "mobile", adding, "mobile a",
			[]string{"config set-all --path --plaintext apiKeys[0]=mobile --plaintext apiKeys[1]=a"},
			"pulumi config rm --path 'apiKeys[1]'",
		},
		"two keys": {
			"a b", "a b", disabling, "-a b",
			[]string{"config set --path disabledApiKeys[0] a"},
			"pulumi config rm disabledApiKeys",
		},
		// The state knows no order; the configuration does.
		"two keys, the older one later in the state": {
			"z a", "a z", disabling, "-z a",
			[]string{"config set --path disabledApiKeys[0] z"},
			"pulumi config rm disabledApiKeys",
		},
		"the old one disabled": {
			"-a b", "-a b", removing, "b",
			[]string{"config rm --path apiKeys[0]", "config rm disabledApiKeys"},
			"pulumi config set-all --path --plaintext 'apiKeys[0]=a' --plaintext 'apiKeys[1]=b' --plaintext 'disabledApiKeys[0]=a'",
		},
		"the new one disabled": {
			"a -b", "a -b", removing, "a",
			[]string{"config rm --path apiKeys[1]", "config rm disabledApiKeys"},
			"pulumi config set-all --path --plaintext 'apiKeys[1]=b' --plaintext 'apiKeys[0]=a' --plaintext 'disabledApiKeys[0]=b'",
		},
		"added but not deployed":    {"a b", "a", adding, "a b", nil, "pulumi config rm --path 'apiKeys[1]'"},
		"disabled but not deployed": {"-a b", "b a", disabling, "-a b", nil, "pulumi config rm disabledApiKeys"},
		"removed but not deployed": {
			"b", "b -a", removing, "b", nil,
			"pulumi config set-all --path --plaintext 'apiKeys[0]=a' --plaintext 'apiKeys[1]=b' --plaintext 'disabledApiKeys[0]=a'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			following, err := next("dev", keys(test.configured), keys(test.deployed))
			require.NoError(t, err)
			assert.Equal(t, test.number, following.number)
			assert.Equal(t, keys(test.to), following.to)
			assert.Equal(t, test.undo, following.undo())
			var commands []string
			for _, arguments := range following.commands() {
				commands = append(commands, strings.Join(arguments, " "))
			}
			assert.Equal(t, test.commands, commands)
		})
	}
}

func TestReached(t *testing.T) {
	for name, test := range map[string]struct {
		from, has string
		want      bool
	}{
		"added":        {"a", "b a", true},
		"not added":    {"a", "a", false},
		"disabled":     {"a b", "b -a", true},
		"not disabled": {"a b", "a b", false},
		"removed":      {"-a b", "b", true},
		"not removed":  {"-a b", "-a b", false},
	} {
		t.Run(name, func(t *testing.T) {
			following, err := next("dev", keys(test.from), keys(test.from))
			require.NoError(t, err)
			assert.Equal(t, test.want, following.reached(deployed{keys: keys(test.has)}))
		})
	}
}

func TestBadStatesAreExplained(t *testing.T) {
	for name, test := range map[string]struct{ configured, deployed, want string }{
		"not deployed":       {"a", "", "stack dev has no API key; deploy it first with `pulumi up"},
		"two steps at once":  {"-a b", "a", "has the API keys a and its configuration a (disabled), b, which is not one step"},
		"another key":        {"b", "a", "has the API keys a and its configuration b"},
		"a step back":        {"a b", "-a b", "has the API keys a (disabled), b and its configuration a, b"},
		"a third key":        {"a b", "a b c", "where a rotation starts from one enabled key"},
		"nothing works":      {"a b", "-a -b", "a (disabled), b (disabled), where a rotation starts from one enabled key"},
		"one that is broken": {"a", "-a", "a (disabled), where a rotation starts from one enabled key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := next("dev", keys(test.configured), keys(test.deployed))
			require.Error(t, err)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "`pulumi up --stack dev --policy-pack policies`", "the way out is a command")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

const export = `{"version":3,"deployment":{"resources":[
  {"urn":"urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev","type":"pulumi:pulumi:Stack"},
  {"urn":"urn:pulumi:dev::p::scaletozero:gateway:Gateway::gateway","type":"scaletozero:gateway:Gateway","parent":"urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev"},
  {"urn":"urn:pulumi:dev::p::scaletozero:gateway:Gateway$aws:cloudwatch/logGroup:LogGroup::gateway-access","type":"aws:cloudwatch/logGroup:LogGroup","id":"x",
   "parent":"urn:pulumi:dev::p::scaletozero:gateway:Gateway::gateway","outputs":{"name":"/aws/apigateway/songs-dev/dev"}},
  {"urn":"urn:pulumi:dev::p::scaletozero:gateway:Gateway$aws:apigateway/apiKey:ApiKey::gateway-a","type":"aws:apigateway/apiKey:ApiKey","id":"id-a",
   "parent":"urn:pulumi:dev::p::scaletozero:gateway:Gateway::gateway","outputs":{"enabled":false,"name":"songs-dev-a","value":{"ciphertext":"x"}}},
  {"urn":"urn:pulumi:dev::p::scaletozero:gateway:Gateway$aws:apigateway/apiKey:ApiKey::gateway-b","type":"aws:apigateway/apiKey:ApiKey","id":"id-b",
   "parent":"urn:pulumi:dev::p::scaletozero:gateway:Gateway::gateway","outputs":{"enabled":true,"name":"songs-dev-b"}},
  {"urn":"urn:pulumi:dev::p::scaletozero:gateway:Gateway$aws:apigateway/apiKey:ApiKey::gateway-b","type":"aws:apigateway/apiKey:ApiKey","id":"old-b","delete":true,
   "parent":"urn:pulumi:dev::p::scaletozero:gateway:Gateway::gateway","outputs":{"enabled":true}},
  {"urn":"urn:pulumi:dev::p::scaletozero:gateway:Gateway$aws:apigateway/usagePlanKey:UsagePlanKey::gateway-b","type":"aws:apigateway/usagePlanKey:UsagePlanKey","id":"link",
   "parent":"urn:pulumi:dev::p::scaletozero:gateway:Gateway::gateway","outputs":{"name":"songs-dev-b"}},
  {"urn":"urn:pulumi:dev::p::aws:apigateway/apiKey:ApiKey::other","type":"aws:apigateway/apiKey:ApiKey","id":"id-other",
   "parent":"urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev","outputs":{"enabled":true}}]}}`

func TestParseState(t *testing.T) {
	has, err := parseState([]byte(export))
	require.NoError(t, err)
	assert.Equal(t, deployed{
		keys: keys("-a b"), ids: map[string]string{"a": "id-a", "b": "id-b"}, accessLog: "/aws/apigateway/songs-dev/dev",
	}, has)
	cutOff, err := parseState([]byte(strings.ReplaceAll(export, "UsagePlanKey::gateway-b", "UsagePlanKey::gateway-c")))
	require.NoError(t, err)
	assert.Equal(t, keys("-a"), cutOff.keys, "an enabled key that is on no plan is not to be relied on")
	_, err = parseState([]byte("error: no stack"))
	assert.ErrorContains(t, err, "reading the stack's state")
}

func TestEachStepSaysWhatIsNext(t *testing.T) {
	has, err := parseState([]byte(export))
	require.NoError(t, err)
	for _, test := range []struct{ stack, keys, before, done string }{
		{"dev", "a", "adding the API key b beside a", "pulumi stack output apiKeyValue --show-secrets --stack dev\n"},
		{"dev", "a", "Both will work", `aws logs filter-log-events --log-group-name /aws/apigateway/songs-dev/dev --start-time $(( ($(date +%s) - 86400) * 1000 )) --filter-pattern '{ $.apiKeyId = "id-a" }'`},
		{"local", "a", "adding", `grep -h '"apiKeyId":"id-a"' .local/cloud/logs/*.access.log`},
		{"dev", "a b", "gets 403 from then on", "pulumi config rm disabledApiKeys --stack dev && pulumi up --stack dev --policy-pack policies\n"},
		{"dev", "a b", `$.apiKeyId = "id-a"`, "the API key a is refused, and b works"},
		{"dev", "-a b", "removing the API key a", "a is gone, and b is the only one"},
	} {
		following, err := next(test.stack, keys(test.keys), keys(test.keys))
		require.NoError(t, err)
		assert.Contains(t, following.before(test.stack, has), test.before)
		done := following.done(test.stack, has)
		assert.Contains(t, done, test.done)
		assert.Contains(t, done, "Next")
		assert.Contains(t, done, "Commit Pulumi."+test.stack+".yaml")
	}
}
