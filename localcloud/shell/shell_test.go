package shell_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/shell"
)

func TestQuote(t *testing.T) {
	assert.Equal(t, "/a-b/c_1.json", shell.Quote("/a-b/c_1.json"), "what needs no quotes has none")
	for _, text := range []string{"", "/a b", "it's", "$HOME", "`id`", "a\nb", "~", "モデル"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shell.Quote(text)).Output()
		require.NoError(t, err)
		assert.Equal(t, text, string(out))
	}
}
