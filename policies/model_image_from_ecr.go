package main

import (
	"fmt"
	"regexp"

	"scaletozero/policies/internal/cfn"
)

// modelImageFromECR demands that a SageMaker model is one image of a private
// ECR repository, which carries its weights. Weights from S3 would be a second
// thing to version and to give the role access to, and their download makes
// the way up from zero longer. In the stacks that digestStacks names, the image
// is given by its digest: a tag can move between one start of a copy and the
// next. So is a function's image there. Lambda keeps the digest that the tag had
// when the function was last deployed (Lambda guide, "Create a Lambda function
// using a container image"), so that the program does not say what runs. That it
// is in a private repository of ECR, Lambda sees to itself.
func modelImageFromECR() rule {
	return rule{
		name:        "model-image-from-ecr",
		description: "A model must be an image in ECR that carries its weights; by digest, as a function's image, where the configuration says so.",
		knobs: map[string]map[string]any{
			digestKnob: textsKnob("Globs of the stacks in which images must be given by digest."),
		},
		judges: map[string]func(*report, map[string]any){
			"AWS::Lambda::Function": judgeFunctionImage,
			"AWS::SageMaker::Model": func(r *report, properties map[string]any) {
				judgeContainer(r, "PrimaryContainer", properties["PrimaryContainer"])
				for i, container := range oneOrMany(properties["Containers"]) {
					judgeContainer(r, fmt.Sprintf("Containers[%d]", i), container)
				}
			},
			"AWS::SageMaker::InferenceComponent": func(r *report, properties map[string]any) {
				value := properties["Specification"]
				specification, ok := cfn.Object(value)
				if u, unknown := value.(cfn.Unknown); !ok && unknown {
					judgeContainer(r, "Specification", u)
				}
				judgeContainer(r, "Specification.Container", specification["Container"])
			},
		},
	}
}

const digestKnob = "digestStacks"

// ecrImage is an image in a private repository: ACCOUNT.dkr.ecr.REGION.amazonaws.com,
// in China with .cn, for FIPS with ecr-fips, and dual-stack dkr-ecr.REGION.on.aws
// (ECR guide, "Private registry").
var ecrImage = regexp.MustCompile(`^\d{12}\.dkr([.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn))/` +
	`[^:@\s]+(:[^@\s]+)?(@sha256:[0-9a-f]{64})?$`)

var imageDigest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

func judgeContainer(r *report, where string, value any) {
	if cfn.IsMissing(value) {
		return
	}
	container, ok := cfn.Object(value)
	if !ok {
		r.check(expectation{
			where: where, property: "the container", value: value, must: "must be an object",
			code: "the container as a literal", template: "the container as a literal object",
		})
		return
	}
	for _, property := range []string{"ModelDataUrl", "ModelDataSource", "AdditionalModelDataSources", "ArtifactUrl", "ModelPackageName"} {
		if data := container[property]; !cfn.IsMissing(data) {
			line := "the weights into the image and the container without " + property
			r.check(expectation{
				where: where, property: property, value: data, code: line, template: line,
				must: "must be left out, because the image carries the model",
			})
		}
	}
	judgeImage(r, where, container["Image"])
}

func judgeFunctionImage(r *report, properties map[string]any) {
	code, _ := cfn.Object(properties["Code"])
	image := code["ImageUri"]
	text, _ := cfn.Text(image)
	if cfn.IsMissing(image) || !r.settings.namesStack(digestKnob) || imageDigest.MatchString(text) {
		return
	}
	r.check(expectation{
		property: "ImageUri", value: image, must: "must be given by its digest in stack " + r.settings.stack,
		code: "ImageUri: …@sha256:DIGEST", template: "ImageUri: …@sha256:DIGEST",
	})
}

func judgeImage(r *report, where string, image any) {
	const line = "an image of a private ECR repository: 123456789012.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST"
	text, known := cfn.Text(image)
	switch {
	case !known || !ecrImage.MatchString(text):
		r.check(expectation{
			where: where, property: "Image", value: image, must: "must come from a private ECR repository", code: line, template: line,
			absent: "the model is then whatever a package holds",
		})
	case r.settings.namesStack(digestKnob) && !imageDigest.MatchString(text):
		r.check(expectation{
			where: where, property: "Image", value: image, must: "must be given by its digest in stack " + r.settings.stack,
			code: line, template: line,
		})
	}
}
