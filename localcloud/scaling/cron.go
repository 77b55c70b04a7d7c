package scaling

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is AWS's form of cron: minutes, hours, day of month, month, day of week
// (1 is Sunday) and year, with ?, L, W and #. (The cron libraries for Go read
// other forms: five fields, or six with seconds and no year.)
type cron struct {
	location                      *time.Location
	minutes, hours, months, years []bool
	// dayOfMonth or dayOfWeek is nil, for ?; a day has to match the other one.
	dayOfMonth, dayOfWeek []dayMatch
}

// dayMatch tells whether a day is meant.
type dayMatch func(day time.Time) bool

const (
	firstYear = 1970
	lastYear  = 2199
)

var (
	monthNames = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	dayNames   = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

func parseCron(text string, location *time.Location) (*cron, error) {
	fields := strings.Fields(text)
	if len(fields) != 6 {
		return nil, fmt.Errorf("cron has six fields: minutes, hours, day of month, month, day of week and year")
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return nil, fmt.Errorf("one of day of month and day of week has to be ?, and only one")
	}
	c := &cron{location: location}
	var problems [6]error
	c.minutes, problems[0] = parseField(fields[0], 0, 59, nil)
	c.hours, problems[1] = parseField(fields[1], 0, 23, nil)
	c.dayOfMonth, problems[2] = parseDays(fields[2], dayOfMonth)
	c.months, problems[3] = parseField(fields[3], 1, 12, monthNames)
	c.dayOfWeek, problems[4] = parseDays(fields[4], dayOfWeek)
	c.years, problems[5] = parseField(fields[5], firstYear, lastYear, nil)
	for i, err := range problems {
		if err != nil {
			return nil, fmt.Errorf("the field %q: %w", fields[i], err)
		}
	}
	return c, nil
}

// after is the first minute after t that matches; zero if there is none.
func (c *cron) after(t time.Time) time.Time {
	t = t.In(c.location)
	// Days are walked at noon, which every day has once.
	for day := time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, c.location); day.Year() <= lastYear; day = day.AddDate(0, 0, 1) {
		if !c.years[day.Year()] || !c.months[day.Month()] || !c.onDay(day) {
			continue
		}
		for hour := range 24 {
			for minute := range 60 {
				if at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, c.location); c.hours[hour] && c.minutes[minute] && at.After(t) {
					return at
				}
			}
		}
	}
	return time.Time{}
}

func (c *cron) onDay(day time.Time) bool {
	matches := func(m dayMatch) bool { return m(day) }
	return slices.ContainsFunc(c.dayOfMonth, matches) || slices.ContainsFunc(c.dayOfWeek, matches)
}

// parseField reads a list of *, values, ranges and steps into a set of the
// values from lowest to highest.
func parseField(text string, lowest, highest int, names []string) ([]bool, error) {
	set := make([]bool, highest+1)
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := parseItem(item, lowest, highest, names)
		if err != nil {
			return nil, err
		}
		for i := from; i <= to; i += step {
			set[i] = true
		}
	}
	return set, nil
}

func parseItem(item string, lowest, highest int, names []string) (from, to, step int, err error) {
	values, every, stepped := strings.Cut(item, "/")
	from, to, step = lowest, highest, 1
	if stepped {
		if step, err = strconv.Atoi(every); err != nil || step < 1 {
			return 0, 0, 0, fmt.Errorf("%q is no step from 1", every)
		}
	}
	if values == "*" {
		return from, to, step, nil
	}
	first, last, ranged := strings.Cut(values, "-")
	if from, err = parseValue(first, lowest, highest, names); err != nil {
		return 0, 0, 0, err
	}
	if ranged {
		to, err = parseValue(last, lowest, highest, names)
	} else if !stepped {
		to = from
	}
	if err == nil && to < from {
		err = fmt.Errorf("the range %q ends before it begins", values)
	}
	return from, to, step, err
}

func parseValue(text string, lowest, highest int, names []string) (int, error) {
	if i := slices.Index(names, strings.ToUpper(text)); i >= 0 {
		return i + lowest, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < lowest || value > highest {
		return 0, fmt.Errorf("%q is no value from %d to %d", text, lowest, highest)
	}
	return value, nil
}
