package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaletozero/localcloud/gateway"
)

// fromAddress sends the call from a source address n times and counts what is not
// blocked.
func (m *inMemory) fromAddress(address string, n int, c call) int {
	let := 0
	for range n {
		request := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		for name, value := range c.header {
			request.Header.Set(name, value)
		}
		request.RemoteAddr = address + ":50000"
		answer := httptest.NewRecorder()
		m.ServeHTTP(answer, request)
		if answer.Code != http.StatusForbidden {
			let++
		}
	}
	return let
}

func (m *inMemory) deployBehind(rules ...gateway.RateRule) {
	m.Deploy("abc123", "dev", gateway.Stage{
		API: m.api, Name: "music", RateRules: rules, Keys: []gateway.Key{{ID: "good", Value: goodKey, Enabled: true}},
	})
}

func TestRateRules(t *testing.T) {
	const here, there = "127.0.0.1", "127.0.0.2"
	fiveMinutes := func(limit int) gateway.RateRule { return gateway.RateRule{Limit: limit, Window: 5 * time.Minute} }
	preflight := call{"OPTIONS", inferURL, "", nil}
	// step is what gets through of n calls, after some AWS time.
	type step struct {
		after   time.Duration
		address string
		n       int
		call    call
		let     int
	}
	for _, test := range []struct {
		name  string
		rules []gateway.RateRule
		steps []step
	}{
		{"without a firewall all pass", nil, []step{{0, here, 200, infer(song), 200}}},
		{"an address has what the rule says", []gateway.RateRule{fiveMinutes(10)}, []step{{0, here, 15, infer(song), 10}}},
		{"and another its own", []gateway.RateRule{fiveMinutes(10)}, []step{{0, here, 10, infer(song), 10}, {0, there, 12, infer(song), 10}}},
		{"all routes count together", []gateway.RateRule{fiveMinutes(10)}, []step{{0, here, 6, preflight, 6}, {0, here, 6, infer(song), 4}}},
		{"it is let in again when the window has passed", []gateway.RateRule{fiveMinutes(10)}, []step{
			{0, here, 10, infer(song), 10}, {4 * time.Minute, here, 1, infer(song), 0}, {time.Minute, here, 10, infer(song), 9},
		}},
		{"who keeps on stays out", []gateway.RateRule{fiveMinutes(10)}, []step{
			{0, here, 20, infer(song), 10}, {4 * time.Minute, here, 20, infer(song), 0}, {4 * time.Minute, here, 1, infer(song), 0},
		}},
		{"the strictest of two rules holds", []gateway.RateRule{fiveMinutes(20), {Limit: 10, Window: time.Minute}}, []step{
			{0, here, 15, infer(song), 10}, {2 * time.Minute, here, 10, infer(song), 5},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *inMemory) {
				m.deployBehind(test.rules...)
				for i, step := range test.steps {
					m.wait(step.after)
					assert.Equal(t, step.let, m.fromAddress(step.address, step.n, step.call), "step %d", i)
				}
			})
		})
	}
}

// A new deployment is no way around the firewall. Its end is.
func TestRateRulesOutliveADeployment(t *testing.T) {
	bubble(t, func(t *testing.T, m *inMemory) {
		rule := gateway.RateRule{Limit: 10, Window: 5 * time.Minute}
		m.deployBehind(rule)
		assert.Equal(t, 10, m.fromAddress("127.0.0.1", 11, infer(song)))
		m.deployBehind(rule)
		assert.Zero(t, m.fromAddress("127.0.0.1", 1, infer(song)))
		m.deployBehind()
		assert.Equal(t, 1, m.fromAddress("127.0.0.1", 1, infer(song)))
	})
}

// The firewall is in front of the key, and its answer is the API's own.
func TestBlockedGetsTheAPIsAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, m *inMemory) {
		m.deployBehind(gateway.RateRule{Limit: 0, Window: time.Minute})
		answer := m.send(infer(song, "x-api-key", "wrong"))
		assert.Equal(t, http.StatusForbidden, answer.Code)
		assert.Equal(t, "ForbiddenException", answer.Header().Get("X-Amzn-ErrorType"))
		assert.NotEmpty(t, answer.Header().Get("Access-Control-Allow-Origin"), "of the document's DEFAULT_4XX")
	})
}
