package provider

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"scaletozero/localcloud/gateway"
)

// Route is an operation of a deployed stage that takes a body, for a person to call.
type Route struct {
	URL, APIName, Stage string
	// JobsURL is where the same stage takes jobs; empty if it takes none.
	JobsURL string
	// Key is the value of an enabled key for the stage; empty if there is none.
	Key string
}

// Routes returns the POST operations of every stage that is served, ordered by
// URL. One with a GET operation for its parts takes jobs, and is not among them.
func (s *Server) Routes() []Route {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var routes []Route
	for place, stage := range s.published {
		var key string
		if i := slices.IndexFunc(stage.Keys, func(k gateway.Key) bool { return k.Enabled }); i >= 0 {
			key = stage.Keys[i].Value
		}
		base := s.options.URL + "/" + place.api + "/" + place.name
		posts, jobs := stage.API.Paths(http.MethodPost), ""
		if i := slices.IndexFunc(posts, func(path string) bool { return takesJobs(stage.API, path) }); i >= 0 {
			jobs = base + posts[i]
		}
		for _, path := range posts {
			if !takesJobs(stage.API, path) {
				routes = append(routes, Route{URL: base + path, APIName: stage.Name, Stage: place.name, JobsURL: jobs, Key: key})
			}
		}
	}
	slices.SortFunc(routes, func(a, b Route) int { return cmp.Compare(a.URL, b.URL) })
	return routes
}

func takesJobs(api *gateway.API, path string) bool {
	return slices.ContainsFunc(api.Paths(http.MethodGet), func(get string) bool { return strings.HasPrefix(get, path+"/{") })
}
