// Package gateway holds a REST API with keys, throttle, quota, CORS and logs
// in front of SageMaker endpoints and Lambda functions.
package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigateway"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:gateway:Gateway"

// Gateway is the created API.
type Gateway struct {
	pulumi.ResourceState

	// RestApiID is API Gateway's id of the API.
	RestApiID pulumi.StringOutput
	// StageURL is the stage's URL without a trailing slash; a route's path
	// follows it.
	StageURL pulumi.StringOutput
	// StageArn is what a firewall protects.
	StageArn pulumi.StringOutput
	// AccessLogGroup is the name of the log group with the stage's access log, one
	// JSON object a request.
	AccessLogGroup pulumi.StringOutput
	// APIKeyID identifies the current key, the last enabled one of Args.APIKeys,
	// in logs and in the console.
	APIKeyID pulumi.StringOutput
	// APIKeyValue is the current key itself, a secret.
	APIKeyValue pulumi.StringOutput
}

// New creates the API, deploys it and gives it its keys. Nothing in it depends
// on the endpoint, so it is created while the endpoint still comes up.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Gateway, error) {
	document, err := Document(args)
	if err != nil {
		return nil, fmt.Errorf("gateway %q: %w", name, err)
	}
	body, err := document.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("gateway %q: writing the OpenAPI document: %w", name, err)
	}
	gateway := &Gateway{}
	if err := ctx.RegisterComponentResource(Type, name, gateway, opts...); err != nil {
		return nil, fmt.Errorf("gateway %q: %w", name, err)
	}
	parent := pulumi.Parent(gateway)

	api, err := apigateway.NewRestApi(ctx, name, &apigateway.RestApiArgs{
		Name:                  pulumi.String(args.APIName),
		Body:                  pulumi.String(body),
		PutRestApiMode:        pulumi.String("overwrite"),
		FailOnWarnings:        pulumi.Bool(true),
		EndpointConfiguration: &apigateway.RestApiEndpointConfigurationArgs{Types: pulumi.String("REGIONAL")},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("REST API %q: %w", name, err)
	}
	stage, access, err := newStage(ctx, name, args, api, body, parent)
	if err != nil {
		return nil, err
	}
	current, err := newKeys(ctx, name, args, stage, parent)
	if err != nil {
		return nil, err
	}

	gateway.RestApiID = api.ID().ToStringOutput()
	gateway.StageURL = stage.InvokeUrl
	gateway.StageArn = stage.Arn
	gateway.AccessLogGroup = access.Name
	gateway.APIKeyID = current.ID().ToStringOutput()
	gateway.APIKeyValue = current.Value
	err = ctx.RegisterResourceOutputs(gateway, pulumi.Map{
		"restApiId":      gateway.RestApiID,
		"stageUrl":       gateway.StageURL,
		"stageArn":       gateway.StageArn,
		"accessLogGroup": gateway.AccessLogGroup,
		"apiKeyId":       gateway.APIKeyID,
		"apiKeyValue":    gateway.APIKeyValue,
	})
	if err != nil {
		return nil, fmt.Errorf("gateway %q: %w", name, err)
	}
	return gateway, nil
}

// newStage deploys the document and serves it, with its access log. The deployment is a snapshot:
// only a new one, which the document's hash triggers, makes a change visible.
// It names no stage itself, since replacing it would then take the stage away.
func newStage(ctx *pulumi.Context, name string, args *Args, api *apigateway.RestApi, body []byte, parent pulumi.ResourceOption) (*apigateway.Stage, *cloudwatch.LogGroup, error) {
	digest := sha256.Sum256(body)
	deployment, err := apigateway.NewDeployment(ctx, name, &apigateway.DeploymentArgs{
		RestApi:  api.ID(),
		Triggers: pulumi.StringMap{"document": pulumi.String(hex.EncodeToString(digest[:]))},
	}, parent)
	if err != nil {
		return nil, nil, fmt.Errorf("deployment %q: %w", name, err)
	}
	logs, err := newLogs(ctx, name, args, api, parent)
	if err != nil {
		return nil, nil, err
	}
	stage, err := apigateway.NewStage(ctx, name, &apigateway.StageArgs{
		RestApi:            api.ID(),
		Deployment:         deployment.ID(),
		StageName:          pulumi.String(args.StageName),
		XrayTracingEnabled: pulumi.Bool(true),
		AccessLogSettings: &apigateway.StageAccessLogSettingsArgs{
			DestinationArn: logs.access.Arn,
			Format:         pulumi.String(accessLogFormat()),
		},
	}, parent, pulumi.DependsOn(logs.account))
	if err != nil {
		return nil, nil, fmt.Errorf("stage %q: %w", name, err)
	}
	_, err = apigateway.NewMethodSettings(ctx, name, &apigateway.MethodSettingsArgs{
		RestApi:    api.ID(),
		StageName:  stage.StageName,
		MethodPath: pulumi.String("*/*"),
		Settings: &apigateway.MethodSettingsSettingsArgs{
			// ERROR and no data trace: the log says what failed and never
			// holds a caller's body.
			LoggingLevel:         pulumi.String("ERROR"),
			DataTraceEnabled:     pulumi.Bool(false),
			MetricsEnabled:       pulumi.Bool(true),
			ThrottlingRateLimit:  pulumi.Float64(args.RateLimit),
			ThrottlingBurstLimit: pulumi.Int(args.BurstLimit),
		},
	}, parent, pulumi.DependsOn([]pulumi.Resource{logs.execution}))
	if err != nil {
		return nil, nil, fmt.Errorf("method settings %q: %w", name, err)
	}
	return stage, logs.access, nil
}

// logs are the stage's log groups and, where this stack manages it, the
// account setting that lets API Gateway write to them.
type logs struct {
	access, execution *cloudwatch.LogGroup
	account           []pulumi.Resource
}

func newLogs(ctx *pulumi.Context, name string, args *Args, api *apigateway.RestApi, parent pulumi.ResourceOption) (*logs, error) {
	group := func(suffix string, physicalName pulumi.StringPtrInput) (*cloudwatch.LogGroup, error) {
		created, err := cloudwatch.NewLogGroup(ctx, name+suffix, &cloudwatch.LogGroupArgs{
			Name:            physicalName,
			RetentionInDays: pulumi.Int(args.LogRetentionDays),
			KmsKeyId:        args.LogKMSKeyArn,
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("log group %q: %w", name+suffix, err)
		}
		return created, nil
	}
	access, err := group("-access", pulumi.StringPtr("/aws/apigateway/"+args.APIName+"/"+args.StageName))
	if err != nil {
		return nil, err
	}
	// API Gateway would create this group by itself, to be kept for ever.
	execution, err := group("-execution", pulumi.Sprintf("API-Gateway-Execution-Logs_%s/%s", api.ID(), args.StageName).ToStringPtrOutput())
	if err != nil {
		return nil, err
	}
	created := &logs{access: access, execution: execution}
	if args.ManageAccount {
		if created.account, err = newAccount(ctx, name, args.Scope.Partition, parent); err != nil {
			return nil, err
		}
	}
	return created, nil
}
