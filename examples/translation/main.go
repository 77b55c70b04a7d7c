// The program of one stack: an API that translates text and remembers what it has
// translated. It stands on the components of this repository as they are.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/function"
	"scaletozero/components/gateway"
	"scaletozero/components/roles"
)

func main() { pulumi.Run(program(built("../../.build/functions"))) }

// program reads like the architecture: what remembers, what translates, who may
// call it, and what callers see. Physical names carry the stack's name.
func program(code archive) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		s, err := load(ctx, code)
		if err != nil {
			return err
		}
		scope, err := arn.Lookup(ctx, s.region)
		if err != nil {
			return err
		}
		name := "translation-" + ctx.Stack()
		alias := scope.FunctionAlias(name, function.AliasName)

		history, err := newHistory(ctx, name)
		if err != nil {
			return err
		}
		translator, err := function.New(ctx, "translator", s.translator(scope, name, history))
		if err != nil {
			return err
		}
		granted, err := roles.New(ctx, "roles", &roles.Args{
			Scope: scope, GatewayRoleName: name + "-gateway", FunctionArns: []string{alias},
		})
		if err != nil {
			return err
		}
		api, err := gateway.New(ctx, "gateway", s.api(scope, name, ctx.Stack(), routes(alias)),
			pulumi.DependsOn(append(granted.Ready, translator.Ready...)))
		if err != nil {
			return err
		}

		ctx.Export("apiGatewayUrl", pulumi.Sprintf("%s%s", api.StageURL, translatePath))
		ctx.Export("historyUrl", pulumi.Sprintf("%s%s", api.StageURL, historyPath))
		ctx.Export("apiGatewayId", api.RestApiID)
		ctx.Export("apiGatewayRoleArn", granted.GatewayRoleArn)
		ctx.Export("apiKeyId", api.APIKeyID)
		ctx.Export("apiKeyValue", api.APIKeyValue)
		ctx.Export("historyTableName", history.Name)
		ctx.Export("translatorAliasArn", translator.AliasArn)
		return nil
	}
}
