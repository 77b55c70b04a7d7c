package scaling

import (
	"math"
	"slices"
	"time"
)

// policy is a Policy and what its cooldowns depend on.
type policy struct {
	Policy
	// low and high are the alarms of target tracking; nil for steps.
	low, high *alarm
	// out and in are the last changes in either direction.
	out, in change
}

// change is one change of the capacity that a policy made.
type change struct {
	// from is the capacity before it.
	from int
	// ended is when it was complete, zero while it is under way or never was.
	ended time.Time
	open  bool
}

// cooling tells whether the cooldown is in effect. It is counted from the end
// of the change (API reference, StepScalingPolicyConfiguration: it starts after
// a successful scale-out).
func (c change) cooling(now time.Time, cooldown time.Duration) bool {
	return c.open || !c.ended.IsZero() && now.Sub(c.ended) < cooldown
}

// propose returns the capacity that the policy wants when the alarm has run it at
// a capacity of base. ok is false where it has nothing to say.
func (p *policy) propose(a *alarm, base int) (capacity int, ok bool) {
	if p.Tracking != nil {
		if len(a.datapoints) == 0 {
			return 0, false
		}
		return p.track(a, base), true
	}
	distance, ok := p.Step.distance(a)
	if !ok {
		return 0, false
	}
	for _, adjustment := range p.Step.Adjustments {
		if adjustment.covers(distance) {
			return p.Step.adjust(base, adjustment.Scaling), true
		}
	}
	return 0, false
}

// track keeps the metric, which is per copy, at its target: with n copies of
// load m each, n*m/target copies have the target's load each. (A copy is one of
// what is scaled, so an environment too.) For scaling in, the highest load of the
// alarm's periods counts, so that the last copy goes only when all of them were
// idle: AWS says that target tracking scales in conservatively, and measured times
// agree, but publishes no formula.
func (p *policy) track(a *alarm, base int) int {
	load := a.datapoints[len(a.datapoints)-1]
	if a == p.low {
		load = slices.Max(a.datapoints)
	}
	return int(math.Ceil(float64(base) * load / p.Tracking.Target))
}

// distance is how far the metric is from the alarm's threshold. The metric is
// the aggregate of the datapoints that put the alarm into its state: in ALARM
// those that breached. AWS does not say which datapoints it aggregates.
func (s *Step) distance(a *alarm) (float64, bool) {
	values := slices.DeleteFunc(slices.Clone(a.datapoints), func(value float64) bool {
		return a.state == InAlarm && !a.breaches(value)
	})
	if len(values) == 0 {
		return 0, false // The alarm judged missing data alone.
	}
	var metric float64
	switch s.Aggregation {
	case "Minimum":
		metric = slices.Min(values)
	case "Maximum":
		metric = slices.Max(values)
	default:
		for _, value := range values {
			metric += value / float64(len(values))
		}
	}
	return metric - a.Threshold, true
}

// covers holds the rule of the user guide ("How step scaling for Application
// Auto Scaling works"): the bound nearer to the threshold belongs to the step,
// the other one does not.
func (s Adjustment) covers(distance float64) bool {
	lower, upper := math.Inf(-1), math.Inf(1)
	if s.Lower != nil {
		lower = *s.Lower
	}
	if s.Upper != nil {
		upper = *s.Upper
	}
	if distance >= 0 {
		return lower <= distance && distance < upper
	}
	return lower < distance && distance <= upper
}

// adjust applies one step to a capacity of base. A percentage rounds as the user guide
// says: away from zero below one copy, and towards zero above.
func (s *Step) adjust(base, scaling int) int {
	switch s.AdjustmentType {
	case ExactCapacity:
		return scaling
	case PercentChangeInCapacity:
		exact := float64(base) * float64(scaling) / 100
		by := int(exact)
		if by == 0 && exact != 0 {
			by = int(math.Copysign(1, exact))
		}
		if exact != 0 && max(by, -by) < s.MinMagnitude {
			by = int(math.Copysign(float64(s.MinMagnitude), exact))
		}
		return base + by
	default:
		return base + scaling
	}
}

func (p *policy) cooldowns() (in, out time.Duration) {
	if p.Tracking != nil {
		return p.Tracking.ScaleInCooldown, p.Tracking.ScaleOutCooldown
	}
	return p.Step.Cooldown, p.Step.Cooldown
}

// lowLasts is how long the metric has to be low before target tracking scales
// in.
const lowLasts = 15 * time.Minute

// newAlarm makes one of the two alarms of target tracking as AWS does: high
// after three periods above the target, low after 15 minutes below 90 % of it.
func (p *policy) newAlarm(high bool, now time.Time) *alarm {
	const highPeriods, lowShare = 3, 0.9
	definition := Alarm{
		Name: p.Tracking.AlarmLow, Metric: p.Tracking.Metric, EvaluationPeriods: int(lowLasts / p.Tracking.Metric.Period),
		ComparisonOperator: LessThanThreshold, Threshold: lowShare * p.Tracking.Target,
		ActionsEnabled: true, AlarmActions: []string{p.ARN},
	}
	if high {
		definition.Name, definition.EvaluationPeriods = p.Tracking.AlarmHigh, highPeriods
		definition.ComparisonOperator, definition.Threshold = GreaterThanThreshold, p.Tracking.Target
	}
	made := newAlarm(definition, now)
	made.tracking = true
	return made
}
