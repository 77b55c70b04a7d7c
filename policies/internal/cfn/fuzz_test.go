package cfn_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"scaletozero/policies/internal/cfn"
)

// FuzzParse: a document is read the same every time, and the same when it is
// written as JSON or as YAML.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a": [1, true, null, "x"], "b": {}}`, "a: !If [C, !Join ['', [!Ref B]], 1.5]\nb: &x !Ref B\nc: *x",
		"a: &x {b: 1}\nc: {<<: *x, d: 2}", "200: {true: a}\n2010-09-09: !Sub x", "v: 2010-09-09\nw: 0x10\nu: 18446744073709551615",
		"0x1: a\n1: b\n1.0: c\nTrue: d\ntrue: e", "a: !!binary aGk=\nb: !!str 1\nc: !Transform {Name: AWS::Include}", "a: .nan\nb: ~\n~: c",
		"? [a, b]\n: c", "a: &x 1\n*x : 2\n1: 3", "a: yes\nb: 'on'\nc: 1e3\nd: 012",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		document, err := cfn.Parse(text)
		if err != nil {
			return
		}
		asJSON, err := json.Marshal(document)
		if err != nil || strings.Contains(string(asJSON), `\ufffd`) {
			return // JSON has no such number, or no such text.
		}
		assert.Equal(t, strings.Contains(text, "map["), strings.Contains(string(asJSON), "map["), "a map became a text")
		for range 4 {
			again, err := cfn.Parse(text)
			require.NoError(t, err)
			require.Equal(t, document, again)
		}
		fromJSON, err := cfn.Parse(string(asJSON))
		require.NoError(t, err)
		assert.Equal(t, document, fromJSON)
		asYAML, err := yaml.Marshal(document)
		require.NoError(t, err)
		fromYAML, err := cfn.Parse(string(asYAML))
		require.NoError(t, err, string(asYAML))
		assert.Equal(t, document, fromYAML, string(asYAML))
	})
}
