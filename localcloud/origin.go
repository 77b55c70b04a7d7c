//go:build unix

package localcloud

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"scaletozero/localcloud/shell"
)

// Origin says what a local cloud was started from. A running one whose origin differs from what a new start would have
// is out of date.
type Origin struct {
	// Program is the SHA-256 of the running executable, in hexadecimal.
	Program string `json:"program"`
	// Model is the SHA-256 of the model program's path, arguments and content, in hexadecimal.
	Model string `json:"model"`
	// Adapter is that of the adapter program's path and content; empty where there is none.
	Adapter string `json:"adapter,omitempty"`
	// Addr and ProviderAddr are the addresses that were asked for, which may have port 0.
	Addr         string `json:"addr"`
	ProviderAddr string `json:"providerAddr"`
	ConsoleAddr  string `json:"consoleAddr"`
	// Speed is the factor of the clock.
	Speed float64 `json:"speed"`
}

// Origin returns what a cloud that this process starts with the options would be started from.
func (o Options) Origin() (Origin, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return Origin{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return Origin{}, err
	}
	program, err := digest(self)
	if err != nil {
		return Origin{}, fmt.Errorf("the localcloud executable cannot be read: %w", err)
	}
	model, err := programDigest("model", o.Model[0], o.Model[1:]...)
	if err != nil {
		return Origin{}, err
	}
	adapter := ""
	if o.Adapter != "" {
		if adapter, err = programDigest("adapter", o.Adapter); err != nil {
			return Origin{}, err
		}
	}
	return Origin{
		Program: program, Model: model, Adapter: adapter, Addr: o.Addr, ProviderAddr: o.ProviderAddr, ConsoleAddr: o.ConsoleAddr, Speed: o.Speed,
	}, nil
}

// programDigest is the digest of a program that is found as a shell would find it.
func programDigest(which, program string, arguments ...string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	sum, err := digest(path, arguments...)
	if err != nil {
		return "", fmt.Errorf("the %s program cannot be read: %w", which, err)
	}
	return sum, nil
}

// Changed names what differs between two origins; it is empty if nothing does.
func (o Origin) Changed(other Origin) string {
	var changed []string
	for _, part := range []struct {
		name string
		same bool
	}{
		{"localcloud itself", o.Program == other.Program},
		{"the model program", o.Model == other.Model},
		{"the adapter program", o.Adapter == other.Adapter},
		{"the addresses", o.Addr == other.Addr && o.ProviderAddr == other.ProviderAddr && o.ConsoleAddr == other.ConsoleAddr},
		{"the speed", o.Speed == other.Speed},
	} {
		if !part.same {
			changed = append(changed, part.name)
		}
	}
	return strings.Join(changed, " and ")
}

// digest is the SHA-256 of a program's path, arguments and content, in hexadecimal.
func digest(path string, arguments ...string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = fmt.Fprintf(sum, "%q %q\n", path, arguments)
	if err == nil {
		_, err = io.Copy(sum, file)
	}
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, file.Close())
}

// Ask gets the Health of the local cloud that serves at url.
func Ask(url string) (now Health, err error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}} // Loopback needs no proxy.
	response, err := client.Get(url + HealthPath)
	if err != nil {
		return now, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	return now, json.NewDecoder(response.Body).Decode(&now)
}

// occupant says who listens at an address that is in use, if it is a local cloud, and how to make it stop.
func occupant(addr string) (by, remedy string) {
	other, err := Ask("http://" + addr)
	if err != nil || other.PID == 0 {
		return "", "stop what listens there"
	}
	return fmt.Sprintf(" by another localcloud (pid %d, state directory %s)", other.PID, other.StateDir),
		fmt.Sprintf("stop it with `localcloud stop --state %s`", shell.Quote(other.StateDir))
}
