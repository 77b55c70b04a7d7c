//go:build unix

package lambda

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"scaletozero/localcloud/process"
)

// program is what an environment of the version runs, but for where its output
// goes: the bootstrap of its archive, or what stands in for its image.
func (r *Runtime) program(v *version, kind, api string) (process.Spec, error) {
	// Of the machine's environment there is nothing but TMPDIR: no credentials, no
	// profile, and no home folder to find them in.
	all := machine("TMPDIR")
	spec := process.Spec{Dir: r.codePath(v.Code)}
	own := map[string]string{}
	if v.Image == "" {
		all["PATH"] = "/usr/local/bin:/usr/bin:/bin:/opt/bin"
		own["_HANDLER"], own["LAMBDA_TASK_ROOT"] = v.Handler, spec.Dir
		spec.Command = []string{filepath.Join(spec.Dir, bootstrap)}
	} else {
		port, err := process.FreePort()
		if err != nil {
			return spec, fmt.Errorf("finding a free port: %w", err)
		}
		// The machine stands in for the image, with the programs and files that it
		// has; and every image listens on the same port, on a network of its own.
		maps.Copy(all, machine("PATH", "HOME"))
		own["SAGEMAKER_BIND_TO_PORT"], own["BIND_HOST"] = strconv.Itoa(port), process.Loopback
		spec.Command, spec.Dir = r.options.Image, ""
	}
	all["LANG"], all["TZ"] = "en_US.UTF-8", ":UTC"
	maps.Copy(all, v.Environment)
	maps.Copy(all, own)
	maps.Copy(all, r.variables(v, kind, api))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		spec.Env = append(spec.Env, name+"="+all[name])
	}
	return spec, nil
}

// machine are those of the variables that this program has itself.
func machine(names ...string) map[string]string {
	found := map[string]string{}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			found[name] = value
		}
	}
	return found
}

// variables are what Lambda tells the program of a function (developer guide,
// "Defined runtime environment variables").
func (r *Runtime) variables(v *version, kind, api string) map[string]string {
	all := map[string]string{
		"AWS_LAMBDA_RUNTIME_API": api, "AWS_LAMBDA_FUNCTION_NAME": v.name, "AWS_LAMBDA_FUNCTION_VERSION": v.number,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(v.MemoryMB), "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + v.name, "AWS_LAMBDA_LOG_STREAM_NAME": v.number,
		"AWS_REGION": v.region, "AWS_DEFAULT_REGION": v.region,
		// The SDKs want some; nothing here looks at them.
		"AWS_ACCESS_KEY_ID": "localcloud", "AWS_SECRET_ACCESS_KEY": "localcloud", "AWS_SESSION_TOKEN": "localcloud",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	}
	for service, url := range r.options.Endpoints {
		all["AWS_ENDPOINT_URL_"+service] = url
	}
	return all
}

// ReservedVariables returns those that a function may not set, ordered (developer
// guide, "Defined runtime environment variables").
func ReservedVariables(environment map[string]string) []string {
	var reserved []string
	for name := range environment {
		switch {
		case strings.HasPrefix(name, "AWS_LAMBDA_") && name != "AWS_LAMBDA_EXEC_WRAPPER",
			slices.Contains([]string{
				"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
				"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
			}, name):
			reserved = append(reserved, name)
		}
	}
	slices.Sort(reserved)
	return reserved
}
