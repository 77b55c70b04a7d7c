package tests

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaletozero/tests/e2e/runtimeapi"
)

// wakesByAlarm, in seconds, is what the first answer may take where only the
// alarm wakes the model: its period, an instance, and half as much again for the
// job to come back.
const wakesByAlarm = 1.5 * (60 + 240)

// benchJobs hands a thousand jobs in to a sleeping model, with the faults of
// TestNoJobIsLost, once with the worker asking for a copy itself and once without.
// One run each: a job whose worker was killed waits 90 seconds for the end of its
// lease. The rate is therefore that of the first 95 % of the jobs.
func benchJobs(b *testing.B) []figure {
	direct, byAlarm := newJobRun(b, jobCount, true), newJobRun(b, jobCount, false)
	for _, run := range []*jobRun{direct, byAlarm} {
		run.run()
		run.check()
	}
	return []figure{
		atMost(wakesByAlarm, "first answer of 1,000 jobs to a sleeping model, by the alarm", byAlarm.firstAnswer().Seconds(), "s of AWS time"),
		atMost(byAlarm.firstAnswer().Seconds(), "first answer of 1,000 jobs to a sleeping model, direct wake", direct.firstAnswer().Seconds(), "s of AWS time"),
		atLeast(20, "jobs under faults, by the alarm", byAlarm.perSecond(), "1/s"),
		atLeast(20, "jobs under faults, direct wake", direct.perSecond(), "1/s"),
	}
}

// perSecond is the rate, on the wall clock, at which the first 95 % of the jobs
// were answered once the first one was.
func (r *jobRun) perSecond() float64 {
	var ended []time.Time
	for _, job := range r.jobs {
		ended = append(ended, job.UpdatedAt)
	}
	slices.SortFunc(ended, time.Time.Compare)
	most := len(ended) * 95 / 100
	return float64(most) / ended[most-1].Sub(ended[0]).Seconds()
}

// benchFunctions weighs the functions and measures how long each takes from its
// start to its first request for an event, as Lambda measures an init.
func benchFunctions(b *testing.B) []figure {
	environment := map[string]string{
		"JOBS_TABLE": "jobs", "JOBS_QUEUE_URL": "http://127.0.0.1:1", "JOB_TTL_SECONDS": "60", "ALLOW_ORIGIN": "*",
		"DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1", "ENDPOINT_NAME": "e", "INFERENCE_COMPONENT_NAME": "c", "MAX_TRIES": "3", "DIRECT_WAKE": "true",
		"AWS_REGION": "ap-northeast-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	}
	var figures []figure
	for _, name := range []string{"submit", "worker"} {
		archive := filepath.Join(built.root, ".build", "functions", "host", name+".zip")
		info, err := os.Stat(archive)
		require.NoError(b, err)
		program, err := runtimeapi.Unpack(archive, b.TempDir())
		require.NoError(b, err)
		var inits []float64
		for range runs {
			function, err := runtimeapi.Start(b.Context(), program, environment)
			require.NoError(b, err)
			inits = append(inits, float64(function.Init)/float64(time.Millisecond))
			require.NoError(b, function.Close())
		}
		figures = append(figures,
			atMost(15, name+" function, zipped", float64(info.Size())/1e6, "MB"),
			atMost(100, name+" function, init", median(inits), "ms"))
	}
	return figures
}
