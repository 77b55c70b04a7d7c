package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const seedRequest = `{"xAxis":"明るい-暗い","yAxis":"激しい-穏やか","songs":[{"id":"1","title":"Song Title","artist":"Artist Name"}]}`

func invoke(body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	newHandler().ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(body)))
	return recorder
}

func songs(list string) string {
	return fmt.Sprintf(`{"xAxis":"a-b","yAxis":"c-d","songs":%s}`, list)
}

// The same table feeds the server and schema.json, so the two cannot drift
// apart: what the schema lets through, the server answers, and the reverse.
func TestInvocationsAndSchemaAgree(t *testing.T) {
	schema := compileSchema(t)
	tests := []struct {
		name, body string
		status     int
		message    string
	}{
		{"the documented request", seedRequest, 200, ""},
		{"no songs", songs(`[]`), 200, ""},
		{"fields of the caller's own", songs(`[{"id":"1","title":"t","artist":"a","album":"x"}]`), 200, ""},
		{"missing axis", `{"xAxis":"a-b","songs":[]}`, 400, "yAxis is missing or empty"},
		{"empty axis", `{"xAxis":"","yAxis":"c","songs":[]}`, 400, "xAxis is missing or empty"},
		{"missing songs", `{"xAxis":"a","yAxis":"c"}`, 400, "songs is missing"},
		{"songs null", songs(`null`), 400, "songs is missing"},
		{"songs not a list", songs(`"x"`), 400, "songs has the wrong type (string)"},
		{"song without title", songs(`[{"id":"1","title":"t","artist":"a"},{"id":"2","artist":"a"}]`), 400, "songs[1].title is missing or empty"},
		{"numeric id", songs(`[{"id":1,"title":"t","artist":"a"}]`), 400, "has the wrong type (number)"},
		{"not an object", `[]`, 400, "the body has the wrong type (array)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := invoke(test.body)
			assert.Equal(t, test.status, answer.Code, answer.Body)
			assert.Equal(t, "application/json", answer.Header().Get("Content-Type"))
			if test.message != "" {
				var failure struct{ Message string }
				require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &failure))
				assert.Contains(t, failure.Message, test.message)
			}
			instance, err := jsonschema.UnmarshalJSON(strings.NewReader(test.body))
			require.NoError(t, err)
			assert.Equal(t, test.status == 200, schema.Validate(instance) == nil, "schema.json disagrees")
		})
	}
}

func TestBodiesThatAreNotOneObject(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
	}{
		{"empty", ``, 400},
		{"broken", `{"xAxis":`, 400},
		{"two objects", seedRequest + `{}`, 400},
		{"over 6,291,456 bytes", `{"xAxis":"` + strings.Repeat("x", maxBody) + `"}`, 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := invoke(test.body)
			assert.Equal(t, test.status, answer.Code)
			assert.Contains(t, answer.Body.String(), `"message"`)
		})
	}
}

func TestPositions(t *testing.T) {
	list := make([]string, 200)
	for i := range list {
		list[i] = fmt.Sprintf(`{"id":"%d","title":"t%d","artist":"a"}`, i, i)
	}
	body := songs("[" + strings.Join(list, ",") + "]")
	first, second := invoke(body).Body.String(), invoke(body).Body.String()
	assert.Equal(t, first, second, "the mapping is deterministic")

	var answer mappingResponse
	require.NoError(t, json.Unmarshal([]byte(first), &answer))
	require.Len(t, answer.Songs, len(list))
	distinct := map[float64]bool{}
	for i, p := range answer.Songs {
		assert.Equal(t, fmt.Sprint(i), p.ID, "the order of the request is kept")
		assert.GreaterOrEqual(t, min(p.X, p.Y), -1.0)
		assert.LessOrEqual(t, max(p.X, p.Y), 1.0)
		assert.NotEqual(t, p.X, p.Y, "each axis places a song on its own")
		distinct[p.X] = true
	}
	assert.Greater(t, len(distinct), 150, "songs are spread over the axis")
}

func TestRoutes(t *testing.T) {
	tests := []struct {
		method, path string
		status       int
	}{
		{"GET", "/ping", 200},
		{"GET", "/invocations", 405},
		{"POST", "/ping", 405},
		{"GET", "/", 404},
	}
	for _, test := range tests {
		recorder := httptest.NewRecorder()
		newHandler().ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, nil))
		assert.Equal(t, test.status, recorder.Code, "%s %s", test.method, test.path)
	}
}

func TestListenAddress(t *testing.T) {
	tests := []struct {
		name       string
		args       []string
		port, host string
		want, err  string
	}{
		{name: "as SageMaker starts it", args: []string{"serve"}, want: "0.0.0.0:8080"},
		{name: "without an argument", want: "0.0.0.0:8080"},
		{name: "another port", port: "9000", want: "0.0.0.0:9000"},
		{name: "on loopback", host: "127.0.0.1", want: "127.0.0.1:8080"},
		{name: "unknown argument", args: []string{"train"}, err: `unknown arguments ["train"]`},
		{name: "too many arguments", args: []string{"serve", "now"}, err: "the only one allowed is `serve`"},
		{name: "port is a word", port: "http", err: `SAGEMAKER_BIND_TO_PORT is "http": it must be a port number`},
		{name: "port out of range", port: "65536", err: "from 0 to 65535"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := map[string]string{"SAGEMAKER_BIND_TO_PORT": test.port, "BIND_HOST": test.host}
			got, err := listenAddress(test.args, func(key string) string { return env[key] })
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("schema.json")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	document, err := jsonschema.UnmarshalJSON(file)
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4)
	require.NoError(t, compiler.AddResource("schema.json", document))
	schema, err := compiler.Compile("schema.json")
	require.NoError(t, err)
	return schema
}
