package endpoint

import (
	"net/http"
	"time"
)

// Launcher starts the program of one copy. The default runs Options.Command as
// a process on loopback; tests give one that stays in memory.
type Launcher interface {
	Launch(l Launch) (Process, error)
}

// Launch is what a copy shall run.
type Launch struct {
	Component Component
	// Number is the copy's, counted over the component's life from 1.
	Number int
}

// Process is a started program. Its RoundTrip carries requests to it: only
// their path counts, not their host.
type Process interface {
	http.RoundTripper
	// Exited is closed once the program has ended.
	Exited() <-chan struct{}
	// Status describes how the program ended, once Exited is closed: "exit
	// status 1", "signal: killed".
	Status() string
	// Kill ends the program at once and without warning.
	Kill()
	// Stop asks the program to end, kills it after the grace time, and returns
	// when it is gone.
	Stop(grace time.Duration)
}
