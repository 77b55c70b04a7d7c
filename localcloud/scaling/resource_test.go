package scaling_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/scaling"
)

// environments is what functions keep; those of a function that fails never come.
type environments struct {
	kept  map[string]int
	fails error
}

func (e environments) Capacity(id string) (int, bool) { n, ok := e.kept[id]; return n, ok }

func (e environments) SetCapacity(id string, n int) error {
	e.kept[id] = n
	return nil
}

func (e environments) Settled(string) (bool, error) { return true, e.fails }

func (e environments) Setting(n int) string {
	return fmt.Sprintf("Setting provisioned concurrency to %d.", n)
}

// Resources of several dimensions have their own targets, even where their names
// are the same; a dimension that is not there has no resources.
func TestDimensions(t *testing.T) {
	driven := clock.NewDriven(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC))
	c, err := clock.New(1)
	require.NoError(t, err)
	components := &copies{clock: c, desired: map[string]int{name: 0}}
	functions := environments{kept: map[string]int{"function:worker:live": 0, resource.ID: 0}, fails: errors.New("it does not start")}
	scaler := scaling.New(driven, metrics.New(driven), scaling.Dimensions{
		scaling.CopyCount: scaling.Copies(components), scaling.ProvisionedConcurrency: functions,
	})
	live := scaling.Resource{Dimension: scaling.ProvisionedConcurrency, ID: "function:worker:live"}
	scaler.Register(scaling.Registered{Targets: []scaling.Target{
		{Resource: resource, Min: 1, Max: 3},
		{Resource: live, Min: 2, Max: 2},
		{Resource: scaling.Resource{Dimension: "ecs:service:DesiredCount", ID: resource.ID}, Min: 9, Max: 9},
	}})
	scaler.Work()
	driven.Move(driven.Now().Add(time.Minute))
	scaler.Work()
	assert.Equal(t, map[string]int{name: 1}, components.desired)
	assert.Equal(t, map[string]int{"function:worker:live": 2, resource.ID: 0}, functions.kept)
	activities := scaler.Activities()
	require.Len(t, activities, 2)
	assert.Equal(t, "Setting desired copy count to 1.", activities[0].Description)
	assert.Empty(t, activities[0].Problem)
	assert.Equal(t, live, activities[1].Resource)
	assert.Equal(t, "Setting provisioned concurrency to 2.", activities[1].Description)
	assert.Equal(t, "it does not start", activities[1].Problem)

	assert.Equal(t, name, resource.Component())
	assert.Empty(t, live.Component())
}
