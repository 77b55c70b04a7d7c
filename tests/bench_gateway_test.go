package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// callers send at once where requests per second are measured.
	callers = 32
	// alternating is how many requests go each way where latencies are compared.
	alternating = 1500
	// turns of one length each side has where requests per second are compared.
	turns = 10
	turn  = 200 * time.Millisecond
	// playlist is how many songs the larger of the two requests has.
	playlist = 100
)

// benchGateway compares requests through the deployed API with requests straight
// to the process of its model. Callers and gateway share one process, and the
// machine is shared by all three, so that every microsecond of the gateway's is
// one that the model does not have.
//
// How many requests get through is measured with a playlist, since a single song
// keeps the sample model busy for less time than one HTTP request costs: a second
// hop, whatever it does, then takes more than the half. The figure for one song
// is there to show just that.
func benchGateway(b *testing.B) []figure {
	s := newStack(b)
	s.set("maxInstanceCount", "1") // One copy: no second process may help.
	s.set("rateLimit", "10000")
	s.set("burstLimit", "5000")
	s.set("monthlyQuota", "1000000000")
	s.up()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers, DisableCompression: true}}
	defer client.CloseIdleConnections()
	through := target{client, s.output("apiGatewayUrl"), s.output("apiKeyValue"), []byte(songs(b))}
	straight := target{client, modelURL(b, s.state), "", []byte(songs(b))}

	var p50, p99, one, many, perSecond []float64
	for range runs {
		low, high := overhead(b, straight, through)
		p50, p99 = append(p50, low), append(p99, high)
		alone, gated := throughput(b, straight, through)
		perSecond, one = append(perSecond, gated), append(one, gated/alone)
		long := playlistOf(b, playlist)
		alone, gated = throughput(b, straight.with(long), through.with(long))
		many = append(many, gated/alone)
	}
	return []figure{
		atMost(0.5, "gateway overhead, p50", median(p50), "ms"),
		atMost(2, "gateway overhead, p99", median(p99), "ms"),
		atLeast(0.5, fmt.Sprintf("requests/s through the gateway over straight to the model, %d songs", playlist), median(many), "ratio"),
		atLeast(0.2, "requests/s through the gateway over straight to the model, 1 song", median(one), "ratio"),
		atLeast(1000, "requests/s through the gateway, 1 song", median(perSecond), "1/s"),
	}
}

// playlistOf is the sample request with n songs in place of one.
func playlistOf(b *testing.B, n int) []byte {
	b.Helper()
	var request map[string]any
	require.NoError(b, json.Unmarshal([]byte(songs(b)), &request))
	list := make([]any, n)
	for i := range list {
		list[i] = map[string]string{"id": strconv.Itoa(i), "title": fmt.Sprintf("Song Title %d", i), "artist": "Artist Name"}
	}
	request["songs"] = list
	body, err := json.Marshal(request)
	require.NoError(b, err)
	return body
}

// target is where a request goes.
type target struct {
	client   *http.Client
	url, key string
	body     []byte
}

func (t target) with(body []byte) target {
	t.body = body
	return t
}

func (t target) send(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(t.body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if t.key != "" {
		request.Header.Set("X-Api-Key", t.key)
	}
	response, err := t.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", t.url, response.Status)
	}
	return err
}

// overhead is by how many milliseconds the gateway is slower than the model
// alone, at the 50th and the 99th percentile. Requests go one at a time and take
// turns, so that whatever else the machine does strikes both alike.
func overhead(b *testing.B, straight, through target) (p50, p99 float64) {
	b.Helper()
	var alone, gated []float64
	for range alternating {
		for _, side := range []struct {
			target
			took *[]float64
		}{{straight, &alone}, {through, &gated}} {
			began := time.Now()
			require.NoError(b, side.send(b.Context()))
			*side.took = append(*side.took, float64(time.Since(began))/float64(time.Millisecond))
		}
	}
	return percentile(gated, 0.5) - percentile(alone, 0.5), percentile(gated, 0.99) - percentile(alone, 0.99)
}

// throughput is how many requests a second are answered by the model alone, and
// through the gateway. They take turns, for the same reason as in overhead.
func throughput(b *testing.B, straight, through target) (alone, gated float64) {
	b.Helper()
	for range turns {
		alone += answered(b, straight) / turns
		gated += answered(b, through) / turns
	}
	return alone, gated
}

// answered is how many requests a second one side answers in its turn.
func answered(b *testing.B, to target) float64 {
	b.Helper()
	var count atomic.Int64
	failures := make(chan error, callers)
	began := time.Now()
	var sending sync.WaitGroup
	for range callers {
		sending.Go(func() {
			for time.Since(began) < turn {
				if err := to.send(b.Context()); err != nil {
					failures <- err
					return
				}
				count.Add(1)
			}
		})
	}
	sending.Wait()
	close(failures)
	require.NoError(b, <-failures)
	return float64(count.Load()) / time.Since(began).Seconds()
}

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// modelURL is where the stack's one model process listens, as it says itself in
// its log.
func modelURL(b *testing.B, state string) string {
	b.Helper()
	logs, err := filepath.Glob(filepath.Join(state, "logs", "*.log"))
	require.NoError(b, err)
	for _, log := range logs {
		text, err := os.ReadFile(log)
		require.NoError(b, err)
		if found := listening.FindAllSubmatch(text, -1); found != nil {
			return "http://" + string(found[len(found)-1][1]) + "/invocations"
		}
	}
	require.Fail(b, "no model process has logged where it listens", "%q", logs)
	return ""
}
