package cfn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"scaletozero/policies/internal/cfn"
)

type (
	object = map[string]any
	list   = []any
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       any
	}{
		{"JSON with tabs", "{\n\t\"a\": [1, true, null]\n}", object{"a": list{1.0, true, nil}}},
		{"JSON's relative with a short tag", "{a: !Ref B}", object{"a": object{"Ref": "B"}}},
		{"short tags", "a: !Sub x\nb: !GetAtt c.d\nc: !Condition C\nd: !Ref 1", object{
			"a": object{"Fn::Sub": "x"}, "b": object{"Fn::GetAtt": "c.d"}, "c": object{"Condition": "C"}, "d": object{"Ref": "1"},
		}},
		{"short tags on collections, nested", "a: !If [C, !Join ['', [!Ref B]], 1.5]", object{
			"a": object{"Fn::If": list{"C", object{"Fn::Join": list{"", list{object{"Ref": "B"}}}}, 1.5}},
		}},
		{"anchor on a short tag", "a: &x !Ref B\nb: *x", object{"a": object{"Ref": "B"}, "b": object{"Ref": "B"}}},
		{"merge key", "a: &x {b: 1}\nc: {<<: *x, d: 2}", object{"a": object{"b": 1.0}, "c": object{"b": 1.0, "d": 2.0}}},
		{"keys that are no texts", "200: {true: a}", object{"200": object{"true": "a"}}},
		{"date", "v: 2010-09-09", object{"v": "2010-09-09"}},
		{"big integer", "v: 18446744073709551615", object{"v": 18446744073709551615.0}},
		{"a text", "hello", "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := cfn.Parse(c.text)
			assert.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	bomb := strings.Builder{}
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "it is empty"},
		{"broken JSON", `{"a": }x`, "it is not JSON"},
		{"two documents", "a: 1\n---\na: 2", "something follows"},
		{"broken YAML", "a: [", "neither JSON nor YAML"},
		{"a key twice", "a: 1\na: 2", "already defined"},
		{"aliases that multiply", bomb.String(), "excessive aliasing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := cfn.Parse(c.text)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
