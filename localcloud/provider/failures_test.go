package provider_test

import (
	"context"
	"errors"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"scaletozero/localcloud/provider"
)

// partial is what a failed create or update tells the engine about the resource that it left.
func partial(t *testing.T, err error) *pulumirpc.ErrorResourceInitFailed {
	t.Helper()
	failure, ok := status.FromError(err)
	require.True(t, ok, "%v", err)
	require.Len(t, failure.Details(), 1)
	detail, ok := failure.Details()[0].(*pulumirpc.ErrorResourceInitFailed)
	require.True(t, ok, "%v", failure.Details())
	require.Equal(t, []string{failure.Message()}, detail.GetReasons())
	return detail
}

func TestAStackThatCouldNotBeCreatedIsKnownUntilARefresh(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeModel)
	inputs := specifications(t)[6].inputs(w)
	c.runtime.fail = errors.New("the container did not pass its health check")
	d, err := c.tryCreate(provider.TypeStack, "it", inputs)
	left := partial(t, err)
	assert.Contains(t, left.GetId(), ":stack/it-")
	assert.Equal(t, c.decode(d.inputs)["templateBody"], c.decode(left.GetProperties())["templateBody"])

	c.runtime.fail = nil
	d.id, d.outputs = left.GetId(), left.GetProperties()
	_, err = c.update(d, d.inputs)
	require.ErrorContains(t, err, "ValidationError: Stack ["+c.text(d, "name")+"] does not exist", "onFailure has deleted it")
	assert.Empty(t, c.read(d).GetId(), "which a refresh finds out")
	c.create(provider.TypeStack, inputs)
}

func TestARefusedStackWasNeverThere(t *testing.T) {
	_, err := newCloud(t).tryCreate(provider.TypeStack, "it", props{"templateBody": "{}"})
	failure, _ := status.FromError(err)
	assert.Empty(t, failure.Details(), "%v", err)
}

func TestARefreshAfterAFailedUpdateFindsTheOldParameters(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeStack)
	d, inputs := w[provider.TypeStack], specifications(t)[6].inputs(w)
	inputs["templateBody"] = template(2)
	news := recheck(c, d, inputs)
	c.runtime.fail = errors.New("no capacity")
	_, err := c.update(d, news)
	left := partial(t, err)
	assert.Equal(t, d.id, left.GetId())

	kept := deployed{d.urn, d.id, news, left.GetProperties()}
	read := c.read(kept)
	kept.inputs, kept.outputs = read.GetInputs(), read.GetProperties()
	assert.Equal(t, c.decode(d.outputs), c.decode(kept.outputs), "what was rolled back is as before")
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_SOME, c.diff(kept, news).GetChanges(), "the next update tries again")
	c.runtime.fail = nil
	_, err = c.update(kept, news)
	require.NoError(t, err)
	assert.Equal(t, 2, c.runtime.running["component"].Copies)
}

// hang makes every start of a component wait until its operation ends.
func (c *cloud) hang() (begun chan struct{}) {
	begun = make(chan struct{}, 1)
	c.runtime.during = func(ctx context.Context) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	return begun
}

func TestCancelEndsWhatIsUnderWay(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeModel)
	begun, ended := c.hang(), make(chan error)
	checked, reasons := c.check(provider.TypeStack, "it", specifications(t)[6].inputs(w), nil)
	require.Empty(t, reasons)
	request := &pulumirpc.CreateRequest{Urn: urn(provider.TypeStack, "it"), Properties: checked}
	go func() {
		_, err := c.client.Create(t.Context(), request)
		ended <- err
	}()
	<-begun
	_, err := c.client.Cancel(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	require.ErrorContains(t, <-ended, "creating it: canceled by the engine: ROLLBACK_COMPLETE")
	_, err = c.client.Create(t.Context(), request)
	require.ErrorContains(t, err, "canceled by the engine", "nothing starts after it")

	c.runtime.during = nil
	c.configure(props{"region": "ap-northeast-1"})
	_, err = c.client.Create(t.Context(), request)
	require.NoError(t, err, "the next engine is not affected")
}

func TestStoppingWaitsForWhatIsUnderWay(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeModel)
	begun, release := make(chan struct{}), make(chan struct{})
	c.runtime.during = func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		<-release
		return ctx.Err()
	}
	checked, _ := c.check(provider.TypeStack, "it", specifications(t)[6].inputs(w), nil)
	go func() { // It fails with the connection.
		_, _ = c.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn(provider.TypeStack, "it"), Properties: checked})
	}()
	<-begun
	stopped := make(chan struct{})
	go func() {
		c.rpc.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
		t.Error("it stopped in the middle of a change")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	<-stopped
}
