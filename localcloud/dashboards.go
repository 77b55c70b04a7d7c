//go:build unix

package localcloud

import "scaletozero/localcloud/console"

// dashboards are those that are deployed, for the console.
func (c *Cloud) dashboards() []console.Dashboard {
	var all []console.Dashboard
	for _, d := range c.provider.Dashboards() {
		all = append(all, console.Dashboard{Name: d.Name, Body: d.Body})
	}
	return all
}
