// Package clock is the local cloud's one clock. It runs faster than the wall
// clock by one factor, so that AWS's minutes pass in seconds and keep their
// proportions.
//
// It is built on package time and nothing else: inside a bubble of
// testing/synctest it is a fake clock that tests move without sleeping.
package clock

import (
	"context"
	"fmt"
	"time"
)

// DefaultSpeed turns a minute of AWS into a second.
const DefaultSpeed = 60

// Clock is AWS time: every duration and time that goes in or out is AWS's.
type Clock struct {
	speed float64
	start time.Time
}

// New starts a clock at the present time. A speed of 1 is real time.
func New(speed float64) (*Clock, error) {
	// Written so that NaN, which compares with nothing, is refused too.
	if !(speed >= 1 && speed <= 100_000) {
		return nil, fmt.Errorf("the speed is %g: it must be from 1 (real time) to 100000", speed)
	}
	return &Clock{speed: speed, start: time.Now()}, nil
}

// Speed is the factor.
func (c *Clock) Speed() float64 { return c.speed }

// Now is the present AWS time.
func (c *Clock) Now() time.Time {
	return c.start.Add(time.Duration(float64(time.Since(c.start)) * c.speed))
}

// Since is the AWS time since t.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Wall is how long d takes on the wall clock.
func (c *Clock) Wall(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.speed)
}

// After sends once d has passed.
func (c *Clock) After(d time.Duration) <-chan time.Time { return time.After(c.Wall(d)) }

// Sleep returns nil once d has passed, or the context's error if it ends first.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(c.Wall(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Every calls f each d, in AWS time, until the context ends.
func (c *Clock) Every(ctx context.Context, d time.Duration, f func()) {
	ticker := time.NewTicker(max(c.Wall(d), 1))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f()
		case <-ctx.Done():
			return
		}
	}
}
