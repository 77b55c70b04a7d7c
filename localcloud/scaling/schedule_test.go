package scaling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/scaling"
)

// The bubble's time begins on Saturday, 1 January 2000, at midnight UTC. A scheduled action is watched by its effect:
// it sets the minimum to 1, and the copies follow.
func TestSchedules(t *testing.T) {
	for _, test := range []struct {
		expression, zone string
		want             string // The first time, in UTC.
	}{
		{"at(2000-01-01T08:00:00)", "", "2000-01-01T08:00:00Z"},
		{"at(2000-01-01T18:00:00)", "Asia/Tokyo", "2000-01-01T09:00:00Z"},
		{"rate(1 minute)", "", "2000-01-01T00:01:00Z"},
		{"rate(90 minutes)", "", "2000-01-01T01:30:00Z"},
		{"rate(12 hours)", "", "2000-01-01T12:00:00Z"},
		{"rate(2 days)", "", "2000-01-03T00:00:00Z"},
		{"cron(0 8 * * ? *)", "", "2000-01-01T08:00:00Z"},
		{"cron(0 8 * * ? *)", "America/New_York", "2000-01-01T13:00:00Z"},
		{"cron(0 8 * * ? *)", "Asia/Tokyo", "2000-01-01T23:00:00Z"},
		{"cron(30 8 ? * MON-FRI *)", "UTC", "2000-01-03T08:30:00Z"},
		{"cron(0 8 ? * 2 *)", "", "2000-01-03T08:00:00Z"},
		{"cron(0 0 ? * L *)", "", "2000-01-08T00:00:00Z"},
		{"cron(0/15 10-11,20 * * ? *)", "", "2000-01-01T10:00:00Z"},
		{"cron(10/20 * * * ? *)", "", "2000-01-01T00:10:00Z"},
		{"cron(59 23 L * ? *)", "", "2000-01-31T23:59:00Z"},
		{"cron(0 0 1W * ? *)", "", "2000-01-03T00:00:00Z"},
		{"cron(0 0 15W * ? *)", "", "2000-01-14T00:00:00Z"},
		{"cron(0 0 30W * ? *)", "", "2000-01-31T00:00:00Z"},
		{"cron(0 0 ? * WED#2 *)", "", "2000-01-12T00:00:00Z"},
		{"cron(0 0 ? * 6L *)", "", "2000-01-28T00:00:00Z"},
		{"cron(0 0 29 feb ? *)", "", "2000-02-29T00:00:00Z"},
		{"cron(0 0 1 */2 ? 2000)", "", "2000-03-01T00:00:00Z"},
	} {
		t.Run(test.expression+test.zone, func(t *testing.T) {
			parsed, err := scaling.ParseSchedule(test.expression, test.zone)
			require.NoError(t, err)
			registered := scaling.Registered{Targets: []scaling.Target{target()}, Schedules: []scaling.ScheduledAction{
				{Name: "morning", Resource: resource, Schedule: parsed, Min: new(1)},
			}}
			want, err := time.Parse(time.RFC3339, test.want)
			require.NoError(t, err)
			inBubble(t, 0, registered, func(w *world) {
				w.pass(want.Sub(w.start) - time.Second)
				require.Zero(t, w.desired())
				w.pass(time.Second)
				require.Equal(t, 1, w.desired())
				assert.Equal(t, "minimum capacity was set to 1: scheduled action morning was triggered", w.scaler.Activities()[0].Cause)
			})
		})
	}
}

func TestSchedulesThatAreNone(t *testing.T) {
	for expression, want := range map[string]string{
		"":                          "at(…), rate(…) or cron(…)",
		"cron(0 8 * * ? *":          "at(…), rate(…) or cron(…)",
		"0 8 * * ? *":               "at(…), rate(…) or cron(…)",
		"at(2000-01-01)":            "cannot parse",
		"rate(0 minutes)":           "a whole number from 1",
		"rate(5 weeks)":             "a whole number from 1",
		"cron(0 8 * * ?)":           "six fields",
		"cron(0 8 * * * *)":         "has to be ?",
		"cron(0 8 ? * ? *)":         "has to be ?",
		"cron(60 8 * * ? *)":        `"60" is no value from 0 to 59`,
		"cron(0 8 32 * ? *)":        `"32" is no value from 1 to 31`,
		"cron(0 8 40W * ? *)":       `"40" is no value from 1 to 31`,
		"cron(0 8 ? * MON#6 *)":     `"6" is no value from 1 to 5`,
		"cron(0 8 ? * 9#1 *)":       `"9" is no value from 1 to 7`,
		"cron(0 8 ? * 9L *)":        `"9" is no value from 1 to 7`,
		"cron(0 8 * FOO ? *)":       `"FOO" is no value from 1 to 12`,
		"cron(0 8-6 * * ? *)":       "ends before it begins",
		"cron(0/0 8 * * ? *)":       `"0" is no step from 1`,
		"cron(0 8 * * ? 1900-2000)": `"1900" is no value from 1970 to 2199`,
	} {
		_, err := scaling.ParseSchedule(expression, "")
		assert.ErrorContains(t, err, want, expression)
	}
	_, err := scaling.ParseSchedule("rate(1 day)", "Mars/Base")
	assert.ErrorContains(t, err, `the timezone "Mars/Base" is unknown`)
}

func schedule(t *testing.T, expression string) scaling.Schedule {
	t.Helper()
	parsed, err := scaling.ParseSchedule(expression, "")
	require.NoError(t, err)
	return parsed
}

// Business hours: at least one copy from 8 to 18, and at most two.
func TestScheduledBounds(t *testing.T) {
	registered := scaling.Registered{Targets: []scaling.Target{target()}, Schedules: []scaling.ScheduledAction{
		{Name: "open", Resource: resource, Schedule: schedule(t, "cron(0 8 * * ? *)"), Min: new(1), Max: new(2)},
		{Name: "close", Resource: resource, Schedule: schedule(t, "cron(0 18 * * ? *)"), Min: new(0), Max: new(0)},
	}}
	inBubble(t, 3, registered, func(w *world) {
		w.until(7*time.Hour + 59*time.Minute)
		require.Equal(t, 3, w.desired())
		w.until(8 * time.Hour)
		assert.Equal(t, 2, w.desired(), "down to the new maximum")
		w.scaler.Register(registered)
		w.until(9 * time.Hour)
		w.until(18 * time.Hour)
		assert.Zero(t, w.desired())
		w.until(32 * time.Hour)
		assert.Equal(t, 1, w.desired(), "up to the new minimum, the next day")
		registered.Targets[0].Min = 3
		w.scaler.Register(registered)
		w.pass(time.Second)
		assert.Equal(t, 3, w.desired(), "a new registration sets the bounds anew")
	})
}

func TestWhenSchedulesDoNotRun(t *testing.T) {
	hourly := schedule(t, "rate(1 hour)")
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name      string
		target    scaling.Target
		action    scaling.ScheduledAction
		wantAfter time.Duration // 0 is never.
	}{
		{"from the first hour on", target(), scaling.ScheduledAction{Schedule: hourly}, time.Hour},
		{"not before its start, from which a rate counts", target(), scaling.ScheduledAction{Schedule: hourly, Start: start.Add(150 * time.Minute)}, 150 * time.Minute},
		{"not after its end", target(), scaling.ScheduledAction{Schedule: hourly, End: start.Add(30 * time.Minute)}, 0},
		{"not while schedules are suspended", scaling.Target{Resource: resource, Max: 3, SchedulesSuspended: true}, scaling.ScheduledAction{Schedule: hourly}, 0},
		{"not for another target", scaling.Target{Resource: scaling.Component("other"), Max: 3}, scaling.ScheduledAction{Schedule: hourly}, 0},
		{"not in the past", target(), scaling.ScheduledAction{Schedule: schedule(t, "at(1999-12-31T23:00:00)")}, 0},
		{"not in a year that is over", target(), scaling.ScheduledAction{Schedule: schedule(t, "cron(0 0 * * ? 1999)")}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.action.Resource, test.action.Min = resource, new(1)
			registered := scaling.Registered{Targets: []scaling.Target{test.target}, Schedules: []scaling.ScheduledAction{test.action}}
			inBubble(t, 0, registered, func(w *world) {
				if test.wantAfter == 0 {
					w.pass(48 * time.Hour)
					require.Zero(t, w.desired())
					return
				}
				w.pass(test.wantAfter - time.Second)
				require.Zero(t, w.desired())
				w.pass(time.Second)
				require.Equal(t, 1, w.desired())
			})
		})
	}
}

// While copies come or go the target is not scaled; the new bounds wait.
func TestBoundsWaitForCopiesThatAreComing(t *testing.T) {
	inBubble(t, 0, scaling.Registered{Targets: []scaling.Target{{Resource: resource, Min: 1, Max: 3}}}, func(w *world) {
		w.slowly()
		w.pass(time.Second)
		require.Equal(t, 1, w.desired())
		w.scaler.Register(scaling.Registered{Targets: []scaling.Target{{Resource: resource, Min: 2, Max: 3}}})
		w.pass(4 * time.Minute)
		require.Equal(t, 1, w.desired())
		w.pass(2 * time.Minute)
		require.Equal(t, 2, w.desired())
	})
}
