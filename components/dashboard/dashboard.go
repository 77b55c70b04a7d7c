// Package dashboard shows one stack on one page of CloudWatch: what callers get,
// how much of the error budget is left, what runs the model, what waits for it,
// and what it costs.
package dashboard

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:dashboard:Dashboard"

// Dashboard is the created dashboard.
type Dashboard struct {
	pulumi.ResourceState

	// Name is what the dashboard is called in the console.
	Name pulumi.StringOutput
}

// New creates the dashboard. It names what it shows and needs none of it, so it
// may come first and last.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Dashboard, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("dashboard %q: %w", name, err)
	}
	page := newBody(args)
	if err := page.problems(); err != nil {
		return nil, fmt.Errorf("dashboard %q: %w", name, err)
	}
	document, err := encode(page)
	if err != nil {
		return nil, fmt.Errorf("dashboard %q: %w", name, err)
	}
	dashboard := &Dashboard{}
	if err := ctx.RegisterComponentResource(Type, name, dashboard, opts...); err != nil {
		return nil, fmt.Errorf("dashboard %q: %w", name, err)
	}
	created, err := cloudwatch.NewDashboard(ctx, name, &cloudwatch.DashboardArgs{
		DashboardName: pulumi.String(args.Name),
		DashboardBody: pulumi.String(document),
	}, pulumi.Parent(dashboard))
	if err != nil {
		return nil, fmt.Errorf("dashboard %q: %w", name, err)
	}
	dashboard.Name = created.DashboardName
	err = ctx.RegisterResourceOutputs(dashboard, pulumi.Map{"name": dashboard.Name})
	if err != nil {
		return nil, fmt.Errorf("dashboard %q: %w", name, err)
	}
	return dashboard, nil
}
