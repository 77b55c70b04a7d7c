// Command infer sends a file to an inference API and prints the answer. While
// the API says that the model is starting, it waits and asks again; with -job it
// hands the file in as a job, and fetches the answer.
//
//	API_URL=… API_KEY=… infer [-within 15m] model/request.json
//	JOBS_URL=… API_KEY=… infer -job [-within 15m] model/request.json
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"scaletozero/examples/calling"
)

func main() {
	within := flag.Duration("within", 15*time.Minute, "how long to wait for a model that is starting")
	job := flag.Bool("job", false, "hand the file in as a job")
	flag.Parse()
	if err := run(*within, *job, flag.Args(), os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "infer:", err)
		os.Exit(1)
	}
}

func run(within time.Duration, job bool, files []string, env func(string) string, out, progress io.Writer) error {
	urlName, send := "API_URL", (*calling.Client).Infer
	if job {
		urlName, send = "JOBS_URL", (*calling.Client).Job
	}
	url, key := env(urlName), env("API_KEY")
	if url == "" || key == "" {
		return fmt.Errorf("%s and API_KEY must be set; for the local stack, `. .local/env` sets them", urlName)
	}
	if len(files) != 1 {
		return fmt.Errorf("name one file to send, such as model/request.json; got %d", len(files))
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	client := calling.Client{URL: url, Key: key, Progress: func(wait calling.Wait) {
		fmt.Fprintf(progress, "%v; asking again in %s …\n", wait.Reason, wait.For.Round(100*time.Millisecond))
	}}
	answer, err := send(&client, ctx, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(bytes.TrimSpace(answer)))
	return err
}
