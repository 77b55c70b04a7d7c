package clock_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
)

func TestAWSMinutesPassInSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := clock.New(60)
		require.NoError(t, err)
		aws, wall := c.Now(), time.Now()
		require.NoError(t, c.Sleep(t.Context(), 5*time.Minute))
		assert.Equal(t, 5*time.Second, time.Since(wall))
		assert.Equal(t, 5*time.Minute, c.Since(aws))
		<-c.After(time.Minute)
		assert.Equal(t, 6*time.Minute, c.Since(aws))
	})
}

func TestEveryStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := clock.New(60)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), c.Wall(95*time.Second))
		defer cancel()
		count := 0
		c.Every(ctx, 10*time.Second, func() { count++ })
		assert.Equal(t, 9, count)
		assert.ErrorIs(t, c.Sleep(ctx, time.Minute), context.DeadlineExceeded)
	})
}

func TestSpeedIsChecked(t *testing.T) {
	for _, speed := range []float64{0, 0.5, -1, 100_001, math.NaN(), math.Inf(1)} {
		_, err := clock.New(speed)
		assert.ErrorContains(t, err, "from 1", speed)
	}
}

func TestADrivenClockStandsUntilItIsMoved(t *testing.T) {
	start := time.Date(2026, time.June, 1, 9, 0, 0, 0, time.UTC)
	c := clock.NewDriven(start)
	assert.Equal(t, start, c.Now())
	c.Move(start.Add(time.Hour))
	assert.Equal(t, start.Add(time.Hour), c.Now())
	assert.Zero(t, c.Wall(time.Hour), "nobody waits")
}
