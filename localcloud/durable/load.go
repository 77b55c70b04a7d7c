package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"scaletozero/localcloud/shell"
)

// Load reads the JSON file at path into a value; what names its content in the
// error. A file that is missing, or has no path, leaves the value as it is.
func Load(path, what string, into any) error {
	if path == "" {
		return nil
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		return fmt.Errorf("the file of %s %s cannot be read (%w); it was left as it is: move it away with `mv %s %s` to start without them",
			what, path, err, shell.Quote(path), shell.Quote(path+".broken"))
	}
	return nil
}
