package endpoint_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/endpoint"
)

func TestTheLifeOfInstancesAndCopies(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.launcher.StartTime = time.Second // A minute of AWS time.
		assert.Equal(t, []string{"InService"}, w.instances(), "the initial instance is there when the endpoint is InService")
		assert.Equal(t, time.Minute, w.took(func() { require.NoError(t, w.Apply(t.Context(), component(cores(4)))) }), "its copy only has to start")
		assert.Equal(t, http.StatusOK, w.invoke().Code)

		require.NoError(t, w.SetDesiredCopies("music", 2))
		synctest.Wait()
		assert.Equal(t, []string{"InService", "Provisioning"}, w.instances(), "there is no room for a second copy")
		assert.Equal(t, []string{"InService i-1", "Pending i-2"}, w.copies())
		assert.True(t, w.Updating("music"))
		w.pass(4*time.Minute + 30*time.Second)
		assert.Equal(t, []string{"InService", "InService"}, w.instances())
		assert.Equal(t, []string{"InService i-1", "Starting i-2"}, w.copies())
		w.pass(40 * time.Second)
		assert.Equal(t, []string{"InService i-1", "InService i-2"}, w.copies())
		assert.False(t, w.Updating("music"))

		require.NoError(t, w.SetDesiredCopies("music", 0))
		synctest.Wait()
		assert.Empty(t, w.copies())
		desired, ok := w.DesiredCopies("music")
		assert.True(t, ok)
		assert.Zero(t, desired)
		w.metric("")
		refused := w.invoke()
		assert.Equal(t, http.StatusBadRequest, refused.Code)
		assert.Contains(t, refused.Body.String(), "Inference Component has no capacity to process this request.")
		assert.Equal(t, []float64{1}, w.metric("NoCapacityInvocationFailures"))
		w.pass(9 * time.Minute)
		assert.Len(t, w.instances(), 2)
		w.pass(time.Minute + time.Second)
		assert.Empty(t, w.instances(), "managed instance scaling goes down to MinInstanceCount")

		require.NoError(t, w.SetDesiredCopies("music", 1))
		assert.Equal(t, 5*time.Minute, w.took(func() {
			for w.invoke().Code != http.StatusOK {
				w.pass(time.Second)
			}
		}).Truncate(time.Minute), "from zero, an instance and a start")
	})
}

func TestInstancesStayWhileTheyAreNeeded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Apply(t.Context(), component()))
		require.NoError(t, w.SetDesiredCopies("music", 0))
		w.pass(9 * time.Minute)
		require.NoError(t, w.SetDesiredCopies("music", 1))
		w.pass(10 * time.Minute)
		assert.Equal(t, []string{"InService i-1"}, w.copies(), "the copy got the instance that was about to go")
		require.NoError(t, w.SetDesiredCopies("music", 0))
		w.pass(9 * time.Minute)
		assert.Len(t, w.instances(), 1, "the ten minutes begin anew")

		require.NoError(t, w.ApplyEndpoint(t.Context(), musicEndpoint(func(e *endpoint.Endpoint) { e.MinInstances = 2 })))
		assert.Equal(t, []string{"InService", "InService"}, w.instances(), "an update waits for MinInstanceCount")
		w.pass(time.Hour)
		assert.Len(t, w.instances(), 2)
		require.NoError(t, w.ApplyEndpoint(t.Context(), musicEndpoint()))
		w.pass(10*time.Minute + time.Second)
		assert.Empty(t, w.instances())
	})
}

func TestPlacement(t *testing.T) {
	tests := []struct {
		name         string
		instanceType string
		needs        []func(*endpoint.Component)
		want         []string
	}{
		{"by cores", "ml.m5.xlarge", []func(*endpoint.Component){cores(2)}, []string{"InService i-1", "InService i-1", "InService i-2"}},
		{"by memory", "ml.m5.xlarge", []func(*endpoint.Component){memory(4097)}, []string{"InService i-1", "InService i-2", "InService i-3"}},
		{"by accelerators", "ml.g5.xlarge", []func(*endpoint.Component){func(c *endpoint.Component) { c.Needs.Accelerators = 1 }}, []string{"InService i-1", "InService i-2", "InService i-3"}},
		{"on one instance", "ml.m5.xlarge", nil, []string{"InService i-1", "InService i-1", "InService i-1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				require.NoError(t, w.Apply(t.Context(), component(append(test.needs, copies(3))...)))
				assert.Equal(t, test.want, w.copies())
			}, instanceType(test.instanceType))
		})
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		change []func(*endpoint.Component)
		want   string
	}{
		{"more than an empty instance has", []func(*endpoint.Component){memory(8193)}, "a copy reserves 1 CPU cores, 8193 MB of memory and 0 accelerators, and an empty ml.m5.xlarge has room for 4 CPU cores, 8192 MB"},
		{"a GPU on a CPU instance", []func(*endpoint.Component){func(c *endpoint.Component) { c.Needs.Accelerators = 1 }}, "not enough hardware resources"},
		{"more than all instances have", []func(*endpoint.Component){cores(4), copies(3)}, "MaxInstanceCount is 2, and 2 instances are full"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				err := w.Apply(t.Context(), component(test.change...))
				require.ErrorContains(t, err, "There is not enough hardware resources on the instances for this endpoint to create a copy of the inference component")
				require.ErrorContains(t, err, test.want)
				assert.Empty(t, w.launcher.Running())
				assert.Empty(t, w.State()[0].Components)
				require.NoError(t, w.Apply(t.Context(), component()), "the name is free")
			}, atMost(2))
		})
	}
}

func TestCopiesWaitForRoomAtMaxInstances(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Apply(t.Context(), component(cores(4))))
		require.NoError(t, w.SetDesiredCopies("music", 3))
		w.pass(time.Hour)
		assert.Equal(t, []string{"InService i-1", "InService i-2", "Pending"}, w.copies())
		assert.False(t, w.Updating("music"), "nothing is coming")
		other := component(cores(4), func(c *endpoint.Component) { c.Name = "other" })
		require.ErrorContains(t, w.Apply(t.Context(), other), "not enough hardware resources")
		require.NoError(t, w.SetDesiredCopies("music", 1))
		synctest.Wait()
		require.NoError(t, w.Apply(t.Context(), other), "a scale-in made room")
	}, atMost(2))
}

func TestAnUpdateOfAComponent(t *testing.T) {
	t.Run("provisions an instance for the new copy", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			require.NoError(t, w.Apply(t.Context(), component(cores(4))))
			assert.Equal(t, 4*time.Minute, w.took(func() { require.NoError(t, w.Apply(t.Context(), component(cores(4), image("music:2")))) }))
			assert.Equal(t, []string{"InService i-2"}, w.copies())
			require.Len(t, w.launcher.Running(), 1)
			assert.Equal(t, "music:2", w.launcher.Running()[0].Launch.Component.Image)
		}, atMost(2))
	})
	t.Run("fails without room for the new copy", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			require.NoError(t, w.Apply(t.Context(), component(cores(4))))
			require.ErrorContains(t, w.Apply(t.Context(), component(cores(4), image("music:2"))), "MaxInstanceCount is 1, and 1 instances are full")
			assert.Equal(t, http.StatusOK, w.invoke().Code, "the old copy keeps serving")
		}, atMost(1))
	})
	t.Run("wakes a sleeping one", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			require.NoError(t, w.Apply(t.Context(), component()))
			require.NoError(t, w.SetDesiredCopies("music", 0))
			w.pass(time.Hour)
			require.NoError(t, w.Apply(t.Context(), component(image("music:2"))))
			assert.Equal(t, http.StatusOK, w.invoke().Code)
		})
	})
	t.Run("refuses scaling meanwhile", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			done := make(chan error)
			go func() { done <- w.Apply(t.Context(), component(cores(4), copies(2))) }()
			synctest.Wait()
			assert.True(t, w.Updating("music"))
			require.ErrorContains(t, w.SetDesiredCopies("music", 0), "is being created, updated or deleted")
			require.NoError(t, <-done)
			require.ErrorContains(t, w.SetDesiredCopies("music", -1), "it must be 0 or more")
			require.ErrorContains(t, w.SetDesiredCopies("nope", 1), `Could not find inference component "nope"`)
		})
	})
	t.Run("that fails goes back to what was desired", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.launcher.Broken = func(l endpoint.Launch) bool { return l.Component.Image == "broken" }
			require.NoError(t, w.Apply(t.Context(), component(cores(4))))
			require.NoError(t, w.SetDesiredCopies("music", 2))
			require.ErrorContains(t, w.Apply(t.Context(), component(cores(4), image("broken"))), "the process ended with exit status 1 before it passed the ping health check")
			w.pass(5 * time.Minute)
			assert.Equal(t, http.StatusOK, w.invoke().Code)
			assert.Len(t, w.launcher.Running(), 2)
		})
	})
}

func TestNeverHealthy(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.launcher.StartTime = 24 * time.Hour
		took := w.took(func() {
			require.ErrorContains(t, w.Apply(t.Context(), component(func(c *endpoint.Component) { c.StartupTimeout = time.Hour })),
				"the container did not pass the ping health check within 1h0m0s")
		})
		assert.Equal(t, time.Hour, took)
		assert.Equal(t, 30*time.Minute, w.took(func() { require.Error(t, w.Apply(t.Context(), component())) }), "a process gets at least 30 real seconds")
	})
}

func TestAnotherInstanceType(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Apply(t.Context(), component(cores(4))))
		require.NoError(t, w.SetDesiredCopies("music", 2))
		w.pass(5 * time.Minute)

		require.ErrorContains(t, w.ApplyEndpoint(t.Context(), musicEndpoint(instanceType("ml.m5.large"), atMost(2))), `a copy of "music" reserves 4 CPU cores`)
		require.ErrorContains(t, w.ApplyEndpoint(t.Context(), musicEndpoint(instanceType("ml.q1.large"))), `InstanceType is "ml.q1.large", whose size localcloud does not know`)
		assert.Equal(t, []string{"InService i-1", "InService i-2"}, w.copies())

		done := make(chan error)
		go func() { done <- w.ApplyEndpoint(t.Context(), musicEndpoint(instanceType("ml.m5.2xlarge"), atMost(2))) }()
		w.pass(time.Minute)
		assert.Equal(t, []string{"Draining", "Draining", "Provisioning"}, w.instances())
		assert.Equal(t, http.StatusOK, w.invoke().Code, "the old instances keep serving")
		require.NoError(t, <-done)
		assert.Equal(t, []string{"InService i-3", "InService i-3"}, w.copies(), "both fit on the larger one")
		assert.Equal(t, "ml.m5.2xlarge", w.State()[0].InstanceType)

		require.NoError(t, w.Apply(t.Context(), component(func(c *endpoint.Component) { c.Name = "ocean" })))
		running := w.State()[0].Components[1].Copies
		w.launcher.Broken = func(l endpoint.Launch) bool { return l.Component.Name == "ocean" }
		require.ErrorContains(t, w.ApplyEndpoint(t.Context(), musicEndpoint(atMost(3))), "exit status 1")
		assert.Equal(t, running, w.State()[0].Components[1].Copies, "what failed to move was not touched")
		require.Len(t, w.copies(), 2)
		for _, moved := range w.copies() {
			assert.Contains(t, moved, "InService", "what had moved went back")
		}
		assert.Equal(t, []string{"InService", "InService"}, w.instances())
		assert.Equal(t, "ml.m5.2xlarge", w.State()[0].InstanceType)
	}, atMost(2))
}

func TestEndpointRefusals(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for name, change := range map[string]func(*endpoint.Endpoint){
			"EndpointName is":     func(e *endpoint.Endpoint) { e.Name = "a_b" },
			"the instance counts": func(e *endpoint.Endpoint) { e.InitialInstances = 4 },
			"ml.m5.x":             instanceType("ml.m5.x"),
			"ml.m5.4large":        instanceType("ml.m5.4large"),
		} {
			require.ErrorContains(t, w.ApplyEndpoint(t.Context(), musicEndpoint(change)), name)
		}
		require.ErrorContains(t, w.Apply(t.Context(), component(func(c *endpoint.Component) { c.Endpoint = "nope" })), `Could not find endpoint "nope"`)
		require.NoError(t, w.Apply(t.Context(), component()))
		require.ErrorContains(t, w.DeleteEndpoint("music-endpoint"), "has inference components: delete them first")
		require.NoError(t, w.Delete(t.Context(), "music"))
		require.NoError(t, w.DeleteEndpoint("music-endpoint"))
		require.NoError(t, w.DeleteEndpoint("music-endpoint"), "deleting twice is fine")
		assert.Empty(t, w.State())
		assert.Contains(t, w.invoke().Body.String(), "Endpoint music-endpoint of account 123456789012 not found.")

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.ErrorIs(t, w.ApplyEndpoint(ctx, musicEndpoint()), context.Canceled)
		assert.Empty(t, w.State(), "a creation that was stopped leaves nothing")
	})
}

func TestACopyThatDiesIsStartedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var broken atomic.Bool
		w.launcher.Broken = func(endpoint.Launch) bool { return broken.Load() }
		require.NoError(t, w.Apply(t.Context(), component()))
		starts := func() int { return len(w.launcher.Running()) }

		broken.Store(true)
		for _, p := range w.launcher.Running() {
			p.Exit("exit status 137")
		}
		synctest.Wait()
		for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			assert.Contains(t, w.invoke().Body.String(), "has no capacity")
			time.Sleep(pause*time.Second - time.Millisecond) //nolint:durationcheck,forbidigo // pause is a number.
			synctest.Wait()
			assert.Zero(t, starts(), "not before the pause of %d s is over", pause)
			broken.Store(pause < 60)
			time.Sleep(time.Millisecond) //nolint:forbidigo // Time in a bubble is fake.
			synctest.Wait()
			if !broken.Load() {
				break
			}
		}
		assert.Equal(t, http.StatusOK, w.invoke().Code)
		assert.Equal(t, []string{"InService i-1"}, w.copies(), "on the same instance")

		w.launcher.Running()[0].Exit("signal: segmentation fault")
		time.Sleep(time.Second) //nolint:forbidigo // Time in a bubble is fake.
		synctest.Wait()
		assert.Equal(t, http.StatusOK, w.invoke().Code, "a healthy life resets the pause")
	})
}

func TestMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		status := http.StatusOK
		w.launcher.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			<-release
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, "{}")
		})
		require.NoError(t, w.Apply(t.Context(), component(copies(2))))
		w.pass(15 * time.Second)
		w.metric("")
		w.pass(time.Minute)
		assert.Equal(t, []float64{0, 0, 0, 0, 0, 0}, w.metric("ConcurrentRequestsPerCopy"), "a sample every 10 seconds, also of nothing")

		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() { assert.Equal(t, http.StatusOK, w.invoke().Code) })
		}
		synctest.Wait()
		outstanding := 0
		for _, c := range w.State()[0].Components[0].Copies {
			outstanding += c.Outstanding
		}
		assert.Equal(t, 3, outstanding)
		w.pass(10 * time.Second)
		assert.Equal(t, []float64{1.5}, w.metric("ConcurrentRequestsPerCopy"))
		close(release)
		calls.Wait()
		assert.Equal(t, []float64{0.5, 0.5, 0.5}, w.metric("InvocationsPerCopy"))
		w.pass(20 * time.Second)
		assert.Equal(t, []float64{1.5, 0}, w.metric("ConcurrentRequestsPerCopy"), "what ended between two samples counts")

		status = http.StatusInternalServerError
		w.invoke()
		assert.Equal(t, []float64{1}, w.metric("Invocation5XXErrors"))
		status = http.StatusTeapot
		w.invoke()
		assert.Equal(t, []float64{1}, w.metric("Invocation4XXErrors"))
		require.NoError(t, w.SetDesiredCopies("music", 0))
		synctest.Wait()
		w.pass(time.Minute)
		assert.Empty(t, w.metric("ConcurrentRequestsPerCopy"), "nothing to sample without a copy")
	})
}
