package settings_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
	"scaletozero/internal/settings"
)

// projectKeys are the keys that Pulumi.yaml declares, in order.
func projectKeys(t testing.TB) []string {
	t.Helper()
	project, err := workspace.LoadProject("Pulumi.yaml")
	require.NoError(t, err)
	return slices.Sorted(maps.Keys(project.Config))
}

// heading is how a refusal begins: the number of problems, each a line.
var heading = regexp.MustCompile(`^the configuration of stack dev has (\d+) problems?:$`)

// problems are the lines of a refusal. Each is one sentence that can be read on
// a terminal, says of which key it speaks, and ends in a command.
func problems(t *testing.T, err error, keys []string) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	found := heading.FindStringSubmatch(lines[0])
	require.NotNil(t, found, lines[0])
	require.Equal(t, found[1], fmt.Sprint(len(lines)-1), err.Error())
	for i, line := range lines[1:] {
		line, isItem := strings.CutPrefix(line, "  - ")
		require.True(t, isItem, "%q", line)
		require.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
		require.True(t, slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(line, key) }), line)
		require.Contains(t, line, "; ", line)
		require.Contains(t, line, "`pulumi config ", line)
		lines[i+1] = line
	}
	return lines[1:]
}

// FuzzAnyText: whatever text two keys have, all that is wrong is said at once,
// and what is accepted is a configuration that the API can be made of.
func FuzzAnyText(f *testing.F) {
	keys := projectKeys(f)
	at := func(key string) uint8 { return uint8(slices.Index(keys, key)) }
	for _, seed := range []struct{ one, text, other, more string }{
		{"apiKeys", "null", "rateLimit", "NaN"},
		{"apiKeys", `["a\n","b","c"]`, "disabledApiKeys", `["\u0007"]`},
		{"aws:region", "a\nb", "imageUri", imageIn + digest},
		{"aws:region", "a\nb", "kmsKeyArn", ownKey},
		{"environment", `{"A\n":"` + strings.Repeat("x", 1025) + `"}`, "subnetIds", "[null]"},
		{"requestSchema", "README.md", "imageContext", "\x00"},
		{"requestSchema", "model/request.json", "routePath", "/jobs"},
		{"minInstanceCount", "3", "initialInstanceCount", "2"},
		{"apiName", strings.Repeat("a", 1025), "logRetentionDays", "2"},
		{"requireImageDigest", "false", "imageUri", imageIn},
	} {
		f.Add(at(seed.one), seed.text, at(seed.other), seed.more)
	}
	f.Fuzz(func(t *testing.T, one uint8, text string, other uint8, more string) {
		first, second := keys[int(one)%len(keys)], keys[int(other)%len(keys)]
		parsed := func(changes values) []string {
			s, err := settings.Parse("dev", with(changes).Source)
			if err == nil {
				usable(t, s)
			}
			return problems(t, err, keys)
		}
		alone := parsed(values{first: text})
		both := parsed(values{first: text, second: more})
		if first == second || relatedKeys(first, second) {
			return
		}
		for _, problem := range append(alone, parsed(values{second: more})...) {
			assert.Contains(t, both, problem, "a problem hides another")
		}
	})
}

// relatedKeys says whether what one key may be depends on the other.
func relatedKeys(one, other string) bool {
	for _, group := range [][]string{
		{"aws:region", "imageUri", "imageContext", "requireImageDigest", "kmsKeyArn"},
		{"minInstanceCount", "initialInstanceCount", "maxInstanceCount"},
		{"subnetIds", "securityGroupIds"},
		{"apiKeys", "disabledApiKeys"},
		{"queueEnabled", "wafEnabled", "routePath", "apiName"},
	} {
		if slices.Contains(group, one) && slices.Contains(group, other) {
			return true
		}
	}
	return false
}

// usable checks what the components rely on.
func usable(t *testing.T, s *settings.Settings) {
	t.Helper()
	assert.LessOrEqual(t, s.MinInstanceCount, s.InitialInstanceCount)
	assert.LessOrEqual(t, s.InitialInstanceCount, s.MaxInstanceCount)
	assert.Positive(t, s.InitialInstanceCount)
	assert.True(t, slices.ContainsFunc(s.APIKeys, func(key gateway.APIKey) bool { return key.Enabled }), "no key works: %v", s.APIKeys)
	assert.Equal(t, len(s.SubnetIDs) == 0, len(s.SecurityGroupIDs) == 0)
	assert.NotEqual(t, s.ImageURI == "", s.ImageContext == "")
	_, err := gateway.Document(s.API(arn.Scope{Partition: "aws", Region: s.Region, AccountID: "123456789012"}))
	assert.NoError(t, err)
}

// FuzzEnvironmentIsNeverShown puts a secret into any text for the environment,
// and into a value of any name.
func FuzzEnvironmentIsNeverShown(f *testing.F) {
	const secret = "hunter2-hunter2"
	for _, seed := range []string{
		`{"TOKEN":"§"}`, `{"TOKEN":§}`, `{"TOKEN":["§"]}`, `"§"`, `§`, `["§"]`, `{"TOKEN":"§"`, `{"TOKEN":{"nested":"§"}}`, `{"1":"§","1":"§"}`,
	} {
		f.Add(seed, "TOKEN", 1)
	}
	f.Add("§", "1\n", 1000)
	f.Add("§", "TOKEN", 1000)
	f.Fuzz(func(t *testing.T, text, name string, times int) {
		keys := projectKeys(t)
		text = strings.ReplaceAll(text, "§", secret)
		named, err := json.Marshal(map[string]string{name: strings.Repeat(secret, min(max(times, 1), 1000))})
		require.NoError(t, err)
		for _, environment := range []string{text, string(named)} {
			var variables map[string]json.RawMessage
			if json.Unmarshal([]byte(environment), &variables) == nil && strings.Contains(fmt.Sprint(slices.Collect(maps.Keys(variables))), secret) {
				continue // A name is no secret: it is shown, or nobody would find it.
			}
			_, err := settings.Parse("dev", with(values{"environment": environment}).Source)
			for _, problem := range problems(t, err, keys) {
				assert.NotContains(t, problem, secret)
				assert.True(t, strings.HasPrefix(problem, "environment"), problem)
			}
		}
	})
}
