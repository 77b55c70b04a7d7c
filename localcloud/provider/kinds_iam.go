package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
)

var roleKind = &kind{
	inputs:    schemaOf(&iam.RoleArgs{}),
	required:  []string{"assumeRolePolicy"},
	nameLimit: 64,
	defaults:  Properties{"forceDetachPolicies": false, "maxSessionDuration": 3600.0, "path": "/"},
	documents: []string{"assumeRolePolicy"},
	replaceOn: []string{"name", "namePrefix", "path"},
	identity:  []string{"name"},
	id:        inputAsID("name"),
	remove: func(_ context.Context, s *Server, r *Resource) error {
		for _, token := range []string{TypeRolePolicy, TypeRolePolicyAttachment} {
			for _, other := range s.store.Resources(token) {
				if other.Inputs.text("role") == r.ID && !r.Inputs.flag("forceDetachPolicies") {
					return fmt.Errorf("DeleteConflict: Cannot delete entity, must delete policies first: %s", other.ID)
				}
			}
		}
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn":        arn(r, "iam", "", accountID, "role"+r.Inputs.text("path")+r.Inputs.text("name")),
			"createDate": r.Created.Format(time.RFC3339),
			"uniqueId":   "AROA" + strings.ToUpper(token(17, "role", r.ID, r.Created.String())),
		}
	},
}

var rolePolicyKind = &kind{
	inputs:    schemaOf(&iam.RolePolicyArgs{}),
	required:  []string{"policy", "role"},
	nameLimit: 128,
	documents: []string{"policy"},
	replaceOn: []string{"name", "namePrefix", "role"},
	identity:  []string{"role", "name"},
	id:        func(_ *Server, r *Resource) string { return r.Inputs.text("role") + ":" + r.Inputs.text("name") },
	check:     roleExists,
}

var rolePolicyAttachmentKind = &kind{
	inputs:    schemaOf(&iam.RolePolicyAttachmentArgs{}),
	required:  []string{"role"},
	replaceOn: []string{"role", "policyArn"},
	identity:  []string{"role", "policyArn"},
	id: func(_ *Server, r *Resource) string {
		return r.Inputs.text("role") + "-" + token(26, r.Inputs.text("role"), r.Inputs.text("policyArn"))
	},
	check: roleExists,
}

func roleExists(s *Server, r *Resource) error {
	if name := r.Inputs.text("role"); s.store.Find(TypeRole, name, "") == nil {
		return fmt.Errorf("NoSuchEntity: The role with name %s cannot be found", name)
	}
	return nil
}

var repositoryKind = &kind{
	inputs:    schemaOf(&ecr.RepositoryArgs{}),
	nameLimit: 256,
	lowerName: true,
	defaults:  Properties{"imageTagMutability": "MUTABLE"},
	rules:     map[string]rule{"imageTagMutability": oneOf("MUTABLE", "IMMUTABLE")},
	replaceOn: []string{"name", "encryptionConfigurations"},
	identity:  []string{"name"},
	id:        inputAsID("name"),
	remove:    emptyRepository,
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn":           arn(r, "ecr", r.Region, accountID, "repository/"+r.Inputs.text("name")),
			"registryId":    accountID,
			"repositoryUrl": repositoryURL(r),
		}
	},
}

var lifecyclePolicyKind = &kind{
	inputs:    schemaOf(&ecr.LifecyclePolicyArgs{}),
	required:  []string{"policy"},
	documents: []string{"policy"},
	replaceOn: []string{"policy", "repository"},
	// A repository has one lifecycle policy: deleting the old one after creating the new one would delete both.
	deleteFirst: true,
	identity:    []string{"repository"},
	id:          inputAsID("repository"),
	check: func(s *Server, r *Resource) error {
		if name := r.Inputs.text("repository"); s.store.Find(TypeRepository, name, "") == nil {
			return fmt.Errorf("RepositoryNotFoundException: The repository with name '%s' does not exist in the registry with id '%s'", name, accountID)
		}
		return nil
	},
	outputs: func(*Server, *Resource) Properties { return Properties{"registryId": accountID} },
}
