package scaling

import (
	"strings"
	"time"
)

// parseDays reads a field of days with the items that one of its readers knows;
// nil stands for ?.
func parseDays(text string, read func(item string) (dayMatch, error)) ([]dayMatch, error) {
	if text == "?" {
		return nil, nil
	}
	var matches []dayMatch
	for item := range strings.SplitSeq(strings.ToUpper(text), ",") {
		match, err := read(item)
		if err != nil {
			return nil, err
		}
		matches = append(matches, match)
	}
	return matches, nil
}

// dayOfMonth reads 1 to 31, L for the last day, and nW for the weekday nearest
// to day n within the month.
func dayOfMonth(item string) (dayMatch, error) {
	if item == "L" {
		return func(day time.Time) bool { return day.Day() == lastDay(day) }, nil
	}
	if text, nearest := strings.CutSuffix(item, "W"); nearest {
		wanted, err := parseValue(text, 1, 31, nil)
		return func(day time.Time) bool { return day.Day() == nearestWeekday(day, wanted) }, err
	}
	set, err := parseField(item, 1, 31, nil)
	return func(day time.Time) bool { return set[day.Day()] }, err
}

// dayOfWeek reads 1 (Sunday) to 7 and names, nL for the last such day of the
// month (L alone is Saturday), and n#k for its k-th.
func dayOfWeek(item string) (dayMatch, error) {
	if text, count, nth := strings.Cut(item, "#"); nth {
		weekday, err := parseValue(text, 1, 7, dayNames)
		if err != nil {
			return nil, err
		}
		k, err := parseValue(count, 1, 5, nil)
		return func(day time.Time) bool { return weekdayOf(day) == weekday && (day.Day()+6)/7 == k }, err
	}
	if text, last := strings.CutSuffix(item, "L"); last && text != "" {
		weekday, err := parseValue(text, 1, 7, dayNames)
		return func(day time.Time) bool { return weekdayOf(day) == weekday && day.Day()+7 > lastDay(day) }, err
	}
	set, err := parseField(strings.Replace(item, "L", "7", 1), 1, 7, dayNames)
	return func(day time.Time) bool { return set[weekdayOf(day)] }, err
}

func weekdayOf(day time.Time) int { return int(day.Weekday()) + 1 }

func lastDay(day time.Time) int {
	return time.Date(day.Year(), day.Month()+1, 0, 12, 0, 0, 0, time.UTC).Day()
}

// nearestWeekday is the day of the month that is Monday to Friday and nearest to
// day n; 0 where the month has no such day.
func nearestWeekday(month time.Time, n int) int {
	last := lastDay(month)
	if n > last {
		return 0
	}
	switch time.Date(month.Year(), month.Month(), n, 12, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if n == 1 {
			return 3
		}
		return n - 1
	case time.Sunday:
		if n == last {
			return n - 2
		}
		return n + 1
	default:
		return n
	}
}
