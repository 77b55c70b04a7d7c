package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"

	"scaletozero/components/gateway"
)

// deployed is what a stack has of the API, by its state.
type deployed struct {
	keys []gateway.APIKey
	// ids are API Gateway's ids of the keys, by name, as the access log has them.
	ids map[string]string
	// accessLog is the log group of the API's requests.
	accessLog string
}

const (
	keyType     = "aws:apigateway/apiKey:ApiKey"
	planKeyType = "aws:apigateway/usagePlanKey:UsagePlanKey"
	groupType   = "aws:cloudwatch/logGroup:LogGroup"
)

// parseState reads what `pulumi stack export` writes. Keys' values are encrypted
// there, and are not looked at. An enabled key that is not on the plan, where an
// update was cut off, opens nothing and is left out.
func parseState(export []byte) (deployed, error) {
	var state struct {
		Deployment struct {
			Resources []struct {
				URN, Parent urn.URN
				Type, ID    string
				Delete      bool
				Outputs     struct {
					Enabled *bool
					Name    string
				}
			}
		}
	}
	if err := json.Unmarshal(export, &state); err != nil {
		return deployed{}, fmt.Errorf("reading the stack's state: %w", err)
	}
	found, planned := deployed{ids: map[string]string{}}, map[string]bool{}
	for _, r := range state.Deployment.Resources {
		if r.Delete || !r.Parent.IsValid() || r.Parent.Type() != gateway.Type {
			continue
		}
		name := strings.TrimPrefix(r.URN.Name(), r.Parent.Name()+"-")
		switch {
		case r.Type == keyType:
			found.keys = append(found.keys, gateway.APIKey{Name: name, Enabled: r.Outputs.Enabled == nil || *r.Outputs.Enabled})
			found.ids[name] = r.ID
		case r.Type == planKeyType:
			planned[name] = true
		case r.Type == groupType && name == "access":
			found.accessLog = r.Outputs.Name
		}
	}
	found.keys = slices.DeleteFunc(found.keys, func(key gateway.APIKey) bool { return key.Enabled && !planned[key.Name] })
	return found, nil
}
