package tests

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// wakeSpeed makes a quarter of an hour without requests, after which the last
	// copy goes, short enough to wait for five times.
	wakeSpeed = 120
	// alarmPeriod is that of the program's alarm for requests without capacity.
	alarmPeriod = time.Minute
)

// benchWake measures, in AWS time, how long the local cloud takes from the first
// request that it refuses for lack of capacity to the moment when a copy is asked
// for. AWS needs one period of the alarm for that; how long the copy then takes
// to start has nothing to do with it.
func benchWake(b *testing.B) []figure {
	s := newStackAt(b, wakeSpeed)
	s.up()
	url, key := s.output("apiGatewayUrl"), s.output("apiKeyValue")
	var seconds []float64
	for range runs {
		untilDesired(b, s, 0)
		refused := s.cloud.Clock().Now()
		answered, err := post(b.Context(), url, key, songs(b))
		require.NoError(b, err)
		require.Equal(b, http.StatusServiceUnavailable, answered.status, answered.body)
		untilDesired(b, s, 1)
		activities := s.cloud.Activities()
		seconds = append(seconds, activities[len(activities)-1].Start.Sub(refused).Seconds())
	}
	return []figure{atMost(alarmPeriod.Seconds()+1, "from the first refused request to capacity asked for", median(seconds), "s of AWS time")}
}

// untilDesired waits until the stack's one component wants that many copies, and
// has them.
func untilDesired(b *testing.B, s *stack, copies int) {
	b.Helper()
	require.Eventually(b, func() bool {
		component := s.cloud.Endpoints()[0].Components[0]
		if component.Desired != copies || len(component.Copies) != copies {
			return false
		}
		return copies == 0 || component.Copies[0].State == "InService"
	}, time.Minute, time.Millisecond, "the component never came to %d copies", copies)
}
