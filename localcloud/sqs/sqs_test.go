package sqs_test

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/sqs"
)

func TestAMessageIsHiddenUntilItIsDeleted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.send("a")
		first := w.receive(jobs)
		require.Len(t, first, 1)
		assert.Equal(t, id, first[0].ID)
		assert.Equal(t, "1", first[0].Attributes["ApproximateReceiveCount"])
		assert.Equal(t, [3]int{0, 1, 0}, w.counts("jobs"))
		w.pass(29 * time.Second)
		assert.Empty(t, w.receive(jobs))
		w.pass(time.Second)
		second := w.receive(jobs)
		require.Len(t, second, 1)
		assert.Equal(t, id, second[0].ID)
		assert.Equal(t, "2", second[0].Attributes["ApproximateReceiveCount"])
		assert.Equal(t, first[0].Attributes["ApproximateFirstReceiveTimestamp"], second[0].Attributes["ApproximateFirstReceiveTimestamp"])
		require.NoError(t, w.Delete(jobs, first[0].ReceiptHandle), "an old handle succeeds")
		assert.Equal(t, [3]int{0, 1, 0}, w.counts("jobs"), "and deletes nothing")
		require.NoError(t, w.Delete(jobs, second[0].ReceiptHandle))
		require.NoError(t, w.Delete(jobs, second[0].ReceiptHandle), "deleting twice is no error")
		w.pass(time.Minute)
		assert.Empty(t, w.receive(jobs))
		state := w.State()[1]
		assert.Equal(t, [3]int{1, 2, 1}, [3]int{state.Sent, state.Received, state.Deleted})
	})
}

func TestVisibilityCountsFromNow(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.send("a")
		m := w.receive(jobs)[0]
		w.pass(20 * time.Second)
		require.NoError(t, w.ChangeVisibility(jobs, m.ReceiptHandle, time.Minute))
		w.pass(59 * time.Second)
		assert.Empty(t, w.receive(jobs))
		w.pass(time.Second)
		assert.Equal(t, "MessageNotInflight", code(t, w.ChangeVisibility(jobs, m.ReceiptHandle, 0))[len("AWS.SimpleQueueService."):])
		m = w.receive(jobs)[0]
		require.NoError(t, w.ChangeVisibility(jobs, m.ReceiptHandle, 0))
		assert.Equal(t, [3]int{1, 0, 0}, w.counts("jobs"), "0 makes it visible at once")
	})
}

func TestTwelveHoursAreTheLongest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.send("a")
		got, err := w.Receive(t.Context(), jobs, sqs.Receive{Visibility: seconds(43200)})
		require.NoError(t, err)
		w.pass(time.Hour)
		err = w.ChangeVisibility(jobs, got[0].ReceiptHandle, 11*time.Hour+time.Minute)
		assert.Equal(t, "InvalidParameterValue", code(t, err))
		assert.ErrorContains(t, err, "beyond the limit [43200 seconds]")
		require.NoError(t, w.ChangeVisibility(jobs, got[0].ReceiptHandle, 11*time.Hour-time.Minute))
		assert.Equal(t, "InvalidParameterValue", code(t, w.ChangeVisibility(jobs, got[0].ReceiptHandle, sqs.MaxVisibility+time.Second)))
	}, func(q *sqs.Queue) { q.Retention = 96 * time.Hour })
}

func TestDelaysAndRetention(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.send("of the queue")
		_, err := w.Send(jobs, "its own", seconds(60))
		require.NoError(t, err)
		assert.Equal(t, [3]int{0, 0, 2}, w.counts("jobs"))
		w.pass(10 * time.Second)
		assert.Equal(t, []string{"of the queue"}, w.bodies())
		w.pass(50 * time.Second)
		assert.Equal(t, []string{"of the queue", "its own"}, w.bodies())
		w.pass(59 * time.Minute)
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("jobs"), "an hour is over")
	}, func(q *sqs.Queue) { q.Delay = 10 * time.Second })
}

func TestAfterTheLastReceiveComesTheDeadLetterQueue(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.send("poison")
		for range 3 {
			require.Len(t, w.receive(jobs), 1)
			w.pass(30 * time.Second)
		}
		assert.Equal(t, [3]int{1, 0, 0}, w.counts("jobs"), "it moves when it would be received once more")
		assert.Empty(t, w.receive(jobs))
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("jobs"))
		got := w.receive(dead)
		require.Len(t, got, 1)
		assert.Equal(t, id, got[0].ID)
		assert.Equal(t, "4", got[0].Attributes["ApproximateReceiveCount"], "receives count across queues")
		assert.Equal(t, jobs, got[0].Attributes["DeadLetterQueueSourceArn"])
		assert.Less(t, w.State()[0].Oldest, time.Second, "its age is that in this queue")
		w.pass(2*time.Hour - 90*time.Second)
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("dead"), "but its retention counts from when it was sent")
	})
}

func TestWithoutItsDeadLetterQueueAMessageStays(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Remove(dead)
		w.send("poison")
		for range 5 {
			require.Len(t, w.receive(jobs), 1)
			w.pass(30 * time.Second)
		}
	})
}

func TestLongPolling(t *testing.T) {
	tests := []struct {
		name string
		// meanwhile happens after 5 seconds of waiting for 20.
		meanwhile func(w *world, taken sqs.Message)
		took      time.Duration
		want      []string
	}{
		{"nothing comes", func(*world, sqs.Message) {}, 20 * time.Second, nil},
		{"a message comes", func(w *world, _ sqs.Message) { w.send("new") }, 5 * time.Second, []string{"new"}},
		{"a delayed one comes", func(w *world, _ sqs.Message) {
			_, err := w.Send(jobs, "late", seconds(7))
			assert.NoError(w.t, err)
		}, 12 * time.Second, []string{"late"}},
		{"one is given back", func(w *world, taken sqs.Message) {
			assert.NoError(w.t, w.ChangeVisibility(jobs, taken.ReceiptHandle, 3*time.Second))
		}, 8 * time.Second, []string{"taken"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.send("taken")
				taken := w.receive(jobs)[0]
				begun := w.clock.Now()
				go func() {
					<-w.clock.After(5 * time.Second)
					test.meanwhile(w, taken)
				}()
				got, err := w.Receive(t.Context(), jobs, sqs.Receive{Max: 10, Wait: seconds(20)})
				require.NoError(t, err)
				assert.Equal(t, test.took, w.clock.Since(begun).Round(10*time.Millisecond))
				var bodies []string
				for _, m := range got {
					bodies = append(bodies, m.Body)
				}
				assert.Equal(t, test.want, bodies)
			})
		})
	}
}

func TestRemovingAQueueEndsTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ended := make(chan error)
		go func() {
			_, err := w.Receive(t.Context(), jobs, sqs.Receive{Wait: seconds(20)})
			ended <- err
		}()
		synctest.Wait()
		w.Remove(jobs)
		assert.True(t, sqs.IsNoQueue(<-ended))
		_, found := w.Find(jobs)
		assert.False(t, found)
	})
}

func TestADuplicateIsAnotherDelivery(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.QueueDuplicate, Component: "jobs"}))
		id := w.send("a")
		first, second := w.receive(jobs), w.receive(jobs)
		require.Len(t, first, 1)
		require.Len(t, second, 1)
		assert.Equal(t, []string{id, id}, []string{first[0].ID, second[0].ID})
		require.NoError(t, w.Delete(jobs, first[0].ReceiptHandle))
		w.pass(30 * time.Second)
		assert.Equal(t, []string{"a"}, w.bodies(), "each delivery is deleted by itself")
		w.pass(30 * time.Second)
		last := w.receive(jobs)
		require.NoError(t, w.Delete(jobs, last[0].ReceiptHandle))
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("jobs"))
	})
}

func TestWhatIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.send("a")
		m := w.receive(jobs)[0]
		require.NoError(t, w.Delete(jobs, m.ReceiptHandle))
		send := func(body string, delay *time.Duration) error {
			_, err := w.Send(jobs, body, delay)
			return err
		}
		receive := func(arn string, want sqs.Receive) error {
			_, err := w.Receive(t.Context(), arn, want)
			return err
		}
		tests := []struct {
			name, code string
			err        error
		}{
			{"an empty body", "MissingParameter", send("", nil)},
			{"a body that is too large", "InvalidParameterValue", send(strings.Repeat("x", 262145), nil)},
			{"a control character", "InvalidMessageContents", send("\x00", nil)},
			{"a long delay", "InvalidParameterValue", send("a", seconds(901))},
			{"a delay into the past", "InvalidParameterValue", send("a", seconds(-1))},
			{"no queue to receive from", "AWS.SimpleQueueService.NonExistentQueue", receive("arn:none", sqs.Receive{})},
			{"too many", "InvalidParameterValue", receive(jobs, sqs.Receive{Max: 11})},
			{"a long wait", "InvalidParameterValue", receive(jobs, sqs.Receive{Wait: seconds(21)})},
			{"a long visibility", "InvalidParameterValue", receive(jobs, sqs.Receive{Visibility: seconds(43201)})},
			{"no handle to delete", "ReceiptHandleIsInvalid", w.Delete(jobs, "nonsense")},
			{"no handle to hide", "ReceiptHandleIsInvalid", w.ChangeVisibility(jobs, "nonsense", 0)},
			{"a deleted message", "InvalidParameterValue", w.ChangeVisibility(jobs, m.ReceiptHandle, 0)},
			{"no queue to delete from", "AWS.SimpleQueueService.NonExistentQueue", w.Delete("arn:none", m.ReceiptHandle)},
		}
		for _, test := range tests {
			assert.Equal(t, test.code, code(t, test.err), test.name)
		}
		require.NoError(t, send(strings.Repeat("x", 262144), nil))
		assert.ErrorContains(t, w.Create(jobsQueue()), "QueueNameExists")
		assert.ErrorContains(t, w.Update(sqs.Queue{Name: "other", ARN: "arn:other"}), `queue "other": AWS.SimpleQueueService.NonExistentQueue`)
	})
}

func TestMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		go w.Run(t.Context())
		w.send("12345")
		_, err := w.Send(jobs, "late", seconds(600))
		require.NoError(t, err)
		assert.Equal(t, []float64{1, 1}, w.metric("jobs NumberOfMessagesSent"))
		assert.Equal(t, []float64{5, 4}, w.metric("jobs SentMessageSize"))
		w.pass(61 * time.Second)
		assert.Equal(t, []float64{1}, w.metric("jobs ApproximateNumberOfMessagesVisible"))
		assert.Equal(t, []float64{1}, w.metric("jobs ApproximateNumberOfMessagesDelayed"))
		assert.InDeltaSlice(t, []float64{60}, w.metric("jobs ApproximateAgeOfOldestMessage"), 0.1)
		assert.Equal(t, []float64{0}, w.metric("dead ApproximateNumberOfMessagesVisible"))
		assert.Empty(t, w.metric("dead ApproximateAgeOfOldestMessage"))
		m := w.receive(jobs)
		assert.Equal(t, []float64{1}, w.metric("jobs NumberOfMessagesReceived"))
		assert.Empty(t, w.receive(jobs))
		assert.Equal(t, []float64{1}, w.metric("jobs NumberOfEmptyReceives"))
		require.NoError(t, w.Delete(jobs, m[0].ReceiptHandle))
		assert.Equal(t, []float64{1}, w.metric("jobs NumberOfMessagesDeleted"))
	})
}

func TestAMessageThatKeepsFailingIsNotTheOldest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		go w.Run(t.Context())
		w.send("poison")
		for range 3 {
			require.Len(t, w.receive(jobs), 1)
			w.pass(30 * time.Second)
		}
		w.metric("jobs ApproximateAgeOfOldestMessage")
		w.pass(time.Minute)
		assert.Empty(t, w.metric("jobs ApproximateAgeOfOldestMessage"))
		assert.Greater(t, w.State()[1].Oldest, 2*time.Minute, "though it is, to whoever looks")
	}, func(q *sqs.Queue) { q.MaxReceives = 1000 })
}

func TestMessagesSurviveARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.send("taken")
		taken := w.receive(jobs)[0]
		require.NoError(t, w.ChangeVisibility(jobs, taken.ReceiptHandle, 10*time.Minute))
		w.send("waiting")
		_, err := w.Send(jobs, "late", seconds(120))
		require.NoError(t, err)
		w.pass(time.Minute)
		require.NoError(t, w.Close())
		w.pass(30 * time.Minute)

		w = open(t, w.path)
		require.NoError(t, w.Close(), "one that ends before the queues are back keeps everything")
		w = open(t, w.path)
		w.Resume(jobsQueue())
		require.NoError(t, w.Create(deadQueue()))
		assert.Equal(t, [3]int{1, 1, 1}, w.counts("jobs"), "time stood still")
		assert.InDelta(t, time.Minute, w.State()[1].Oldest, float64(time.Second))
		assert.Equal(t, []string{"waiting"}, w.bodies())
		w.pass(time.Minute)
		assert.Equal(t, []string{"waiting", "late"}, w.bodies())
		w.pass(8 * time.Minute)
		for _, m := range w.receive(jobs) {
			if m.Body == "taken" {
				assert.Equal(t, []string{taken.ID, "2"}, []string{m.ID, m.Attributes["ApproximateReceiveCount"]})
				return
			}
		}
		t.Error("the message in flight is lost")
	}, func(q *sqs.Queue) { q.MaxReceives = 1000 })
}

func TestAKillLosesAMinuteAtMost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		go w.Run(t.Context())
		w.send("a")
		w.pass(61 * time.Second)
		w = open(t, w.path) // Nothing was closed.
		w.Resume(jobsQueue())
		assert.Equal(t, []string{"a"}, w.bodies())
	})
}

func TestANewQueueIsEmpty(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.send("a")
		require.NoError(t, w.Close())
		w = open(t, w.path)
		require.NoError(t, w.Create(jobsQueue()))
		assert.Empty(t, w.receive(jobs))
	})
}

func TestABrokenFileIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, os.WriteFile(w.path, []byte("{"), 0o600))
		_, err := sqs.New(sqs.Options{Clock: w.clock, Path: w.path})
		require.ErrorContains(t, err, "cannot be read")
		assert.ErrorContains(t, err, "move it away with `mv "+w.path)
	})
}

func TestManyAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const senders, each = 8, 25
		var all sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		for i := range senders {
			all.Go(func() {
				for j := range each {
					w.send(strconv.Itoa(i*each + j))
				}
			})
			all.Go(func() {
				for {
					got, err := w.Receive(t.Context(), jobs, sqs.Receive{Max: 10, Wait: seconds(5)})
					assert.NoError(t, err)
					if len(got) == 0 {
						return
					}
					for _, m := range got {
						mu.Lock()
						seen[m.Body]++
						mu.Unlock()
						assert.NoError(t, w.Delete(jobs, m.ReceiptHandle))
					}
				}
			})
		}
		all.Wait()
		assert.Len(t, seen, senders*each)
		for body, times := range seen {
			assert.Equal(t, 1, times, body)
		}
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("jobs"))
	})
}
