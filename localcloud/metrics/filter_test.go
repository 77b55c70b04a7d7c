package metrics_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/metrics"
)

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, line string
		want          bool
	}{
		{`{ $.status = "503" }`, `{"status":"503"}`, true},
		{`{ $.status = "503" }`, `{"status":"500"}`, false},
		{`{ $.status = "503" }`, `{"status":503}`, false},
		{`{ $.status = "503" }`, `{}`, false},
		{`{ $.status != "503" }`, `{}`, false},
		{`{ $.status != "503" }`, `{"status":"500"}`, true},
		{`{ $.status = "503" }`, `503`, false},
		{`{ $.status = "503" }`, `no JSON`, false},
		{`{$.status="5*"}`, `{"status":"504"}`, true},
		{`{$.status="5*"}`, `{"status":"450"}`, false},
		{`{ $.path = "/a*z" }`, `{"path":"/a/b/z"}`, true},
		{`{ $.path = "/a*z" }`, `{"path":"/a/b/"}`, false},
		{`{ $.path = "*" }`, `{"path":""}`, true},
		{`{ $.a.b = "c" }`, `{"a":{"b":"c"}}`, true},
		{`{ $.a.b = "c" }`, `{"a":"c"}`, false},
		{`{ $.a = "1" && $.b = "2" }`, `{"a":"1","b":"2"}`, true},
		{`{ $.a = "1" && $.b = "2" }`, `{"a":"1","b":"3"}`, false},
		{`{ $.a = "1" || $.b = "2" }`, `{"a":"0","b":"2"}`, true},
		{`{ $.a = "1" || $.b = "2" }`, `{"a":"0","b":"0"}`, false},
		// && binds closer than ||.
		{`{ $.a = "1" || $.b = "2" && $.c = "3" }`, `{"a":"1","b":"0","c":"0"}`, true},
		{`{ ($.a = "1" || $.b = "2") && $.c = "3" }`, `{"a":"1","b":"0","c":"0"}`, false},
		{`{ ($.a = "1" || $.b = "2") && $.c = "3" }`, `{"a":"0","b":"2","c":"3"}`, true},
	} {
		pattern, err := metrics.ParsePattern(test.pattern)
		require.NoError(t, err, test.pattern)
		assert.Equal(t, test.want, pattern.Matches([]byte(test.line)), "%s of %s", test.pattern, test.line)
	}
}

func TestPatternsThatAreNotKnown(t *testing.T) {
	for pattern, want := range map[string]string{
		``:                              `{ is expected`,
		`ERROR`:                         `{ is expected before "ERROR"`,
		`[a, b]`:                        `{ is expected`,
		`{ $.status = 503 }`:            `a text in quotes is expected before " 503 }"`,
		`{ $.status > "5" }`:            `= or != is expected`,
		`{ status = "5" }`:              `a field such as $.status is expected`,
		`{ $.a = "1"`:                   `&&, || or } is expected`,
		`{ ($.a = "1" }`:                `&&, || or ) is expected before "}"`,
		`{ $.a = "1" } more`:            `nothing may follow }, but " more" does`,
		`{ $.a = "1" && }`:              `a field such as $.status is expected`,
		`{ $.a = "1" && ($.b = "2" || `: `a field such as $.status is expected`,
	} {
		_, err := metrics.ParsePattern(pattern)
		require.Error(t, err, pattern)
		assert.ErrorContains(t, err, want)
	}
}
