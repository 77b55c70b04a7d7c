package gateway

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Throttle is a token bucket, in API Gateway's terms: a request takes a token.
type Throttle struct {
	// RateLimit is how many tokens come back each second of AWS time.
	RateLimit float64
	// BurstLimit is how many tokens the bucket holds. With 0 nothing gets through.
	BurstLimit int
}

// AccountThrottle is what API Gateway allows all APIs of an account in a Region
// together, unless AWS has raised it (AWS page "Amazon API Gateway quotas").
var AccountThrottle = Throttle{RateLimit: 10_000, BurstLimit: 5_000}

// Plan is what a usage plan allows each of its keys.
type Plan struct {
	ID string
	// Throttle is for each key over all methods and stages of the plan; nil means
	// no limit.
	Throttle *Throttle
	// Methods are the throttles for single methods of the stage, again for each
	// key. They are named by path and HTTP method, as in "/infer/POST".
	Methods map[string]Throttle
	// Quota is nil where there is none.
	Quota *Quota
}

// methodKey is a method's name for throttles: the path without slashes around it,
// a slash, and the HTTP method.
func methodKey(path, httpMethod string) string { return strings.Trim(path, "/") + "/" + httpMethod }

// byMethod takes settings as AWS names them: "/infer/POST" in a usage plan,
// "infer/POST" or "~1infer/POST" in a stage's settings.
func byMethod[Setting any](settings map[string]Setting) map[string]Setting {
	result := make(map[string]Setting, len(settings))
	for name, setting := range settings {
		name = strings.ReplaceAll(name, "~1", "/")
		slash := strings.LastIndexByte(name, '/')
		result[methodKey(name[:max(slash, 0)], name[slash+1:])] = setting
	}
	return result
}

// allMethods is the name in a stage's settings of the default for its methods.
const allMethods = "*/*"

// ofMethod is a stage's throttle for one method. What is set to less than 0
// stands for API Gateway's default: no throttle but the account's.
func ofMethod(throttles map[string]Throttle, m *method) (Throttle, bool) {
	throttle, found := throttles[m.name]
	if !found {
		throttle, found = throttles[allMethods]
	}
	if !found || throttle.RateLimit < 0 && throttle.BurstLimit < 0 {
		return Throttle{}, false
	}
	if throttle.RateLimit < 0 {
		throttle.RateLimit = AccountThrottle.RateLimit
	}
	if throttle.BurstLimit < 0 {
		throttle.BurstLimit = AccountThrottle.BurstLimit
	}
	return throttle, true
}

// meters hold what has been used of every throttle and quota. They outlive
// deployments, which come and go with every change of a stage. Nothing is ever
// dropped from them: there are no more of them than keys and methods have been
// deployed, and a plan that comes back must not begin anew.
type meters struct {
	mu      sync.Mutex
	buckets map[bucketID]*rate.Limiter
	usage   map[usageID]*usage
}

// bucketID says whose bucket it is. A stage's own has no plan and no key, that of
// a key over its whole plan no API, stage and method.
type bucketID struct{ plan, key, api, stage, method string }

type usageID struct{ plan, key string }

// bucket returns the bucket with its present limits. Changing them keeps the
// tokens that are left.
func (m *meters) bucket(id bucketID, t Throttle, now time.Time) *rate.Limiter {
	m.mu.Lock()
	defer m.mu.Unlock()
	bucket := m.buckets[id]
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Limit(t.RateLimit), t.BurstLimit)
		m.buckets[id] = bucket
	}
	bucket.SetLimitAt(now, rate.Limit(t.RateLimit))
	bucket.SetBurstAt(now, t.BurstLimit)
	return bucket
}

func (m *meters) used(id usageID) *usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.usage[id] == nil {
		m.usage[id] = &usage{}
	}
	return m.usage[id]
}

// client is a key on its plan, with what it has used.
type client struct {
	Key
	bucket  *rate.Limiter
	methods map[string]*rate.Limiter
	usage   *usage
}

func (g *Gateway) client(apiID, stage string, key Key, now time.Time) *client {
	plan := key.Plan
	c := &client{Key: key, methods: map[string]*rate.Limiter{}, usage: g.meters.used(usageID{plan.ID, key.ID})}
	if plan.Throttle != nil {
		c.bucket = g.meters.bucket(bucketID{plan: plan.ID, key: key.ID}, *plan.Throttle, now)
	}
	for name, throttle := range byMethod(plan.Methods) {
		c.methods[name] = g.meters.bucket(bucketID{plan.ID, key.ID, apiID, stage, name}, throttle, now)
	}
	return c
}

// admit applies the throttles, from the narrowest to the widest, and then the
// quota. The order of the throttles is AWS's (AWS page "Throttle requests to your
// REST APIs"). That page does not say where among them the quota comes, nor
// whether a request that is refused further on has cost what it passed before:
// here a throttled request is not counted against the quota, and a token that
// was taken stays taken.
func (x *exchange) admit(caller *client) *failure {
	buckets := [...]*rate.Limiter{nil, nil, x.deployment.methods[x.method.name], x.gateway.account}
	if caller != nil {
		buckets[0], buckets[1] = caller.methods[x.method.name], caller.bucket
	}
	for _, bucket := range buckets {
		if bucket != nil && !bucket.AllowN(x.at, 1) {
			return &failure{response: throttled}
		}
	}
	if caller != nil && caller.Plan.Quota != nil && !caller.usage.take(caller.Plan.Quota, x.at) {
		return &failure{response: quotaExceeded}
	}
	return nil
}
