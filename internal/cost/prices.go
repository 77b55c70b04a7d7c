package cost

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

//go:embed prices.json
var pricesFile []byte

// Prices are list prices of one region; prices.json holds them, with what each
// rests on.
type Prices struct {
	Region, Currency, Note string
	Prices                 map[string]Price
}

// Price is one of them.
type Price struct {
	USD float64
	// Per is what is billed.
	Per string
	// Status is verified or unverified: Source says why.
	Status, Source, Date string
}

func (p Price) verified() bool { return p.Status == "verified" }

// Keys of prices that are not an instance type.
const (
	lambdaGBSecond      = "lambda-gb-second"
	lambdaRequest       = "lambda-request"
	restAPIRequest      = "rest-api-request"
	standardAlarm       = "alarm"
	highResolutionAlarm = "high-resolution-alarm"
)

// LoadPrices reads the embedded prices.
//
// Errors: a price that is missing; the instance type's is one of them.
func LoadPrices(instanceType string) (*Prices, error) {
	p := &Prices{}
	if err := json.Unmarshal(pricesFile, p); err != nil {
		return nil, fmt.Errorf("prices.json: %w", err)
	}
	var missing []string
	for _, key := range []string{instanceType, lambdaGBSecond, lambdaRequest, restAPIRequest, standardAlarm, highResolutionAlarm} {
		if p.Prices[key].USD <= 0 {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("internal/cost/prices.json has no price of %s in %s: add it, with its source and date", strings.Join(missing, ", "), p.Region)
	}
	maps.DeleteFunc(p.Prices, func(key string, _ Price) bool { return strings.HasPrefix(key, "ml.") && key != instanceType })
	return p, nil
}

// keys are those of the prices, sorted.
func (p *Prices) keys() []string { return slices.Sorted(maps.Keys(p.Prices)) }

// mbPerGB is Lambda's, which means powers of two.
const mbPerGB = 1024

// cost is what the usage over a trace costs, in US dollars and for a month.
func (p *Prices) cost(program *Program, d Design, m Model, u Usage, over time.Duration) float64 {
	usd := func(key string) float64 { return p.Prices[key].USD }
	sum := float64(u.Calls) * usd(restAPIRequest)
	if d.Lambda {
		gigabytes := float64(m.LambdaMemoryMB) / mbPerGB
		sum += u.Function.Seconds()*gigabytes*usd(lambdaGBSecond) + float64(u.Invocations)*usd(lambdaRequest)
	} else {
		sum += u.Instances.Hours() * usd(program.InstanceType)
	}
	sum *= float64(Month) / float64(over)
	if d.Lambda {
		return sum
	}
	standard, high := program.alarms()
	return sum + float64(standard)*usd(standardAlarm) + float64(high)*usd(highResolutionAlarm)
}

// alarms is how many alarms there are of each kind, with the two that AWS makes
// for each target tracking policy.
func (p *Program) alarms() (standard, highResolution int) {
	add := func(period time.Duration, n int) {
		if period < time.Minute {
			highResolution += n
		} else {
			standard += n
		}
	}
	for _, alarm := range p.Scaling.Alarms {
		add(alarm.Metric.Period, 1)
	}
	for _, policy := range p.Scaling.Policies {
		if policy.Tracking != nil {
			add(policy.Tracking.Metric.Period, 2)
		}
	}
	return standard, highResolution
}
