package provider

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"scaletozero/localcloud/gateway"
)

// API is a deployed stage, for a person to call.
type API struct {
	// URL is the stage's, to which the paths of the operations are added.
	URL, Name, Stage string
	// Operations are all but the preflights, ordered by path and method.
	Operations []gateway.Operation
	// JobsURL is where the stage takes jobs; empty if it takes none.
	JobsURL string
	// Key is the value of an enabled key for the stage; empty if there is none.
	Key string
}

// APIs returns every stage that is served, ordered by URL.
func (s *Server) APIs() []API {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var apis []API
	for place, stage := range s.published {
		api := API{URL: s.options.URL + "/" + place.api + "/" + place.name, Name: stage.Name, Stage: place.name}
		if i := slices.IndexFunc(stage.Keys, func(k gateway.Key) bool { return k.Enabled }); i >= 0 {
			api.Key = stage.Keys[i].Value
		}
		api.Operations = slices.DeleteFunc(stage.API.Operations(), func(o gateway.Operation) bool { return o.Method == http.MethodOptions })
		if i := slices.IndexFunc(api.Operations, api.takesJobs); i >= 0 {
			api.JobsURL = api.URL + api.Operations[i].Path
		}
		apis = append(apis, api)
	}
	slices.SortFunc(apis, func(a, b API) int { return cmp.Compare(a.URL, b.URL) })
	return apis
}

// takesJobs is whether an operation takes what another one, a GET for its parts, tells of.
func (a API) takesJobs(operation gateway.Operation) bool {
	return operation.Method == http.MethodPost && slices.ContainsFunc(a.Operations, func(o gateway.Operation) bool {
		return o.Method == http.MethodGet && strings.HasPrefix(o.Path, operation.Path+"/{")
	})
}
