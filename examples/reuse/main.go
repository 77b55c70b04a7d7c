// An API with keys, throttle, quota, CORS and logs in front of a Lambda function
// that is there already: two of the components, in somebody else's program.
package main

import (
	"net/http"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
	"scaletozero/components/roles"
)

func main() { pulumi.Run(deploy) }

func deploy(ctx *pulumi.Context) error {
	scope, err := arn.Lookup(ctx, "ap-northeast-1")
	if err != nil {
		return err
	}
	search := scope.FunctionAlias("search", "live")

	granted, err := roles.New(ctx, "search", &roles.Args{
		Scope:           scope,
		GatewayRoleName: "search-gateway",
		FunctionArns:    []string{search},
	})
	if err != nil {
		return err
	}
	api, err := gateway.New(ctx, "search", &gateway.Args{
		Scope:          scope,
		APIName:        "search",
		StageName:      ctx.Stack(),
		CredentialsArn: scope.Role("search-gateway"),
		Routes: []gateway.Route{{
			Method: http.MethodGet, Path: "/search", OperationID: "search", Summary: "Finds songs.",
			Function: &gateway.Lambda{
				FunctionArn: search,
				Query:       []string{"q"},
				Replies:     []gateway.Reply{{Status: http.StatusOK, Description: "What was found.", AnyBody: true}},
			},
		}},
		AllowOrigin:      "*",
		APIKeys:          []gateway.APIKey{{Name: "a", Enabled: true}},
		RateLimit:        5,
		BurstLimit:       10,
		MonthlyQuota:     10_000,
		LogRetentionDays: 30,
	}, pulumi.DependsOn(granted.Ready))
	if err != nil {
		return err
	}
	ctx.Export("url", pulumi.Sprintf("%s/search", api.StageURL))
	ctx.Export("apiKeyValue", api.APIKeyValue)
	return nil
}
