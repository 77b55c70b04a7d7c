package dynamodb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"scaletozero/localcloud/durable"
	"scaletozero/localcloud/shell"
)

// load reads the file: the items by table. A missing one is empty.
func load(path string) (map[string][]item, error) {
	kept := map[string][]item{}
	if path == "" {
		return kept, nil
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &kept)
	}
	if err != nil {
		return nil, fmt.Errorf("the file of the tables' items %s cannot be read (%w); it was left as it is: move it away with `mv %s %s` to start with empty tables",
			path, err, shell.Quote(path), shell.Quote(path+".broken"))
	}
	return kept, nil
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
