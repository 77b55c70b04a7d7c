package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary stand in for the built server, so that the
// process tests need no compiler.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_MODEL") != "" {
		os.Args = append(os.Args[:1], "serve")
		main()
		return
	}
	os.Exit(m.Run())
}

func modelProcess(t *testing.T, port string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), "RUN_AS_MODEL=1", "BIND_HOST=127.0.0.1", "SAGEMAKER_BIND_TO_PORT="+port)
	return command
}

func TestSIGTERMDrainsTheRequestInFlight(t *testing.T) {
	command := modelProcess(t, "0")
	stderr, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	log := bufio.NewScanner(stderr)
	require.True(t, log.Scan())
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(log.Text())
	require.NotEmpty(t, address, log.Text())

	// The request is in flight, with half of its body sent, when SIGTERM comes.
	// The 100 Continue proves that the handler has begun to read it.
	connection, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer connection.Close()
	head, tail := seedRequest[:20], seedRequest[20:]
	_, err = io.WriteString(connection, "POST /invocations HTTP/1.1\r\nHost: model\r\nExpect: 100-continue\r\nContent-Length: "+
		strconv.Itoa(len(seedRequest))+"\r\n\r\n")
	require.NoError(t, err)
	answers := bufio.NewReader(connection)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = answers.ReadString('\n')
	require.NoError(t, err)
	_, err = io.WriteString(connection, head)
	require.NoError(t, err)

	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.True(t, log.Scan())
	require.Contains(t, log.Text(), "waiting for the requests in flight")
	_, err = io.WriteString(connection, tail)
	require.NoError(t, err)
	response, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Contains(t, string(body), `"id":"1"`)
	assert.NoError(t, command.Wait(), "a drained server exits with 0")
}

func TestAnInvalidPortEndsTheProcess(t *testing.T) {
	command := modelProcess(t, "eighty")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	var exit *exec.ExitError
	require.ErrorAs(t, command.Run(), &exit)
	assert.Equal(t, 1, exit.ExitCode())
	assert.Contains(t, stderr.String(), `SAGEMAKER_BIND_TO_PORT is "eighty": it must be a port number`)
	assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), "one sentence, no stack trace")
}
