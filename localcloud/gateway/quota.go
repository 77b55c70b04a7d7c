package gateway

import (
	"sync"
	"time"
)

// The periods of a Quota.
const (
	PeriodDay   = "DAY"
	PeriodWeek  = "WEEK"
	PeriodMonth = "MONTH"
)

// Quota is how many requests a key has in a calendar period, in UTC and AWS
// time. Weeks begin on Sunday.
type Quota struct {
	Limit int
	// Offset is subtracted from Limit in the first period, as the API reference
	// has it ("QuotaSettings"); that is the period in which the gateway sees the
	// key on the plan for the first time. (Older SDKs call it the day on which
	// the period begins.)
	Offset int
	// Period is PeriodDay, PeriodWeek or PeriodMonth.
	Period string
}

// begin is the first moment of the period that t is in.
func (q *Quota) begin(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	switch q.Period {
	case PeriodMonth:
		day = 1
	case PeriodWeek:
		day -= int(t.UTC().Weekday())
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// usage counts one key's requests on one plan.
type usage struct {
	mu    sync.Mutex
	began time.Time
	used  int
}

// take counts a request, or reports false where the quota is used up.
func (u *usage) take(q *Quota, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if began := q.begin(now); !began.Equal(u.began) {
		u.used = 0
		if u.began.IsZero() {
			u.used = q.Offset
		}
		u.began = began
	}
	if u.used >= q.Limit {
		return false
	}
	u.used++
	return true
}
