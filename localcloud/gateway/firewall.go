package gateway

import (
	"sync"
	"time"
)

// RateRule is a firewall's limit on what one source address may send, AWS WAF's
// rate-based rule that blocks.
type RateRule struct {
	// Limit is in requests within Window, which is AWS time. A source that has
	// sent more is blocked until it has sent less.
	Limit  int
	Window time.Duration
}

// addresses counts requests by source address and rule. Like what has been used
// of throttles it outlives deployments. Callers of the local cloud come from
// loopback, so there are few.
type addresses struct {
	mu    sync.Mutex
	times map[addressID][]time.Time
}

type addressID struct {
	stage  stageID
	rule   RateRule
	source string
}

// over counts a request and tells whether its source is over the limit. Blocked
// requests count, too, as on AWS (AWS WAF developer guide, "Using rate-based rule
// statements"). AWS counts every few seconds and so lets a burst through at
// first; here nobody gets more than the limit.
func (a *addresses) over(id addressID, at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	times := a.times[id]
	for len(times) > 0 && at.Sub(times[0]) >= id.rule.Window {
		times = times[1:]
	}
	// More than the limit need not be kept: the oldest are gone first.
	if len(times) > id.rule.Limit {
		times = times[1:]
	}
	a.times[id] = append(times, at)
	return len(a.times[id]) > id.rule.Limit
}

// filter is the firewall, which comes before everything else (AWS page "Use AWS
// WAF to protect your REST APIs in API Gateway"). Every rule counts the request.
func (x *exchange) filter() *failure {
	blocked := false
	for _, rule := range x.deployment.RateRules {
		id := addressID{stageID{x.apiID, x.stage}, rule, x.variable("identity.sourceIp", nil)}
		blocked = x.gateway.addresses.over(id, x.at) || blocked
	}
	if blocked {
		return &failure{response: wafFiltered}
	}
	return nil
}
