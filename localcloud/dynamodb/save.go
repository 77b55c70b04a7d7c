package dynamodb

import (
	"encoding/json"
	"fmt"
	"maps"

	"scaletozero/localcloud/durable"
)

// load reads the file: the items by table. A missing one is empty.
func load(path string) (map[string][]item, error) {
	kept := map[string][]item{}
	err := durable.Load(path, "the tables' items", &kept)
	return kept, err
}

// save writes the file, if it is out of date.
func (s *Service) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.changed || s.options.Path == "" {
		return nil
	}
	all := maps.Clone(s.kept)
	for name := range s.tables {
		items, err := s.items(name)
		if err != nil {
			return err
		}
		all[name] = items
	}
	content, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("the items of the tables cannot be encoded: %w", err)
	}
	if err := durable.Write(s.options.Path, content); err != nil {
		return fmt.Errorf("the items of the tables cannot be written: %w", err)
	}
	s.changed = false
	return nil
}
