package provider

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

// problems is what is deployed but does not run, by the name of what it is.
type problems struct {
	mu      sync.Mutex
	current map[string]error
}

// note records how the latest attempt to run something ended; nil means that it runs, or is gone.
func (p *problems) note(what string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.current, what)
		return
	}
	if p.current == nil {
		p.current = map[string]error{}
	}
	p.current[what] = err
}

// Problem says what is deployed but could not be started by Resume and has not been mended since; nil if all runs.
func (s *Server) Problem() error {
	s.problems.mu.Lock()
	defer s.problems.mu.Unlock()
	var all []error
	for _, what := range slices.Sorted(maps.Keys(s.problems.current)) {
		all = append(all, s.problems.current[what])
	}
	return errors.Join(all...)
}
