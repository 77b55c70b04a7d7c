package provider

import (
	"cmp"
	"net/http"
	"slices"

	"scaletozero/localcloud/gateway"
)

// Route is an operation of a deployed stage that takes a body, for a person to call.
type Route struct {
	URL, APIName, Stage string
	// Key is the value of an enabled key for the stage; empty if there is none.
	Key string
}

// Routes returns the POST operations of every stage that is served, ordered by URL.
func (s *Server) Routes() []Route {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var routes []Route
	for place, stage := range s.published {
		var key string
		if i := slices.IndexFunc(stage.Keys, func(k gateway.Key) bool { return k.Enabled }); i >= 0 {
			key = stage.Keys[i].Value
		}
		for _, path := range stage.API.Paths(http.MethodPost) {
			url := s.options.URL + "/" + place.api + "/" + place.name + path
			routes = append(routes, Route{URL: url, APIName: stage.Name, Stage: place.name, Key: key})
		}
	}
	slices.SortFunc(routes, func(a, b Route) int { return cmp.Compare(a.URL, b.URL) })
	return routes
}
