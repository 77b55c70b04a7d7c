//go:build unix

package lambda_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/scaling"
)

// live is the alias as Application Auto Scaling names it.
const live = "function:worker:live"

// provision keeps n environments of the alias live and waits for them.
func (w *world) provision(n int) {
	w.t.Helper()
	require.NoError(w.t, w.SetCapacity(live, n))
	w.settle(n)
}

// settle waits until the alias has the environments, and the function no other
// ones that are kept.
func (w *world) settle(n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		kept := w.State()[0].Provisioned
		settled, failure := w.Settled(live)
		return settled && failure == nil && (n == 0 && len(kept) == 0 || len(kept) == 1 && kept[0].Allocated == n && kept[0].Requested == n)
	}, 20*time.Second, time.Millisecond)
}

// published is a world whose function worker has a version with the alias live.
func published(t *testing.T, change ...func(*lambda.Options)) *world {
	t.Helper()
	w := newWorld(t, change...)
	w.publish("1")
	require.NoError(t, w.ApplyAlias("worker", "live", "1"))
	return w
}

const keptAhead = "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency"

func TestProvisionedConcurrency(t *testing.T) {
	w := published(t, func(o *lambda.Options) { o.IdleTimeout = time.Millisecond })
	w.provision(2)
	assert.Equal(t, 2, w.State()[0].Inits, "ahead of any invocation")
	w.Sample()
	assert.NotContains(t, w.last, "ProvisionedConcurrencyUtilization worker:live", "nobody called")

	assert.Contains(t, w.seen("worker:live").Env, keptAhead)
	assert.NotContains(t, w.seen("worker").Env, keptAhead, "they are the alias' own")
	finish := []func() lambda.Result{w.hold("worker:live")}
	w.Sample()
	assert.InDelta(t, 0.5, w.last["ProvisionedConcurrencyUtilization worker:live"], 0)
	assert.Equal(t, []lambda.ProvisionedState{{Qualifier: "live", Requested: 2, Allocated: 2, InUse: 1}}, w.State()[0].Provisioned)
	finish = append(finish, w.hold("worker:live"))
	assert.NotContains(t, w.seen("worker:live").Env, keptAhead, "all have work, so it spills over")
	assert.InDelta(t, 1, w.last["ProvisionedConcurrencySpilloverInvocations worker:live"], 0)
	w.Sample()
	assert.InDelta(t, 1, w.last["ProvisionedConcurrencyUtilization worker:live"], 0)
	assert.InDelta(t, 2, w.last["ProvisionedConcurrentExecutions worker:live"], 0)
	assert.GreaterOrEqual(t, w.metrics["ConcurrentExecutions"], 3.0)
	for _, f := range finish {
		assert.Empty(t, f().FunctionError)
	}
	assert.InDelta(t, 1, w.last["ProvisionedConcurrencyInvocations worker:live"], 0)
	require.Eventually(t, func() bool { return w.State()[0].Environments == 2 }, 10*time.Second, time.Millisecond,
		"the others were idle for too long, these never are")
	w.Sample()
	assert.InDelta(t, 1, w.last["ProvisionedConcurrencyUtilization worker:live"], 0, "the minute began with two")
	delete(w.last, "ProvisionedConcurrencyUtilization worker:live")
	w.Sample()
	assert.NotContains(t, w.last, "ProvisionedConcurrencyUtilization worker:live")

	w.provision(1)
	n, ok := w.Capacity(live)
	assert.True(t, ok)
	assert.Equal(t, 1, n)
	require.Eventually(t, func() bool { return w.State()[0].Environments == 1 }, 10*time.Second, time.Millisecond)
	w.provision(0)
	require.Eventually(t, func() bool { return w.State()[0].Environments == 0 }, 10*time.Second, time.Millisecond)
}

// What is kept and ends is replaced, with work or without.
func TestProvisionedEnvironmentsThatEnd(t *testing.T) {
	w := published(t)
	w.provision(1)
	require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.FunctionCrash, Component: "worker"}))
	assert.NotEmpty(t, w.ask("worker:live", "echo").FunctionError)
	w.settle(1)
	assert.Equal(t, 2, w.State()[0].Inits)
	sampled := func() {
		before := w.State()[0].Inits
		require.Eventually(t, func() bool {
			w.Sample()
			return w.State()[0].Inits > before
		}, 10*time.Second, time.Millisecond)
	}
	for _, replaced := range []func(){sampled, func() { assert.Empty(t, w.ask("worker:live", "echo").FunctionError) }} {
		var pid int
		_, err := fmt.Sscanf(string(w.ask("worker:live", "echo").Payload), `"%d `, &pid)
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, 10*time.Second, time.Millisecond)
		replaced()
		w.settle(1)
		assert.Contains(t, w.seen("worker:live").Env, keptAhead)
	}
}

// An alias that names another version gets environments of that one.
func TestProvisionedConcurrencyFollowsItsAlias(t *testing.T) {
	w := published(t)
	w.provision(1)
	finish := w.hold("worker:live")
	w.publish("1", "2")
	w.settle(1)
	require.NoError(t, w.ApplyAlias("worker", "live", "2"))
	w.settle(1)
	seen := w.seen("worker:live")
	assert.Contains(t, seen.Env, keptAhead)
	assert.Contains(t, seen.Env, "EDITION=2")
	assert.Equal(t, "1", strings.Trim(strings.Fields(string(finish().Payload))[1], `"`), "an invocation ends as it began")
	require.Eventually(t, func() bool { return w.State()[0].Environments == 1 }, 10*time.Second, time.Millisecond)

	require.ErrorContains(t, w.ApplyAlias("worker", "live", "$LATEST"), "cannot be applied to unpublished function versions")
	w.DeleteAlias("worker", "live")
	assert.Empty(t, w.State()[0].Provisioned)
	assert.Zero(t, w.State()[0].Environments)
	_, ok := w.Capacity(live)
	assert.False(t, ok)
	settled, failure := w.Settled(live)
	assert.True(t, settled)
	require.NoError(t, failure)
}

func TestProvisionedConcurrencyOfAFunctionThatIsDeleted(t *testing.T) {
	w := published(t)
	w.provision(2)
	require.NoError(t, w.SetCapacity("function:worker:1", 1))
	w.Delete("worker")
	require.NoError(t, w.Close())
	assert.Empty(t, w.State())
}

func TestProvisionedConcurrencyThatIsRefused(t *testing.T) {
	tests := []struct {
		name, id string
		n        int
		change   func(*lambda.Function)
		want     string
	}{
		{"no such function", "function:other:live", 1, nil, "Function not found: other"},
		{"no such alias", "function:worker:dead", 1, nil, "Function not found: " + arn + ":dead"},
		{"$LATEST", "function:worker:$LATEST", 1, nil, "cannot be applied to unpublished function versions"},
		{"no alias", "function:worker", 1, nil, "it must be function:NAME:QUALIFIER"},
		{"less than nothing", live, -1, nil, "0 or more"},
		{"more than is reserved", live, 3, reserve(2), "should not be greater than the reservedConcurrentExecution for function: 3 would be kept of the 2"},
		{"more than the account has", live, 901, nil, "below its minimum value of [100]: provision 1 fewer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			content := archive(t, "")
			f := function(lambda.Digest(content))
			if test.change != nil {
				test.change(&f)
			}
			f.Published = []lambda.Version{{Number: "1", Configuration: f.Configuration}}
			require.NoError(t, w.Apply(f, content))
			require.NoError(t, w.ApplyAlias("worker", "live", "1"))
			require.ErrorContains(t, w.SetCapacity(test.id, test.n), test.want)
			assert.Empty(t, w.State()[0].Provisioned)
		})
	}
}

// What is provisioned is part of what is reserved: where it is all of it, nothing
// else of the function runs.
func TestProvisionedConcurrencyIsReserved(t *testing.T) {
	w := newWorld(t)
	content := archive(t, "")
	f := function(lambda.Digest(content), reserve(1))
	f.Published = []lambda.Version{{Number: "1", Configuration: f.Configuration}}
	require.NoError(t, w.Apply(f, content))
	require.NoError(t, w.ApplyAlias("worker", "live", "1"))
	w.provision(1)
	assert.Empty(t, w.ask("worker:live", "echo").FunctionError)
	_, err := w.Invoke(t.Context(), "worker", nil)
	require.ErrorContains(t, err, "TooManyRequestsException")
	f.Reserved = 0
	require.ErrorContains(t, w.Apply(f, nil), "ReservedConcurrentExecutions is 0, below the 1 of provisioned concurrency")
}

func TestProvisionedConcurrencyOfAProgramThatDoesNotStart(t *testing.T) {
	w := newWorld(t)
	content := archive(t, "")
	f := function(lambda.Digest(content))
	f.Environment = map[string]string{"TEST_FUNCTION": "exits"}
	f.Published = []lambda.Version{{Number: "1", Configuration: f.Configuration}}
	require.NoError(t, w.Apply(f, content))
	require.NoError(t, w.ApplyAlias("worker", "live", "1"))
	require.NoError(t, w.SetCapacity(live, 2))
	require.Eventually(t, func() bool { settled, _ := w.Settled(live); return settled }, 20*time.Second, time.Millisecond)
	_, failure := w.Settled(live)
	require.ErrorContains(t, failure, "FUNCTION_ERROR_INIT_FAILURE: worker:live does not start: "+w.logs)
	inits := w.State()[0].Inits
	assert.Equal(t, []lambda.ProvisionedState{{Qualifier: "live", Requested: 2, Failure: failure.Error()}}, w.State()[0].Provisioned)
	w.Sample()
	assert.Equal(t, inits, w.State()[0].Inits, "it is not tried for ever")

	works := function(lambda.Digest(content))
	works.Published = []lambda.Version{f.Published[0], {Number: "2", Configuration: works.Configuration}}
	require.NoError(t, w.Apply(works, nil))
	require.NoError(t, w.ApplyAlias("worker", "live", "2"))
	w.settle(2)
}

// Minutes of AWS, driven, over real processes: an alias that is used by more than
// half gets more environments, and one that nobody calls keeps them.
func TestUtilizationAddsEnvironments(t *testing.T) {
	driven := clock.NewDriven(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC))
	store := metrics.New(driven)
	w := published(t, func(o *lambda.Options) {
		o.Metric = func(name string, dimensions map[string]string, value float64) {
			store.Put("AWS/Lambda", name, dimensions, value)
		}
	})
	of := scaling.Resource{Dimension: scaling.ProvisionedConcurrency, ID: live}
	scaler := scaling.New(driven, store, scaling.Dimensions{scaling.ProvisionedConcurrency: w.Runtime})
	scaler.Register(scaling.Registered{
		Targets: []scaling.Target{{Resource: of, Min: 1, Max: 4}},
		Policies: []scaling.Policy{{ARN: "policy", Name: "half", Resource: of, Tracking: &scaling.Tracking{
			Metric: scaling.Metric{
				Namespace: "AWS/Lambda", Name: "ProvisionedConcurrencyUtilization", Statistic: "Average", Period: time.Minute,
				Dimensions: map[string]string{"FunctionName": "worker", "Resource": "worker:live"},
			},
			Target: 0.5, AlarmHigh: "high", AlarmLow: "low",
		}}},
	})
	minute := func() {
		w.Sample()
		driven.Move(driven.Now().Add(time.Minute))
		scaler.Work()
	}
	scaler.Work()
	w.settle(1)
	finish := w.hold("worker:live")
	for range 2 {
		minute()
	}
	w.settle(1)
	minute()
	w.settle(2)
	assert.Empty(t, finish().FunctionError)
	for range 60 {
		minute()
	}
	w.settle(2)
	activities := scaler.Activities()
	require.Len(t, activities, 2)
	assert.Equal(t, "Setting provisioned concurrency to 2.", activities[1].Description)
	assert.Empty(t, activities[1].Problem)
	for _, alarm := range scaler.Alarms() {
		assert.Equal(t, scaling.InsufficientData, alarm.State, "as on AWS: without invocations there is no utilization that could be low")
	}
}

func TestSchedulesMoveWhatIsKept(t *testing.T) {
	driven := clock.NewDriven(time.Date(2026, 1, 5, 8, 59, 0, 0, time.UTC))
	w := published(t)
	of := scaling.Resource{Dimension: scaling.ProvisionedConcurrency, ID: live}
	action := func(name, cron string, n int) scaling.ScheduledAction {
		schedule, err := scaling.ParseSchedule(cron, "")
		require.NoError(t, err)
		return scaling.ScheduledAction{Name: name, Resource: of, Schedule: schedule, Min: &n, Max: &n}
	}
	scaler := scaling.New(driven, metrics.New(driven), scaling.Dimensions{scaling.ProvisionedConcurrency: w.Runtime})
	scaler.Register(scaling.Registered{
		Targets:   []scaling.Target{{Resource: of, Min: 0, Max: 4}},
		Schedules: []scaling.ScheduledAction{action("open", "cron(0 9 ? * MON-FRI *)", 2), action("close", "cron(0 18 ? * MON-FRI *)", 0)},
	})
	for _, want := range []struct {
		hour, kept int
	}{{8, 0}, {9, 2}, {17, 2}, {18, 0}, {20, 0}} {
		driven.Move(time.Date(2026, 1, 5, want.hour, 0, 0, 0, time.UTC))
		scaler.Work()
		w.settle(want.kept)
	}
	require.Len(t, scaler.Activities(), 2)
	assert.Contains(t, scaler.Activities()[1].Cause, "scheduled action close was triggered")
}
