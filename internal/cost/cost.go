package cost

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what a design costs under a trace.
type Result struct {
	Design Design
	Usage  Usage
	// Monthly is in US dollars.
	Monthly float64
	// Took is how long the simulation took, on the wall clock.
	Took time.Duration
}

// Comparison is every design under one trace.
type Comparison struct {
	Trace   *Trace
	Results []Result
}

// Scenario is what does not change between traces.
type Scenario struct {
	Program *Program
	Model   Model
	Prices  *Prices
}

// Compare simulates every design under the trace.
func (s *Scenario) Compare(t *Trace) (*Comparison, error) {
	c := &Comparison{Trace: t, Results: make([]Result, len(Designs()))}
	err := parallel(len(c.Results), func(i int) (err error) {
		c.Results[i], err = s.run(Designs()[i], t)
		return err
	})
	return c, err
}

// parallel calls f with 0 to n-1, on all processors.
func parallel(n int, f func(i int) error) error {
	problems := make([]error, n)
	var running sync.WaitGroup
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				problems[i] = f(i)
			}
		})
	}
	running.Wait()
	return errors.Join(problems...)
}

func (s *Scenario) run(d Design, t *Trace) (Result, error) {
	began := time.Now()
	var u Usage
	if d.Lambda {
		u = simulateLambda(d, s.Model, t)
	} else {
		var err error
		if u, err = simulate(d, s.Program, s.Model, t, true); err != nil {
			return Result{}, err
		}
	}
	monthly := s.Prices.cost(s.Program, d, u, t.End.Sub(t.Start))
	return Result{d, u, monthly, time.Since(began)}, nil
}

// Curve is what the designs cost by the number of requests per month, under
// traffic of one shape.
type Curve struct {
	Name     string
	Requests []float64
	// Span is how much of the trace each point was simulated with, and Usages are
	// what the designs used over it, for each design those of Requests.
	Span   time.Duration
	Usages [][]Usage
	// Monthly has the costs in US dollars, as Usages. Price works them out.
	Monthly [][]float64 `json:"-"`
}

// A curve begins with a few requests a day, and has two points for each power of
// ten.
const (
	fewest      = 100
	perDecade   = 2
	mostInCurve = 10_000_000
)

// busy is the part of the time that the largest fleet may be busy in the busiest
// minute of a curve's last point; beyond that, callers are only turned away.
const busy = 0.8

// curveSpan is how much of a trace the points of a curve are simulated with: a
// week tells a month's costs within 4 %, of a spiky trace within 12 %.
const curveSpan = 7 * 24 * time.Hour

// most is how many requests a month, of the trace's shape, the largest fleet
// answers.
func (s *Scenario) most(t *Trace) float64 {
	if t.Busiest() == 0 {
		return mostInCurve
	}
	capacity := busy * float64(s.Program.Scaling.Targets[0].Max) * float64(time.Minute) / float64(s.Model.Answer)
	return min(mostInCurve, t.Requests()*t.perMonth()*capacity/t.Busiest())
}

// perMonth is how often the trace fits into a month.
func (t *Trace) perMonth() float64 { return float64(Month) / float64(t.End.Sub(t.Start)) }

// Curve simulates every design under the shape of the trace, from 100 requests a
// month to what the largest fleet can answer.
func (s *Scenario) Curve(t *Trace) (*Curve, error) {
	week := t.first(curveSpan)
	last := s.most(week)
	c := &Curve{Name: t.Name, Span: week.End.Sub(week.Start)}
	for exponent := 0.0; ; exponent += 1.0 / perDecade {
		requests := fewest * math.Pow(10, exponent)
		if requests >= last {
			c.Requests = append(c.Requests, last)
			break
		}
		c.Requests = append(c.Requests, requests)
	}
	designs := Designs()
	c.Usages = make([][]Usage, len(designs))
	for i := range designs {
		c.Usages[i] = make([]Usage, len(c.Requests))
	}
	err := parallel(len(designs)*len(c.Requests), func(i int) (err error) {
		design, point := i%len(designs), i/len(designs)
		c.Usages[design][point], err = s.Week(t, designs[design], c.Requests[point])
		return err
	})
	s.Price(c)
	return c, err
}

// Week is what the design uses in the first week of the trace's shape, with so
// many requests a month: a point of Curve.
func (s *Scenario) Week(t *Trace, d Design, requests float64) (Usage, error) {
	week := t.first(curveSpan)
	r, err := s.run(d, week.Scaled(requests/week.perMonth()))
	return r.Usage, err
}

// Price works out what the curve's usages cost.
func (s *Scenario) Price(c *Curve) {
	c.Monthly = make([][]float64, len(c.Usages))
	for i, d := range Designs() {
		for _, u := range c.Usages[i] {
			c.Monthly[i] = append(c.Monthly[i], s.Prices.cost(s.Program, d, u, c.Span))
		}
	}
}

// first is the begin of the trace.
func (t *Trace) first(span time.Duration) *Trace {
	begin := *t
	if end := t.Start.Add(span); end.Before(t.End) {
		begin.End = end
		begin.rates = slices.DeleteFunc(slices.Clone(t.rates), func(r rate) bool { return !r.from.Before(end) })
	}
	return &begin
}
