package cost

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scaletozero/internal/prices"
)

// Prices are the list prices that a program's traffic is billed by.
type Prices struct{ *prices.List }

// LoadPrices reads the embedded prices: those of the program's instance type and
// of its function's architecture.
//
// Errors: a price that is missing; the instance type's is one of them.
func LoadPrices(program *Program) (*Prices, error) {
	list, err := prices.Load()
	if err != nil {
		return nil, err
	}
	p, instanceType := &Prices{list}, program.InstanceType
	var missing []string
	arm := program.Function.Architecture == arm64
	for _, key := range []string{prices.LambdaGBSecond, prices.LambdaKept, prices.LambdaKeptSecond} {
		if arm {
			p.Prices[key] = p.Prices[key+prices.ArmSuffix]
		}
		delete(p.Prices, key+prices.ArmSuffix)
	}
	for _, key := range []string{
		instanceType, prices.LambdaGBSecond, prices.LambdaKept, prices.LambdaKeptSecond, prices.LambdaRequest, prices.RestAPIRequest, prices.StandardAlarm, prices.HighResolutionAlarm,
	} {
		if p.Prices[key].USD <= 0 {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("internal/prices/prices.json has no price of %s in %s: add it, with its source and date", strings.Join(missing, ", "), p.Region)
	}
	maps.DeleteFunc(p.Prices, func(key string, _ prices.Price) bool { return strings.HasPrefix(key, "ml.") && key != instanceType })
	return p, nil
}

// keys are those of the prices, sorted.
func (p *Prices) keys() []string { return slices.Sorted(maps.Keys(p.Prices)) }

// mbPerGB is Lambda's, which means powers of two.
const mbPerGB = 1024

// cost is what the usage over a trace costs, in US dollars and for a month.
func (p *Prices) cost(program *Program, d Design, u Usage, over time.Duration) float64 {
	usd := func(key string) float64 { return p.Prices[key].USD }
	sum := float64(u.Calls) * usd(prices.RestAPIRequest)
	if d.Lambda {
		gigabytes := float64(program.Function.MemoryMB) / mbPerGB
		sum += gigabytes * (u.Function.Seconds()*usd(prices.LambdaGBSecond) + u.Kept.Seconds()*usd(prices.LambdaKept) + u.KeptBusy.Seconds()*usd(prices.LambdaKeptSecond))
		sum += float64(u.Invocations) * usd(prices.LambdaRequest)
	} else {
		sum += u.Instances.Hours() * usd(program.InstanceType)
	}
	sum *= float64(Month) / float64(over)
	standard, high := d.alarms(program)
	return sum + float64(standard)*usd(prices.StandardAlarm) + float64(high)*usd(prices.HighResolutionAlarm)
}

// alarmsPerTracking is how many alarms AWS makes for a target tracking policy.
const alarmsPerTracking = 2

// alarms is how many alarms the design has of each kind. A function whose
// environments are kept has those of target tracking.
func (d Design) alarms(program *Program) (standard, highResolution int) {
	switch {
	case !d.Lambda:
		return program.alarms()
	case d.Kept > 0:
		return alarmsPerTracking, 0
	}
	return 0, 0
}

// alarms is how many alarms an endpoint has of each kind, with those that AWS
// makes for each target tracking policy.
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
			add(policy.Tracking.Metric.Period, alarmsPerTracking)
		}
	}
	return standard, highResolution
}
