package settings

import (
	"fmt"
	"slices"

	"scaletozero/components/gateway"
)

// APIKeys reads the stack's API keys alone, for what changes nothing else. The
// error is as Parse's.
func APIKeys(stack string, source Source) ([]gateway.APIKey, error) {
	r := &reader{source: source.set}
	keys := r.apiKeys()
	return keys, r.refusal(stack)
}

// apiKeys reads the names of the keys, oldest first, and which of them are
// disabled.
func (r *reader) apiKeys() []gateway.APIKey {
	const allowed = "up to 32 lower-case letters and digits, with a letter first"
	names := r.list("apiKeys", gateway.KeyName, allowed)
	if _, found := r.source("apiKeys"); !found {
		names = []string{"a"}
	}
	disabled := r.list("disabledApiKeys", gateway.KeyName, allowed)
	if names == nil {
		return nil // Said already, and the rest would only follow from it.
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(names))); len(names) != len(unique) || len(names) == 0 || len(names) > gateway.MaxAPIKeys {
		r.refuse("apiKeys", names, fmt.Sprintf("one name, or %d different ones while callers change over", gateway.MaxAPIKeys),
			"--path 'apiKeys[0]' a`, and shorten the list with `pulumi config rm --path 'apiKeys[1]'")
	}
	for i, name := range disabled {
		if !slices.Contains(names, name) {
			at := fmt.Sprintf("disabledApiKeys[%d]", i)
			r.problems = append(r.problems, fmt.Sprintf("%s is %q; it must be one of apiKeys, %q; remove it with `pulumi config rm --path '%s'`",
				at, name, names, at))
		}
	}
	keys, working := make([]gateway.APIKey, len(names)), 0
	for i, name := range names {
		keys[i] = gateway.APIKey{Name: name, Enabled: !slices.Contains(disabled, name)}
		if keys[i].Enabled {
			working++
		}
	}
	if working == 0 && len(names) > 0 {
		r.problems = append(r.problems, fmt.Sprintf("disabledApiKeys is %q, all of apiKeys; one key must work; enable them with `pulumi config rm disabledApiKeys`",
			disabled))
	}
	return keys
}
