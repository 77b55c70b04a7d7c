package scaling

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is an at(…), rate(…) or cron(…) that ParseSchedule has checked. The
// zero value never comes.
type Schedule struct{ expression, zone string }

// ParseSchedule reads a schedule of Application Auto Scaling ("Schedule
// recurring scaling actions using cron expressions" in its user guide, and
// PutScheduledAction in its API reference):
//
//	at(2026-01-31T08:00:00)
//	rate(5 minutes), with minute, hour or day
//	cron(0 8 ? * MON-FRI *), the six fields of AWS
//
// The zone is an IANA name for at and cron; "" is UTC.
func ParseSchedule(expression, zone string) (Schedule, error) {
	s := Schedule{expression, zone}
	_, err := s.times()
	return s, err
}

// times are when a schedule comes: one of the three is set.
type times struct {
	at   time.Time
	rate time.Duration
	cron *cron
}

func (s Schedule) times() (t times, err error) {
	location, err := time.LoadLocation(s.zone)
	if err != nil {
		return t, fmt.Errorf("the timezone %q is unknown: give an IANA name such as Asia/Tokyo", s.zone)
	}
	form, text, _ := strings.Cut(s.expression, "(")
	text, closed := strings.CutSuffix(text, ")")
	if !closed {
		form = ""
	}
	switch form {
	case "at":
		t.at, err = time.ParseInLocation("2006-01-02T15:04:05", text, location)
	case "rate":
		t.rate, err = parseRate(text)
	case "cron":
		t.cron, err = parseCron(text, location)
	default:
		err = fmt.Errorf("it has to be at(…), rate(…) or cron(…)")
	}
	if err != nil {
		return times{}, fmt.Errorf("the schedule %q is none that Application Auto Scaling takes: %w", s.expression, err)
	}
	return t, nil
}

func parseRate(text string) (time.Duration, error) {
	value, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(value)
	length := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(unit, "s")]
	if err != nil || n < 1 || length == 0 {
		return 0, fmt.Errorf("a rate is a whole number from 1 and one of minutes, hours and days")
	}
	return time.Duration(n) * length, nil
}

// after is the first time after now; zero if there is none. A rate counts from
// start.
func (t times) after(now, start time.Time) time.Time {
	switch {
	case t.cron != nil:
		return t.cron.after(now)
	case t.rate > 0 && now.Before(start):
		return start
	case t.rate > 0:
		return start.Add((now.Sub(start)/t.rate + 1) * t.rate) //nolint:durationcheck // The division makes it a number.
	case t.at.After(now):
		return t.at
	default:
		return time.Time{}
	}
}

// schedule is a ScheduledAction and when it is due; next is zero once it never
// will be.
type schedule struct {
	ScheduledAction
	times         times
	started, next time.Time
}

func newSchedule(definition ScheduledAction, now time.Time) *schedule {
	s := &schedule{ScheduledAction: definition, started: definition.Start}
	if s.started.IsZero() {
		s.started = now
	}
	// The zero Schedule is the only one with an error here; it has no times.
	s.times, _ = definition.Schedule.times()
	s.advance(now)
	return s
}

func (s *schedule) advance(now time.Time) {
	if now.Before(s.started) {
		now = s.started.Add(-1) // A time that is exactly the start counts.
	}
	s.next = s.times.after(now, s.started)
	if !s.End.IsZero() && s.next.After(s.End) {
		s.next = time.Time{}
	}
}

// runSchedule moves the bounds of the target if it is time.
func (s *Scaler) runSchedule(due *schedule, now time.Time) {
	if due.next.IsZero() || now.Before(due.next) {
		return
	}
	due.advance(now)
	t := s.target(due.Resource)
	if t == nil || t.registered.SchedulesSuspended {
		return
	}
	if due.Min != nil {
		t.min = *due.Min
	}
	if due.Max != nil {
		t.max = *due.Max
	}
	t.moved = fmt.Sprintf("scheduled action %s was triggered", due.Name)
}
