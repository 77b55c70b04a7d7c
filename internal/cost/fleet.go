package cost

import (
	"fmt"
	"time"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/endpoint"
)

// fleet is the copies of one inference component and the instances that they are
// on: a scaling.Scalable with the times of the local endpoint, and without its
// processes. Copies go at once, as those without requests do.
type fleet struct {
	clock *clock.Driven
	// perInstance is how many copies an instance has room for.
	perInstance                int
	minInstances, maxInstances int
	// start is how long a copy takes on an instance that is in service.
	start time.Duration

	instances []*instance
	// copies are ordered by age.
	copies []*modelCopy
	// released is how long the instances were billed that are gone.
	released time.Duration
}

// instance is billed from being asked for until it is released. AWS does not say
// whether provisioning is billed; this is the dearer reading.
type instance struct {
	asked, inService time.Time
	copies           int
	// idleSince is when its last copy went.
	idleSince time.Time
}

type modelCopy struct {
	on *instance
	// inService is when it takes its first request, free when it has answered all
	// that it has taken.
	inService, free time.Time
}

// DesiredCopies implements scaling.Scalable.
func (f *fleet) DesiredCopies(string) (int, bool) { return len(f.copies), true }

// SetDesiredCopies implements scaling.Scalable. The youngest copies go first.
func (f *fleet) SetDesiredCopies(_ string, n int) error {
	now := f.clock.Now()
	f.release(now)
	for len(f.copies) > n {
		last := len(f.copies) - 1
		on := f.copies[last].on
		f.copies = f.copies[:last]
		on.copies--
		if on.copies == 0 {
			on.idleSince = later(now, on.inService)
		}
	}
	for len(f.copies) < n {
		on := f.room(now)
		if on == nil {
			return fmt.Errorf("there is no room for %d copies: at most %d instances with %d copies each", n, f.maxInstances, f.perInstance)
		}
		on.copies++
		ready := later(now, on.inService).Add(f.start)
		f.copies = append(f.copies, &modelCopy{on: on, inService: ready, free: ready})
	}
	return nil
}

// Updating implements scaling.Scalable.
func (f *fleet) Updating(string) bool {
	return f.inService() < len(f.copies)
}

// room is the first instance with room for a copy, a new one if need be, or nil.
func (f *fleet) room(now time.Time) *instance {
	for _, i := range f.instances {
		if i.copies < f.perInstance {
			return i
		}
	}
	if len(f.instances) == f.maxInstances {
		return nil
	}
	i := &instance{asked: now, inService: now.Add(endpoint.DefaultProvisioning)}
	f.instances = append(f.instances, i)
	return i
}

// release lets the instances go that have been without a copy for long enough.
func (f *fleet) release(now time.Time) {
	kept := f.instances[:0]
	left := len(f.instances)
	for _, i := range f.instances {
		gone := i.idleSince.Add(endpoint.IdleFor)
		if i.copies > 0 || left <= f.minInstances || gone.After(now) {
			kept = append(kept, i)
			continue
		}
		left--
		f.released += gone.Sub(i.asked)
	}
	f.instances = kept
}

// billed is how long instances have been billed until now, all together.
func (f *fleet) billed(now time.Time) time.Duration {
	f.release(now)
	sum := f.released
	for _, i := range f.instances {
		sum += now.Sub(i.asked)
	}
	return sum
}

// inService is how many copies take requests.
func (f *fleet) inService() int {
	n := 0
	for _, c := range f.copies {
		if !c.inService.After(f.clock.Now()) {
			n++
		}
	}
	return n
}

// quickest is the copy in service that is done first with what it has, which is
// also the one with the fewest outstanding requests, or nil.
func (f *fleet) quickest() *modelCopy {
	var best *modelCopy
	for _, c := range f.copies {
		if !c.inService.After(f.clock.Now()) && (best == nil || c.free.Before(best.free)) {
			best = c
		}
	}
	return best
}

// outstanding is how many requests the copies have, where one takes so long.
func (f *fleet) outstanding(each time.Duration) int {
	sum := 0
	for _, c := range f.copies {
		if busy := c.free.Sub(f.clock.Now()); busy > 0 && !c.inService.After(f.clock.Now()) {
			sum += int((busy + each - 1) / each)
		}
	}
	return sum
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// begin is the state at the start: so many copies, in service for a while.
func (f *fleet) begin(copies int) {
	now := f.clock.Now()
	for range copies {
		on := f.room(now)
		on.copies++
		on.inService = now
		f.copies = append(f.copies, &modelCopy{on: on, inService: now, free: now})
	}
}
