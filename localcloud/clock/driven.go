package clock

import "time"

// Driven is a clock that stands still until it is moved: AWS time for a
// simulation, in which nobody waits. It is for one goroutine.
type Driven struct{ now time.Time }

// NewDriven makes a clock that stands at a time.
func NewDriven(at time.Time) *Driven { return &Driven{at} }

// Now is where the clock stands.
func (d *Driven) Now() time.Time { return d.now }

// Move puts the clock to a time.
func (d *Driven) Move(to time.Time) { d.now = to }

// Wall is how long a duration takes on the wall clock: nothing.
func (d *Driven) Wall(time.Duration) time.Duration { return 0 }
