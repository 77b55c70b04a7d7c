package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	awslambda "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"scaletozero/localcloud/lambda"
)

var aliasKind = &kind{
	inputs:    schemaOf(&awslambda.AliasArgs{}),
	nameLimit: 128,
	rules: map[string]rule{
		"description": lengthBetween(0, 256),
		// A name of digits alone would be a version.
		"name":            matching(`^[0-9]*[a-zA-Z_-][a-zA-Z0-9_-]*$`, 128),
		"functionVersion": matching(`^(\$LATEST|[0-9]+)$`, 1024),
	},
	replaceOn: []string{"name", "functionName"},
	identity:  []string{"functionName", "name"},
	refuse: func(given Properties) *pulumirpc.CheckFailure {
		if given.object("routingConfig") != nil {
			return &pulumirpc.CheckFailure{Property: "routingConfig", Reason: "routingConfig is not implemented by localcloud, whose aliases name one version: leave it out"}
		}
		return nil
	},
	compare: func(state, news Properties, changes map[string]*pulumirpc.PropertyDiff) {
		if sameFunction(state.text("functionName"), news.text("functionName")) {
			delete(changes, "functionName")
		}
	},
	id:    func(_ *Server, r *Resource) string { return aliasARN(r) },
	check: checkAlias,
	run: func(_ context.Context, s *Server, _, r *Resource) error {
		err := applyAlias(s, r)
		if err == nil {
			s.problems.note(r.ID, nil)
		}
		return err
	},
	remove: func(_ context.Context, s *Server, r *Resource) error {
		s.options.Functions.DeleteAlias(aliasedFunction(r), r.Inputs.text("name"))
		s.problems.note(r.ID, nil)
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": aliasARN(r), "invokeArn": invokeARN(r, aliasARN(r))}
	},
}

// aliasedFunction is the name of the function that an alias is of.
func aliasedFunction(alias *Resource) string {
	name, _ := lambda.SplitName(alias.Inputs.text("functionName"))
	return name
}

func aliasARN(r *Resource) string {
	return arn(r, "lambda", r.Region, accountID, "function:"+aliasedFunction(r)+":"+r.Inputs.text("name"))
}

// checkAlias holds CreateAlias' rules.
func checkAlias(s *Server, r *Resource) error {
	given := r.Inputs.text("functionName")
	if _, qualifier := lambda.SplitName(given); qualifier != "" {
		return errors.New("ValidationException: functionName must name the function alone, without a version or an alias")
	}
	function := s.store.Find(TypeFunction, aliasedFunction(r), "")
	if function == nil {
		return fmt.Errorf("ResourceNotFoundException: Function not found: %s", given)
	}
	if version := r.Inputs.text("functionVersion"); !s.qualifies(function, version) {
		return fmt.Errorf("ResourceNotFoundException: Function not found: %s:%s: publish the function, and give its version", functionARN(function), version)
	}
	return nil
}

// resumeAliases gives a function that runs again the aliases that it has.
func (s *Server) resumeAliases(function *Resource) {
	for _, r := range s.store.Resources(TypeAlias) {
		if aliasedFunction(r) == function.Inputs.text("name") {
			s.problems.note(r.ID, applyAlias(s, r))
		}
	}
}

func applyAlias(s *Server, r *Resource) error {
	return s.options.Functions.ApplyAlias(aliasedFunction(r), r.Inputs.text("name"), r.Inputs.text("functionVersion"))
}

// aliasOf is the alias of the function with the name, or nil.
func (s *Server) aliasOf(function, name string) *Resource {
	all := s.store.Resources(TypeAlias)
	i := slices.IndexFunc(all, func(r *Resource) bool { return aliasedFunction(r) == function && r.Inputs.text("name") == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

// qualifies tells whether the function has the version or the alias; none is $LATEST.
func (s *Server) qualifies(function *Resource, qualifier string) bool {
	if qualifier == "" || qualifier == lambda.Latest || s.aliasOf(function.Inputs.text("name"), qualifier) != nil {
		return true
	}
	return slices.ContainsFunc(functionDataOf(function).Published, func(v lambda.Version) bool { return v.Number == qualifier })
}
