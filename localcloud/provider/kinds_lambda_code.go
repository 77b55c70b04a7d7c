package provider

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"

	"scaletozero/localcloud/lambda"
)

// functionData is what a function has besides its inputs: its code, and what was published of it.
type functionData struct {
	// SHA256 is the zip's, in hexadecimal, or what stands for an image; ArchiveHash is that of what the program gave, as
	// the engine counts it.
	SHA256      string `json:"sha256"`
	ArchiveHash string `json:"archiveHash"`
	// Size is the zip's, in bytes.
	Size int `json:"size"`
	// Last is the number of the newest version; Fingerprint stands for what it was published with.
	Last        int    `json:"last,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	// Published are the versions that can still be called: the newest, and those that an alias named when it was
	// published.
	Published []lambda.Version `json:"published,omitempty"`
}

func functionDataOf(r *Resource) functionData {
	var data functionData
	if json.Unmarshal(r.Data, &data) != nil {
		return functionData{} // In a preview nothing is read.
	}
	return data
}

// codeSHA256 is the SHA-256 as Lambda writes it: in base 64 for an archive, in hexadecimal for an image.
func (d functionData) codeSHA256() string {
	sum, err := hex.DecodeString(d.SHA256)
	if err != nil || d.Size == 0 {
		return d.SHA256
	}
	return base64.StdEncoding.EncodeToString(sum)
}

// version is the newest one.
func (d functionData) version() string {
	if d.Last == 0 {
		return lambda.Latest
	}
	return strconv.Itoa(d.Last)
}

// versioned are the inputs that a version keeps. The others are the function's, or do not change what runs.
func versioned(r *Resource) Properties {
	kept := maps.Clone(r.Inputs)
	for _, input := range []string{
		"name", "packageType", "publish", "replaceSecurityGroupsOnDestroy", "replacementSecurityGroupIds", "reservedConcurrentExecutions", "skipDestroy", "tags",
	} {
		delete(kept, input)
	}
	return kept
}

// publishes tells, in a preview, whether an update is to publish a version: where something changes that a version
// keeps. It may turn out that the code has not.
func publishes(old, r *Resource) bool {
	return r.Inputs.flag("publish") && (old == nil || !old.Inputs.flag("publish") || !reflect.DeepEqual(versioned(old), versioned(r)))
}

// publishVersion keeps a version of what the function has now, unless the newest one is the same (developer guide, "Manage
// Lambda function versions"), and forgets those that nobody can name any more.
func (s *Server) publishVersion(r *Resource, data *functionData) error {
	kept := versioned(r)
	kept["code"] = data.SHA256
	encoded, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(encoded)
	if fingerprint := hex.EncodeToString(sum[:]); r.Inputs.flag("publish") && fingerprint != data.Fingerprint {
		data.Last, data.Fingerprint = data.Last+1, fingerprint
		data.Published = append(data.Published, lambda.Version{Number: data.version(), Configuration: configurationOf(r, *data)})
	}
	named := map[string]bool{data.version(): true}
	for _, alias := range s.store.Resources(TypeAlias) {
		if aliasedFunction(alias) == r.Inputs.text("name") {
			named[alias.Inputs.text("functionVersion")] = true
		}
	}
	data.Published = slices.DeleteFunc(data.Published, func(v lambda.Version) bool { return !named[v.Number] })
	return nil
}

// archiveOf is the archive that a function's code input is kept as.
func archiveOf(r *Resource) (*archive.Archive, error) {
	given, ok, err := archive.Deserialize(r.Inputs.object("code"))
	if err != nil || !ok || given.IsURI() {
		return nil, errors.New("code must be an archive of files on this machine, such as pulumi.NewFileArchive of a zip")
	}
	return given, nil
}

// readArchive reads a function's zip. A relative path counts from where localcloud was started, which need not be where
// the engine runs: the hash tells whether it is the same.
func readArchive(given *archive.Archive) ([]byte, error) {
	const remedy = "give an absolute path, or start localcloud in the program's directory"
	found := *given
	found.Hash = ""
	if err := found.EnsureHash(); err != nil {
		return nil, fmt.Errorf("the code of the function cannot be read: %w: %s", err, remedy)
	}
	if given.Hash != "" && found.Hash != given.Hash {
		return nil, fmt.Errorf("the code of the function at %q is not what the program was run with: %s", given.Path, remedy)
	}
	return found.Bytes(archive.ZIPArchive)
}

// load notes what the function's code is now and returns the archive. Code that has not changed is not needed again:
// there is no archive then, and none for an image.
func (d *functionData) load(r *Resource) ([]byte, error) {
	if uri := r.Inputs.text("imageUri"); r.Inputs.text("packageType") == packageImage {
		_, digest, byDigest := strings.Cut(uri, "@sha256:")
		if !byDigest {
			// Nobody looks into a registry for what the tag stands for.
			digest = lambda.Digest([]byte(uri))
		}
		d.SHA256, d.ArchiveHash, d.Size = digest, "", 0
		return nil, nil
	}
	given, err := archiveOf(r)
	if err != nil {
		return nil, err
	}
	content, err := readArchive(given)
	switch {
	case err == nil:
		d.SHA256, d.ArchiveHash, d.Size = lambda.Digest(content), given.Hash, len(content)
	case given.Hash == "" || d.ArchiveHash != given.Hash:
		return nil, err
	}
	return content, nil
}

// runFunction puts the function's code and configuration in place, and publishes them if it is to.
func runFunction(_ context.Context, s *Server, _, r *Resource) error {
	data := functionDataOf(r)
	content, err := data.load(r)
	if err != nil {
		return err
	}
	if err := s.publishVersion(r, &data); err != nil {
		return err
	}
	if r.Data, err = json.Marshal(data); err != nil {
		return err
	}
	if err := s.options.Functions.Apply(functionOf(r), content); err != nil {
		return err
	}
	s.problems.note(r.ID, nil)
	s.resumeAliases(r) // They are gone where the function could not run until now.
	return nil
}

// functionOf is the function that a checked resource describes.
func functionOf(r *Resource) lambda.Function {
	data := functionDataOf(r)
	return lambda.Function{
		Name: r.Inputs.text("name"), ARN: functionARN(r), Region: r.Region, Reserved: int(r.Inputs.number("reservedConcurrentExecutions")),
		Configuration: configurationOf(r, data), Published: data.Published,
	}
}

// configurationOf is what a version of the function is made of.
func configurationOf(r *Resource, data functionData) lambda.Configuration {
	c := lambda.Configuration{
		Image: r.Inputs.text("imageUri"), Handler: r.Inputs.text("handler"),
		Environment: r.Inputs.object("environment").texts("variables"), MemoryMB: int(r.Inputs.number("memorySize")),
		Timeout: r.Inputs.seconds("timeout"), Tracing: r.Inputs.object("tracingConfig").text("mode") == "Active",
	}
	if c.Image == "" {
		c.Code = data.SHA256
	}
	return c
}
