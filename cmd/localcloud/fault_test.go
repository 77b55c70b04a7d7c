//go:build unix

package main_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	out, ok := run(t, "fault", "list", "--state", dir)
	assert.False(t, ok)
	assert.Contains(t, out, "start it with `localcloud start`")
	out, ok = run(t, startArguments(dir)...)
	require.True(t, ok, out)
	t.Cleanup(func() { run(t, "stop", "--state", dir) })

	for _, test := range []struct {
		arguments []string
		ok        bool
		want      string
	}{
		{[]string{"list"}, true, "no fault is on\n"},
		{[]string{"throttling", "--component", "music", "--count", "3"}, true, "throttling for component music: 3 more times\n"},
		{[]string{"slow-start", "--delay", "90s"}, true, "throttling for component music: 3 more times\nslow-start of 1m30s more: once more\n"},
		{[]string{"list"}, true, "throttling for component music: 3 more times\nslow-start of 1m30s more: once more\n"},
		{[]string{"clear"}, true, "no fault is on\n"},
		{[]string{"no-capacity", "--for", "10h", "--probability", "0.5"}, true, "no-capacity with probability 0.5: for "},
		{[]string{"kill"}, false, "there is nothing to kill"},
		{[]string{"earthquake"}, false, `"earthquake" is not a kind of fault`},
		{[]string{"throttling", "3"}, false, `"3" is unexpected: flags follow the kind of fault`},
		{nil, false, "say which fault, or list, or clear"},
	} {
		out, ok := run(t, append(append([]string{"fault"}, test.arguments...), "--state", dir)...)
		assert.Equal(t, test.ok, ok, test.arguments)
		if test.ok && test.want[len(test.want)-1] == '\n' {
			assert.Equal(t, test.want, out)
		} else {
			assert.Contains(t, out, test.want)
		}
	}
}
