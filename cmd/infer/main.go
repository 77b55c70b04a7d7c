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
	"os"
	"time"

	"scaletozero/examples/calling"
)

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
	client := calling.Client{URL: url, Key: key, Progress: func(wait calling.Wait) {
		fmt.Fprintf(progress, "%v; asking again in %s …\n", wait.Reason, wait.For.Round(100*time.Millisecond))
	}}
	answer, err := client.Infer(ctx, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(bytes.TrimSpace(answer)))
	return err
}
