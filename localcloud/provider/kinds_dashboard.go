package provider

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"

	"scaletozero/localcloud/dashboard"
)

// dashboardKind keeps a dashboard; the console evaluates it. Its ARN names no region: an account has one set of
// dashboards.
var dashboardKind = &kind{
	inputs:    schemaOf(&cloudwatch.DashboardArgs{}),
	rules:     map[string]rule{"dashboardName": matching(`^[0-9A-Za-z_-]+$`, 255)},
	documents: []string{"dashboardBody"},
	replaceOn: []string{"dashboardName"},
	identity:  []string{"dashboardName"},
	id:        inputAsID("dashboardName"),
	check: func(_ *Server, r *Resource) error {
		_, err := dashboard.Parse(r.Inputs.text("dashboardBody"))
		return err
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"dashboardArn": arn(r, "cloudwatch", "", accountID, "dashboard/"+r.Inputs.text("dashboardName"))}
	},
}

// Dashboard is a dashboard as it was last put.
type Dashboard struct {
	Name string
	// Body is what PutDashboard took.
	Body *dashboard.Body
}

// Dashboards are those of the account, oldest first.
func (s *Server) Dashboards() []Dashboard {
	var all []Dashboard
	for _, r := range s.store.Resources(TypeDashboard) {
		// It was read when it was put; a state file of another making may hold anything.
		if body, err := dashboard.Parse(r.Inputs.text("dashboardBody")); err == nil {
			all = append(all, Dashboard{Name: r.ID, Body: body})
		}
	}
	return all
}
