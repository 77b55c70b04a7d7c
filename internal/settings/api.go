package settings

import (
	"scaletozero/components/arn"
	"scaletozero/components/gateway"
	"scaletozero/components/queue"
)

// API describes the REST API of the stack. It is here, and not beside the
// other components' arguments, because the document for clients is written
// from it too, without an engine.
func (s *Settings) API(scope arn.Scope) *gateway.Args {
	routes := []gateway.Route{s.modelRoute(scope)}
	if s.Queue != nil {
		routes = append(routes, queue.Routes(s.submitAlias(scope), s.RequestSchema)...)
	}
	return &gateway.Args{
		Scope:            scope,
		APIName:          s.APIName,
		StageName:        s.Stack,
		Routes:           routes,
		CredentialsArn:   scope.Role(s.GatewayRoleName),
		AllowOrigin:      s.AllowOrigin,
		APIKeys:          s.APIKeys,
		RateLimit:        s.RateLimit,
		BurstLimit:       s.BurstLimit,
		MonthlyQuota:     s.MonthlyQuota,
		LogRetentionDays: s.LogRetentionDays,
		LogKMSKeyArn:     s.logKey(),
		ManageAccount:    s.ManageAccount,
	}
}
