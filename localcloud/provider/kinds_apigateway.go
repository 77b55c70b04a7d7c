package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigateway"

	"scaletozero/localcloud/gateway"
)

// gatewayARN is an ARN of API Gateway's control plane, which has no account in it.
func gatewayARN(r *Resource, path string) string { return arn(r, "apigateway", r.Region, "", path) }

// executionARN is an ARN of a deployed API.
func executionARN(r *Resource, path string) string {
	return arn(r, "execute-api", r.Region, accountID, path)
}

var restAPIKind = &kind{
	inputs:    schemaOf(&apigateway.RestApiArgs{}),
	nameLimit: 255,
	defaults:  Properties{"putRestApiMode": "overwrite"},
	documents: []string{"policy"},
	id:        generatedID(10),
	check: func(_ *Server, r *Resource) error {
		if mode := r.Inputs.text("putRestApiMode"); mode != "overwrite" {
			return fmt.Errorf("localcloud implements putRestApiMode overwrite only, not %q", mode)
		}
		body := r.Inputs.text("body")
		if body == "" {
			return nil
		}
		if _, err := gateway.Import([]byte(body)); err != nil {
			return fmt.Errorf("BadRequestException: Errors found during import: %w", err)
		}
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"apiKeySource":              "HEADER",
			"arn":                       gatewayARN(r, "/restapis/"+r.ID),
			"binaryMediaTypes":          []any{},
			"createdDate":               r.Created.Format(time.RFC3339),
			"description":               "",
			"disableExecuteApiEndpoint": false,
			"endpointConfiguration":     map[string]any{"types": "EDGE", "vpcEndpointIds": []any{}},
			"executionArn":              executionARN(r, r.ID),
			"minimumCompressionSize":    "",
			"policy":                    "",
			"rootResourceId":            token(10, r.ID),
		}
	},
}

// snapshot is what a deployment keeps: the body of its API at the time it was made. Later bodies are not served until
// there is a new deployment, and a stage that points to it.
type snapshot struct {
	Body string `json:"body"`
}

var deploymentKind = &kind{
	inputs:    schemaOf(&apigateway.DeploymentArgs{}),
	required:  []string{"restApi"},
	replaceOn: []string{"restApi", "triggers", "variables", "stageName"},
	id:        generatedID(6),
	check: func(s *Server, r *Resource) error {
		if r.Inputs.text("stageName") != "" || r.Inputs.object("canarySettings") != nil {
			return errors.New("localcloud implements neither stageName nor canarySettings of a Deployment: use a Stage")
		}
		return s.checkAPI(r.Inputs.text("restApi"))
	},
	run: func(_ context.Context, s *Server, old, r *Resource) (err error) {
		if old != nil {
			return nil
		}
		body := s.store.Find(TypeRestAPI, r.Inputs.text("restApi"), "").Inputs.text("body")
		if body == "" {
			return errors.New("BadRequestException: The REST API doesn't contain any methods")
		}
		r.Data, err = json.Marshal(snapshot{Body: body})
		return err
	},
	remove: func(_ context.Context, s *Server, r *Resource) error {
		for _, stage := range s.store.Resources(TypeStage) {
			if stage.Inputs.text("restApi") == r.Inputs.text("restApi") && stage.Inputs.text("deployment") == r.ID {
				return errors.New("BadRequestException: Active stages pointing to this deployment must be moved or deleted")
			}
		}
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"createdDate":  r.Created.Format(time.RFC3339),
			"executionArn": executionARN(r, r.Inputs.text("restApi")+"/"),
			"invokeUrl":    "",
		}
	},
}

func stageARN(r *Resource) string {
	return gatewayARN(r, "/restapis/"+r.Inputs.text("restApi")+"/stages/"+r.Inputs.text("stageName"))
}

var stageName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

var stageKind = &kind{
	inputs:    schemaOf(&apigateway.StageArgs{}),
	required:  []string{"restApi", "deployment"},
	replaceOn: []string{"restApi", "stageName"},
	identity:  []string{"restApi", "stageName"},
	id: func(_ *Server, r *Resource) string {
		return "ags-" + r.Inputs.text("restApi") + "-" + r.Inputs.text("stageName")
	},
	check: func(s *Server, r *Resource) error {
		if !stageName.MatchString(r.Inputs.text("stageName")) {
			return fmt.Errorf("BadRequestException: stageName must match %s, but is %q", stageName, r.Inputs.text("stageName"))
		}
		if r.Inputs.object("canarySettings") != nil || r.Inputs.flag("cacheClusterEnabled") {
			return errors.New("localcloud implements neither canarySettings nor a cache cluster of a Stage")
		}
		d := s.store.Find(TypeDeployment, r.Inputs.text("deployment"), "")
		if d == nil || d.Inputs.text("restApi") != r.Inputs.text("restApi") {
			return errors.New("BadRequestException: Deployment id does not exist")
		}
		return nil
	},
	outputs: func(s *Server, r *Resource) Properties {
		path := r.Inputs.text("restApi") + "/" + r.Inputs.text("stageName")
		return Properties{
			"arn":          stageARN(r),
			"executionArn": executionARN(r, path),
			// On AWS this is https://API.execute-api.REGION.amazonaws.com/STAGE; here it is where the stage is served.
			"invokeUrl": s.options.URL + "/" + path,
			"webAclArn": "",
		}
	},
}

// methodSettingsKind keeps logging settings without the account's CloudWatch role that AWS wants for them: the local
// cloud behaves like an account in which the role is set.
var methodSettingsKind = &kind{
	inputs:    schemaOf(&apigateway.MethodSettingsArgs{}),
	required:  []string{"restApi"},
	replaceOn: []string{"restApi", "stageName", "methodPath"},
	identity:  []string{"restApi", "stageName", "methodPath"},
	id: func(_ *Server, r *Resource) string {
		return r.Inputs.text("restApi") + "-" + r.Inputs.text("stageName") + "-" + r.Inputs.text("methodPath")
	},
	check: func(s *Server, r *Resource) error {
		if path := r.Inputs.text("methodPath"); !methodPath.MatchString(path) {
			return fmt.Errorf("BadRequestException: Invalid method setting path: methodPath must be */*, "+
				"or a resource's path without its first slash and an HTTP method, such as infer/POST, but is %q", path)
		}
		return s.checkStage(r.Inputs.text("restApi"), r.Inputs.text("stageName"))
	},
}

// The names of methods in MethodSettings and in a usage plan's throttles.
var (
	methodPath   = regexp.MustCompile(`^(?:\*/\*|[^/*][^*]*/[A-Z]+)$`)
	throttlePath = regexp.MustCompile(`^/(?:[^*]*/)?[A-Z]+$`)
)

// keyData is the generated value of an API key.
type keyData struct {
	Value string `json:"value"`
}

var apiKeyKind = &kind{
	inputs:    schemaOf(&apigateway.ApiKeyArgs{}),
	nameLimit: 1024,
	defaults:  Properties{"description": "Managed by Pulumi", "enabled": true},
	replaceOn: []string{"value"},
	rules:     map[string]rule{"value": lengthBetween(20, 128)},
	identity:  []string{"value"},
	secret:    []string{"value"},
	id:        generatedID(10),
	run: func(_ context.Context, _ *Server, old, r *Resource) (err error) {
		if old == nil && r.Inputs.text("value") == "" {
			r.Data, err = json.Marshal(keyData{Value: secretToken(40)})
		}
		return err
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn":             gatewayARN(r, "/apikeys/"+r.ID),
			"createdDate":     r.Created.Format(time.RFC3339),
			"lastUpdatedDate": r.Updated.Format(time.RFC3339),
			"value":           keyValue(r),
		}
	},
	volatile: []string{"lastUpdatedDate"},
}

func keyValue(r *Resource) string {
	if given := r.Inputs.text("value"); given != "" {
		return given
	}
	var data keyData
	if json.Unmarshal(r.Data, &data) != nil {
		return "" // In a preview there is no value yet.
	}
	return data.Value
}

var usagePlanKind = &kind{
	inputs:    schemaOf(&apigateway.UsagePlanArgs{}),
	nameLimit: 255,
	id:        generatedID(6),
	check: func(s *Server, r *Resource) error {
		for _, stage := range r.Inputs.objects("apiStages") {
			if err := s.checkStage(stage.text("apiId"), stage.text("stage")); err != nil {
				return err
			}
			for _, throttle := range stage.objects("throttles") {
				if path := throttle.text("path"); !throttlePath.MatchString(path) {
					return fmt.Errorf("BadRequestException: apiStages.throttles.path must be a resource's path and an HTTP method, "+
						"such as /infer/POST, but is %q", path)
				}
			}
		}
		return checkQuota(r.Inputs.object("quotaSettings"))
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": gatewayARN(r, "/usageplans/"+r.ID)}
	},
}

// quotaOffsets are the largest offsets that the real provider takes.
var quotaOffsets = map[string]float64{gateway.PeriodDay: 0, gateway.PeriodWeek: 6, gateway.PeriodMonth: 27}

func checkQuota(quota Properties) error {
	if quota == nil {
		return nil
	}
	largest, known := quotaOffsets[quota.text("period")]
	if !known {
		return fmt.Errorf("quotaSettings.period must be DAY, WEEK or MONTH, but is %q", quota.text("period"))
	}
	if offset := quota.number("offset"); offset < 0 || offset > largest {
		return fmt.Errorf("quotaSettings.offset must be from 0 to %v for the period %s, but is %v", largest, quota.text("period"), offset)
	}
	return nil
}

// usagePlanKeyKind returns the key's value in plain, as the real provider does: it is the program that must declare
// this output as secret.
var usagePlanKeyKind = &kind{
	inputs:    schemaOf(&apigateway.UsagePlanKeyArgs{}),
	replaceOn: []string{"keyId", "keyType", "usagePlanId"},
	rules:     map[string]rule{"keyType": oneOf("API_KEY")},
	identity:  []string{"keyId", "usagePlanId"},
	id:        inputAsID("keyId"),
	check: func(s *Server, r *Resource) error {
		if s.store.Find(TypeAPIKey, r.Inputs.text("keyId"), "") == nil {
			return errors.New("NotFoundException: Invalid API Key identifier specified")
		}
		if s.store.Find(TypeUsagePlan, r.Inputs.text("usagePlanId"), "") == nil {
			return errors.New("NotFoundException: Invalid Usage Plan ID specified")
		}
		return nil
	},
	outputs: func(s *Server, r *Resource) Properties {
		out := Properties{"name": "", "value": ""}
		if key := s.store.Find(TypeAPIKey, r.Inputs.text("keyId"), ""); key != nil {
			out["name"], out["value"] = key.Inputs.text("name"), keyValue(key)
		}
		return out
	},
}

var accountKind = &kind{
	inputs: schemaOf(&apigateway.AccountArgs{}),
	id:     func(*Server, *Resource) string { return "api-gateway-account" },
	outputs: func(*Server, *Resource) Properties {
		return Properties{
			"apiKeyVersion":     "4",
			"cloudwatchRoleArn": "",
			"features":          []any{"UsagePlans"},
			"throttleSettings":  []any{map[string]any{"burstLimit": 5000.0, "rateLimit": 10000.0}},
		}
	},
}

func (s *Server) checkAPI(id string) error {
	if s.store.Find(TypeRestAPI, id, "") == nil {
		return fmt.Errorf("NotFoundException: Invalid API identifier specified %s:%s", accountID, id)
	}
	return nil
}

func (s *Server) checkStage(api, stage string) error {
	if s.store.Find(TypeStage, "ags-"+api+"-"+stage, "") == nil {
		return fmt.Errorf("NotFoundException: API Stage not found: %s:%s", api, stage)
	}
	return nil
}
