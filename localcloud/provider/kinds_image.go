package provider

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-docker-build/sdk/go/dockerbuild"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// imageKind pushes images to the repositories of the local cloud. It builds nothing, since the local cloud's model
// program stands in for every image: an image is known by its digest, which follows from the build's files and
// arguments. The behaviour is that of pulumi-docker-build v0.0.3.
var imageKind = &kind{
	inputs:   schemaOf(&dockerbuild.ImageArgs{}),
	noRegion: true,
	defaults: Properties{"buildOnPreview": true, "network": "default"},
	volatile: []string{"contextHash", "digest", "ref"},
	secret:   []string{"registries"},
	refuse:   refuseImage,
	compare:  compareImage,
	// A pushed image has its digest as ID, see pushImage.
	id:  func(_ *Server, r *Resource) string { return r.URN[strings.LastIndex(r.URN, ":")+1:] },
	run: pushImage,
	remove: func(_ context.Context, s *Server, r *Resource) error {
		return s.forget(r, func(other *Resource) bool { return imageOf(other).Digest == imageOf(r).Digest })
	},
	outputs: func(_ *Server, r *Resource) Properties {
		image, ref := imageOf(r), ""
		if tags := imageTags(r); len(tags) > 0 {
			ref = tags[0]
			if image.Digest != "" {
				ref += "@" + image.Digest
			}
		}
		return Properties{"contextHash": image.ContextHash, "digest": image.Digest, "ref": ref}
	},
}

// image is the result of a build. Only a pushed one has a digest.
type image struct {
	ContextHash string `json:"contextHash"`
	Digest      string `json:"digest"`
	// OCI tells whether the manifest has OCI's media types and not Docker's.
	OCI bool `json:"oci"`
}

func imageOf(r *Resource) image {
	var built image
	if json.Unmarshal(r.Data, &built) != nil {
		return image{} // In a preview nothing is built.
	}
	return built
}

// imageTags are the tags of an image, each with its repository in front.
func imageTags(r *Resource) []string {
	list, _ := r.Inputs["tags"].([]any)
	var tags []string
	for _, element := range list {
		if tag, ok := element.(string); ok {
			tags = append(tags, tag)
		}
	}
	return tags
}

// refuseImage checks what a preview can know: that the build has its files, and one destination.
func refuseImage(given Properties) *pulumirpc.CheckFailure {
	if given.flag("push") && len(given.objects("exports")) > 0 {
		return &pulumirpc.CheckFailure{Property: "exports", Reason: "multiple exports require a v0.13 buildkit daemon or newer: " +
			"set push to false, since an export to a registry pushes too"}
	}
	if _, err := contextHash(given); err != nil {
		return &pulumirpc.CheckFailure{Property: "context", Reason: err.Error()}
	}
	return nil
}

// compareImage finds changed files of the build, and overlooks passwords, which are new in every run.
func compareImage(state, news Properties, changes map[string]*pulumirpc.PropertyDiff) {
	for path := range changes {
		if strings.HasPrefix(path, "registries[") && strings.HasSuffix(path, "].password") {
			delete(changes, path)
		}
	}
	if hash, err := contextHash(news); err == nil && hash != state.text("contextHash") {
		changes["contextHash"] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE}
	}
}

// contextHash is the SHA-256, in hexadecimal, of the build's files; it is empty while the context is not known.
func contextHash(given Properties) (string, error) {
	folder := given.object("context").text("location")
	if folder == "" {
		return "", nil
	}
	dockerfile := given.object("dockerfile").text("inline")
	if dockerfile == "" {
		path := given.object("dockerfile").text("location")
		if path == "" {
			path = filepath.Join(folder, "Dockerfile")
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("the Dockerfile of the build cannot be read: %w: give an absolute path, or start localcloud in the program's directory", err)
		}
		dockerfile = string(content)
	}
	return contextDigest(folder, []any{dockerfile})
}

// pushImage gives the image its digest and stores it in the repositories that its tags name.
func pushImage(_ context.Context, s *Server, old, r *Resource) error {
	hash, err := contextHash(r.Inputs)
	if err != nil {
		return err
	}
	pushed, oci := pushes(r.Inputs)
	built := image{ContextHash: hash, OCI: oci}
	if pushed {
		content, err := json.Marshal([]any{hash, r.Inputs["platforms"], r.Inputs["target"], r.Inputs["buildArgs"], oci})
		if err != nil {
			return err
		}
		built.Digest = fmt.Sprintf("sha256:%x", sha256.Sum256(content))
		for _, tag := range imageTags(r) {
			if err := s.checkPush(tag, built.Digest); err != nil {
				return fmt.Errorf("failed to push %s: %w", tag, err)
			}
		}
	}
	if r.Data, err = json.Marshal(built); err != nil || old != nil || !pushed {
		return err
	}
	r.ID = built.Digest
	// Pushing an image that was left in the repository makes no second one.
	return s.forget(r, func(other *Resource) bool { return other.ID == r.ID && other.URN == r.URN })
}

// pushes tells whether a build pushes its image, and whether with OCI's media types: BuildKit's default, but not that
// of docker-build's exports (moby/buildkit#6824).
func pushes(given Properties) (pushed, oci bool) {
	pushed = given.flag("push")
	oci = pushed
	for _, export := range given.objects("exports") {
		raw, registry, other := export.text("raw"), export.object("registry"), export.object("image")
		target := registry
		if registry == nil {
			target = other
		}
		toRegistry := registry != nil && registry["push"] != false || other.flag("push") ||
			strings.Contains(raw, "type=registry") || strings.Contains(raw, "push=true")
		if export.flag("disabled") || !toRegistry {
			continue
		}
		pushed = true
		oci = oci || target.flag("ociMediaTypes") || raw != "" && !strings.Contains(raw, "oci-mediatypes=false")
	}
	return pushed, oci
}

// checkPush refuses what ECR refuses: a repository that does not exist, and another image under a tag that may not move.
func (s *Server) checkPush(tagged, digest string) error {
	at := strings.LastIndex(tagged, ":")
	url, tag := tagged[:max(at, 0)], tagged[at+1:]
	repository := s.repositoryAt(url)
	if repository == nil {
		return fmt.Errorf("name unknown: The repository with name '%s' does not exist in the registry with id '%s'",
			url[strings.Index(url, "/")+1:], accountID)
	}
	if repository.Inputs.text("imageTagMutability") != "IMMUTABLE" {
		return nil
	}
	for _, other := range s.imagesIn(url) {
		if slices.Contains(imageTags(other), tagged) && imageOf(other).Digest != digest {
			return fmt.Errorf("ImageTagAlreadyExistsException: tag invalid: The image tag '%s' already exists in the '%s' repository "+
				"and cannot be overwritten because the repository is immutable", tag, repository.ID)
		}
	}
	return nil
}

func repositoryURL(r *Resource) string {
	return fmt.Sprintf("%s.dkr.ecr.%s.%s/%s", accountID, r.Region, partitionOf(r.Region).dnsSuffix, r.Inputs.text("name"))
}

// repositoryAt returns the repository with the URL, or nil.
func (s *Server) repositoryAt(url string) *Resource {
	for _, r := range s.store.Resources(TypeRepository) {
		if repositoryURL(r) == url {
			return r
		}
	}
	return nil
}

// imagesIn returns the images that were pushed to the repository and are still there.
func (s *Server) imagesIn(url string) []*Resource {
	return slices.DeleteFunc(s.store.Resources(TypeImage), func(r *Resource) bool {
		inside := func(tag string) bool { return strings.HasPrefix(tag, url+":") }
		return imageOf(r).Digest == "" || !slices.ContainsFunc(imageTags(r), inside)
	})
}

// forget removes the images, other than r, for which gone holds.
func (s *Server) forget(r *Resource, gone func(*Resource) bool) error {
	for _, other := range s.store.Resources(TypeImage) {
		if other != r && gone(other) {
			if err := s.store.Replace(other, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// emptyRepository removes the images with their repository, if they may be.
func emptyRepository(_ context.Context, s *Server, r *Resource) error {
	images := s.imagesIn(repositoryURL(r))
	if len(images) > 0 && !r.Inputs.flag("forceDelete") {
		return fmt.Errorf("RepositoryNotEmptyException: The repository with name '%s' in registry with id '%s' cannot be deleted "+
			"because it still contains images: set forceDelete", r.ID, accountID)
	}
	return s.forget(r, func(other *Resource) bool { return slices.Contains(images, other) })
}

// checkImage refuses what CreateModel refuses about an image in a repository of the local cloud: one that is not there,
// and one whose manifest SageMaker cannot read (aws/amazon-sagemaker-feedback#180). An image anywhere else is taken on
// trust.
func (s *Server) checkImage(reference string) error {
	pushed, err := s.pushedImage(reference)
	if err == nil && pushed != nil && imageOf(pushed).OCI {
		return fmt.Errorf("ValidationException: Unsupported manifest media type application/vnd.oci.image.manifest.v1+json for image %s. "+
			"Ensure that valid manifest media type is used for specified image: SageMaker takes "+
			"application/vnd.docker.distribution.manifest.v2+json only, which a registry export with ociMediaTypes false makes", reference)
	}
	return err
}

// pushedImage is the image in a repository of the local cloud; nil for an image anywhere else. One that is not there is
// an error.
func (s *Server) pushedImage(reference string) (*Resource, error) {
	for _, repository := range s.store.Resources(TypeRepository) {
		url := repositoryURL(repository)
		digest, byDigest := strings.CutPrefix(reference, url+"@")
		if !byDigest && !strings.HasPrefix(reference, url+":") {
			continue
		}
		for _, pushed := range s.imagesIn(url) {
			if imageOf(pushed).Digest == digest || slices.Contains(imageTags(pushed), reference) {
				return pushed, nil
			}
		}
		return nil, fmt.Errorf("ValidationException: Requested image %s not found", reference)
	}
	return nil, nil
}
