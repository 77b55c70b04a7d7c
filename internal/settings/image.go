package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"scaletozero/components/image"
)

// imageURI is an image in a private ECR registry: account, region, repository,
// then a tag, a digest or both.
var imageURI = regexp.MustCompile(`^(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/` +
	`([a-z0-9]+(?:[._/-][a-z0-9]+)*)(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$`)

const imageExample = "imageUri 123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/music-mapping-model@sha256:…"

// image reads where the model's image comes from: built from a folder, or
// already in ECR.
func (r *reader) image(s *Settings) {
	uri, hasURI := r.source("imageUri")
	folder, hasFolder := r.source("imageContext")
	s.ImageURI, s.ImageContext = uri, folder
	digestOnly := r.boolean("requireImageDigest", true)
	switch {
	case hasURI && hasFolder:
		r.problems = append(r.problems, fmt.Sprintf(
			"imageUri is %q and imageContext is %q; only one of them can be the model; remove the other with `pulumi config rm imageContext` or `pulumi config rm imageUri`", uri, folder))
	case hasFolder:
		r.imageContext(folder)
	case hasURI:
		r.imageURI(s, uri, digestOnly)
	default:
		r.problems = append(r.problems, fmt.Sprintf(
			"imageUri is not set, and imageContext is not either; name the model's image in ECR with `pulumi config set %s`, or the folder to build it from with `pulumi config set imageContext ./model`", imageExample))
	}
}

func (r *reader) imageContext(folder string) {
	if _, err := os.Stat(filepath.Join(folder, "Dockerfile")); err != nil {
		r.refuse("imageContext", folder, "a folder with a Dockerfile in it", "imageContext ./model")
	}
}

func (r *reader) imageURI(s *Settings, uri string, digestOnly bool) {
	if strings.HasPrefix(uri, "s3://") || strings.Contains(uri, ".s3.") {
		r.refuse("imageUri", uri, "a container image in ECR that holds the model; model data in S3 is not supported", imageExample)
		return
	}
	parts := imageURI.FindStringSubmatch(uri)
	if parts == nil {
		r.refuse("imageUri", uri, "an image in ECR, ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY with a tag or a digest", imageExample)
		return
	}
	s.ImageAccount, s.ImageRegion, s.ImageRepository = parts[1], parts[2], parts[3]
	tag, digest := parts[4], parts[5]
	if region.MatchString(s.Region) && s.ImageRegion != s.Region {
		r.refuse("imageUri", uri, fmt.Sprintf("in the stack's region %s, since SageMaker pulls from its own region only", s.Region), imageExample)
	}
	switch {
	case digest != "":
	case digestOnly:
		r.refuse("imageUri", uri, "named by its digest, so that what runs is what was reviewed", imageExample+
			"`; or, where a tag will do, `pulumi config set requireImageDigest false")
	case tag == "":
		r.refuse("imageUri", uri, "named by a tag or a digest", imageExample)
	}
}

// Image describes the image that the stack builds of ImageContext. For a function
// it has the adapter, too, of the build that `make functions` leaves.
func (s *Settings) Image() *image.Args {
	args := &image.Args{RepositoryName: s.RepositoryName, Context: s.ImageContext, Platform: s.Platform()}
	if s.Function != nil {
		args.Target = "lambda"
		args.Contexts = map[string]string{"adapter": filepath.Join(".build", "functions", s.Build, "adapter")}
	}
	return args
}
