package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"scaletozero/localcloud/durable"
	"scaletozero/localcloud/shell"
)

// stateFormat is the version of the state file that this code reads and writes.
const stateFormat = 1

// Resource is one resource as the local cloud keeps it. Outputs are not kept: they are computed from the rest.
type Resource struct {
	// Type is the Pulumi type token, such as "aws:iam/role:Role".
	Type string `json:"type"`
	// ID is what the real provider would use as Pulumi ID: a name, an ARN or a generated identifier.
	ID  string `json:"id"`
	URN string `json:"urn"`
	// Region and Tags (the provider's default tags together with the resource's own) are those at the last
	// create or update.
	Region  string            `json:"region"`
	Tags    map[string]string `json:"tags,omitempty"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated"`
	// Inputs are the checked inputs, as JSON values.
	Inputs Properties `json:"inputs"`
	// Data is what the type needs besides its inputs: the snapshot of a deployment, the value of a generated key,
	// the resources of a CloudFormation stack.
	Data json.RawMessage `json:"data,omitempty"`
}

type stateFile struct {
	Format    int         `json:"format"`
	Resources []*Resource `json:"resources"`
}

// Store keeps the resources in memory and in one JSON file, which is replaced as a whole by every change. The file
// holds the values of API keys, hence its mode 0600. Resources that a Store hands out must not be changed: a change
// is a new Resource, given to Replace.
type Store struct {
	path string

	mu        sync.Mutex
	resources []*Resource
	reserved  map[string]bool
}

// OpenStore reads the state file at path; a missing one is an empty state. It refuses a file that it cannot read in
// full, so that no state is ever overwritten by less.
func OpenStore(path string) (*Store, error) {
	s := &Store{path: path, reserved: map[string]bool{}}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the state file %s cannot be read: %w", path, err)
	}
	var state stateFile
	if err := json.Unmarshal(content, &state); err != nil {
		return nil, unusable(path, fmt.Sprintf("is not valid JSON (%v)", err))
	}
	if state.Format != stateFormat {
		return nil, unusable(path, fmt.Sprintf("has format %d, and this localcloud reads format %d", state.Format, stateFormat))
	}
	for i, r := range state.Resources {
		if r == nil || r.Type == "" || r.ID == "" {
			return nil, unusable(path, fmt.Sprintf("has no type or no id in resource %d", i))
		}
	}
	s.resources = state.Resources
	return s, nil
}

func unusable(path, what string) error {
	return fmt.Errorf("the state file %s %s; it was left as it is: move it away with `mv %s %s` to start empty, "+
		"or take the local stack down with `make local-down`", path, what, shell.Quote(path), shell.Quote(path+".broken"))
}

// Resources returns the resources of a type, oldest first; all of them if token is empty.
func (s *Store) Resources(token string) []*Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*Resource
	for _, r := range s.resources {
		if token == "" || r.Type == token {
			found = append(found, r)
		}
	}
	return found
}

// Find returns the resource with this type and ID, or nil. IDs are unique only within what AWS makes them unique in
// (two usage plans may hold the same key), so the one with the given URN is preferred.
func (s *Store) Find(token, id, urn string) *Resource {
	var found *Resource
	for _, r := range s.Resources(token) {
		if r.ID == id && (found == nil || r.URN == urn) {
			found = r
		}
	}
	return found
}

// Reserve claims an identity for a resource that is being created, which may take a while. It reports false if
// another create holds it; release must be called when the create is over.
func (s *Store) Reserve(identity string) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reserved[identity] {
		return nil, false
	}
	s.reserved[identity] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.reserved, identity)
	}, true
}

// Replace puts next in the place of old and saves. A nil old adds next, a nil next removes old. If saving fails
// nothing has changed.
func (s *Store) Replace(old, next *Resource) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := slices.Clone(s.resources)
	switch at := slices.Index(changed, old); {
	case at < 0 && next != nil:
		changed = append(changed, next)
	case at >= 0 && next != nil:
		changed[at] = next
	case at >= 0:
		changed = slices.Delete(changed, at, at+1)
	}
	content, err := json.MarshalIndent(stateFile{Format: stateFormat, Resources: changed}, "", "  ")
	if err != nil {
		return fmt.Errorf("the state cannot be encoded: %w", err)
	}
	if err := durable.Write(s.path, content); err != nil {
		return fmt.Errorf("the state file %s cannot be written: %w", s.path, err)
	}
	s.resources = changed
	return nil
}
