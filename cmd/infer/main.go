// Command infer sends a file to an inference API and prints the answer. While
// the API says that the model is starting, it waits and asks again.
//
//	API_URL=… API_KEY=… infer [-within 15m] model/request.json
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// attemptTimeout is a little more than API Gateway's own limit of 29 seconds.
const attemptTimeout = 35 * time.Second

func main() {
	within := flag.Duration("within", 15*time.Minute, "how long to wait for a model that is starting")
	flag.Parse()
	if err := run(*within, flag.Args(), os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "infer:", err)
		os.Exit(1)
	}
}

func run(within time.Duration, files []string, env func(string) string, out, progress io.Writer) error {
	url, key := env("API_URL"), env("API_KEY")
	if url == "" || key == "" {
		return errors.New("API_URL and API_KEY must be set; for the local stack, `. .local/env` sets them")
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
	for {
		wait, err := attempt(ctx, url, key, body, out)
		if err != nil || wait == 0 {
			return err
		}
		fmt.Fprintf(progress, "the model is starting, asking again in %s …\n", wait)
		select {
		case <-ctx.Done():
			return fmt.Errorf("the model did not start in time: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
}

// attempt asks once. A wait above zero means to ask again after it.
func attempt(ctx context.Context, url, key string, body []byte, out io.Writer) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("API_URL: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Api-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("calling the API: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		_, err := fmt.Fprintln(out, string(bytes.TrimSpace(answer)))
		return 0, err
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			return time.Duration(seconds) * time.Second, nil
		}
	}
	return 0, fmt.Errorf("the API answered %s: %s", response.Status, bytes.TrimSpace(answer))
}
