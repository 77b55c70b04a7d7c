package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	cfn "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudformation"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"

	"scaletozero/localcloud/cloudformation"
	"scaletozero/localcloud/endpoint"
)

var modelKind = &kind{
	inputs:     schemaOf(&sagemaker.ModelArgs{}),
	nameLimit:  63,
	rules:      map[string]rule{"name": matching(`^[0-9A-Za-z](-*[0-9A-Za-z])*$`, 63)},
	allButTags: true,
	identity:   []string{"name"},
	id:         inputAsID("name"),
	check: func(s *Server, r *Resource) error {
		container := r.Inputs.object("primaryContainer")
		if container == nil || len(r.Inputs.objects("containers")) > 0 {
			return errors.New("localcloud implements models with one primaryContainer and no containers")
		}
		if container.text("image") == "" {
			return errors.New("ValidationException: primaryContainer.image is required")
		}
		return s.checkRoleARN("executionRoleArn", r.Inputs.text("executionRoleArn"))
	},
	run: func(_ context.Context, s *Server, old, r *Resource) error {
		if old != nil {
			return nil // Only the tags change, and nobody looks at the image again.
		}
		return s.checkImage(r.Inputs.object("primaryContainer").text("image"))
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": arn(r, "sagemaker", r.Region, accountID, "model/"+strings.ToLower(r.Inputs.text("name")))}
	},
}

// checkRoleARN refuses a role of this account that does not exist.
func (s *Server) checkRoleARN(property, roleARN string) error {
	parts := strings.Split(roleARN, ":")
	if len(parts) != 6 || parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/") {
		return fmt.Errorf("ValidationException: %s must be the ARN of an IAM role, but is %q", property, roleARN)
	}
	name := parts[5][strings.LastIndex(parts[5], "/")+1:]
	if parts[4] == accountID && s.store.Find(TypeRole, name, "") == nil {
		return fmt.Errorf("ValidationException: Could not assume role %s: it does not exist", roleARN)
	}
	return nil
}

var stackKind = &kind{
	inputs:    schemaOf(&cfn.StackArgs{}),
	nameLimit: 128,
	rules: map[string]rule{
		"name":      matching(`^[a-zA-Z][-a-zA-Z0-9]*$`, 128),
		"onFailure": oneOf("DELETE", "ROLLBACK"),
	},
	replaceOn: []string{"name", "onFailure", "disableRollback", "timeoutInMinutes"},
	identity:  []string{"name"},
	documents: []string{"templateBody", "policyBody"},
	volatile:  []string{"outputs"},
	id: func(_ *Server, r *Resource) string {
		return arn(r, "cloudformation", r.Region, accountID, "stack/"+r.Inputs.text("name")+"/"+uuid(r.URN, r.Created.String()))
	},
	check: func(_ *Server, r *Resource) error {
		if r.Inputs.text("templateUrl") != "" || r.Inputs.flag("disableRollback") {
			return errors.New("localcloud implements neither templateUrl nor disableRollback of a Stack")
		}
		return nil
	},
	run: deployStack,
	remove: func(ctx context.Context, s *Server, r *Resource) error {
		return cloudformation.Delete(ctx, hosting{s}, stackOf(r))
	},
	outputs: func(_ *Server, r *Resource) Properties {
		outputs := map[string]any{}
		for name, value := range stackOf(r).Outputs {
			outputs[name] = value
		}
		return Properties{"outputs": outputs, "parameters": map[string]any{}, "policyBody": ""}
	},
}

// deployStack creates or updates the stack's resources. A failed creation leaves nothing behind, with onFailure
// ROLLBACK just as with DELETE: on AWS the former leaves an empty stack that can only be deleted.
func deployStack(ctx context.Context, s *Server, old, r *Resource) error {
	request := cloudformation.Request{
		ID: r.ID, Name: r.Inputs.text("name"), Region: r.Region, AccountID: accountID,
		Partition: partitionOf(r.Region).name, URLSuffix: partitionOf(r.Region).dnsSuffix,
		Body: r.Inputs.text("templateBody"), Parameters: r.Inputs.texts("parameters"),
	}
	if old != nil {
		request.Previous = stackOf(old)
	}
	stack, err := cloudformation.Deploy(ctx, hosting{s}, request)
	if err != nil {
		return err
	}
	r.Data, err = json.Marshal(stack)
	return err
}

// stackOf returns the deployed stack of a Stack resource; it is empty before the deployment.
func stackOf(r *Resource) *cloudformation.Stack {
	stack := &cloudformation.Stack{}
	if len(r.Data) > 0 {
		if err := json.Unmarshal(r.Data, stack); err != nil {
			return &cloudformation.Stack{}
		}
	}
	return stack
}

// hosting is what stacks are deployed into.
type hosting struct{ *Server }

var _ cloudformation.Cloud = hosting{}

// Model implements cloudformation.Cloud.
func (h hosting) Model(name string) (image string, environment map[string]string, ok bool) {
	model := h.store.Find(TypeModel, name, "")
	if model == nil {
		return "", nil, false
	}
	container := model.Inputs.object("primaryContainer")
	return container.text("image"), container.texts("environment"), true
}

// Deployed implements cloudformation.Cloud.
func (h hosting) Deployed(resourceType, name, exceptStack string) *cloudformation.Resource {
	for _, r := range h.store.Resources(TypeStack) {
		for _, deployed := range stackOf(r).Resources {
			if r.ID != exceptStack && deployed.Type == resourceType && deployed.Name == name {
				return deployed
			}
		}
	}
	return nil
}

// ApplyEndpoint implements cloudformation.Cloud.
func (h hosting) ApplyEndpoint(ctx context.Context, e endpoint.Endpoint) error {
	return h.mended(e.Name, h.options.Runtime.ApplyEndpoint(ctx, e))
}

// DeleteEndpoint implements cloudformation.Cloud.
func (h hosting) DeleteEndpoint(name string) error {
	return h.mended(name, h.options.Runtime.DeleteEndpoint(name))
}

// Apply implements cloudformation.Cloud.
func (h hosting) Apply(ctx context.Context, c endpoint.Component) error {
	return h.mended(c.Name, h.options.Runtime.Apply(ctx, c))
}

// Delete implements cloudformation.Cloud.
func (h hosting) Delete(ctx context.Context, name string) error {
	return h.mended(name, h.options.Runtime.Delete(ctx, name))
}

// mended forgets a problem with what now runs, or is gone.
func (h hosting) mended(name string, err error) error {
	if err == nil {
		h.problems.note(name, nil)
	}
	return err
}

// componentExists tells whether any stack has the inference component.
func (s *Server) componentExists(name string) bool {
	return hosting{s}.Deployed(cloudformation.TypeInferenceComponent, name, "") != nil
}
