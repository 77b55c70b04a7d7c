package provider

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"scaletozero/localcloud/gateway"
)

// Route is an operation of a deployed stage that takes a body, for a person to call.
type Route struct {
	URL, APIName, Stage string
	// Key is the value of an enabled key for the stage; empty if there is none.
	Key string
}

// Routes returns the POST operations of every stage, from the documents that they serve.
func (s *Server) Routes() []Route {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var routes []Route
	for _, stage := range s.store.Resources(TypeStage) {
		place := publishedStage{stage.Inputs.text("restApi"), stage.Inputs.text("stageName")}
		deployment := s.store.Find(TypeDeployment, stage.Inputs.text("deployment"), "")
		restAPI := s.store.Find(TypeRestAPI, place.api, "")
		if deployment == nil || restAPI == nil {
			continue
		}
		keys, err := s.keysFor(place)
		if err != nil {
			continue
		}
		enabled := slices.IndexFunc(keys, func(k gateway.Key) bool { return k.Enabled })
		for _, path := range postPaths(deployment) {
			route := Route{URL: s.options.URL + "/" + place.api + "/" + place.name + path, APIName: restAPI.Inputs.text("name"), Stage: place.name}
			if enabled >= 0 {
				route.Key = keys[enabled].Value
			}
			routes = append(routes, route)
		}
	}
	return routes
}

// postPaths are the paths with a POST operation in a deployment's snapshot, which was read when it was deployed.
func postPaths(deployment *Resource) []string {
	var kept snapshot
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if json.Unmarshal(deployment.Data, &kept) != nil || json.Unmarshal([]byte(kept.Body), &document) != nil {
		return nil
	}
	maps.DeleteFunc(document.Paths, func(_ string, methods map[string]json.RawMessage) bool {
		for method := range methods {
			if strings.EqualFold(method, "post") {
				return false
			}
		}
		return true
	})
	return slices.Sorted(maps.Keys(document.Paths))
}
