package settings

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Values are configuration values by key, the project's own without its name.
type Values map[string]string

// Source reads the values.
func (v Values) Source(key string) (string, bool) {
	value, found := v[key]
	return value, found
}

// Files is the configuration of a stack as its files have it: Pulumi.yaml's
// defaults under Pulumi.STACK.yaml. It is for what runs without the engine,
// and reads no secrets.
func Files(dir, stack string) (Values, error) {
	project, err := workspace.LoadProject(filepath.Join(dir, "Pulumi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	stackFile := filepath.Join(dir, "Pulumi."+stack+".yaml")
	declared, err := workspace.LoadProjectStack(nil, project, stackFile)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", stackFile, err)
	}
	values := Values{}
	for key, value := range project.Config {
		if text, ok := rendered(first(value.Value, value.Default)); ok {
			values[key] = text
		}
	}
	for key, value := range declared.Config {
		text, err := value.Value(config.NopDecrypter)
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", key, stackFile, err)
		}
		values[short(project.Name, key)] = text
	}
	return values, nil
}

// short is the key as a program asks for it: without the project's name.
func short(project tokens.PackageName, key config.Key) string {
	if key.Namespace() == string(project) {
		return key.Name()
	}
	return key.Namespace() + ":" + key.Name()
}

func first(values ...any) any {
	for _, value := range values {
		if value != nil {
			return value
		}
	}
	return nil
}

// rendered is the value as the engine hands it to a program: strings as they
// are, everything else as JSON.
func rendered(value any) (string, bool) {
	switch value := value.(type) {
	case nil:
		return "", false
	case string:
		return value, true
	default:
		text, err := json.Marshal(value)
		return string(text), err == nil
	}
}
