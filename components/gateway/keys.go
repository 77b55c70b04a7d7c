package gateway

import (
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigateway"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// APIKey is a key of the API's usage plan. API Gateway makes its value.
type APIKey struct {
	// Name tells the API's keys apart and matches KeyName. Another name is
	// another key, with another value.
	Name string
	// Enabled says whether the key works. A disabled one is refused with 403,
	// and works with the same value when it is enabled again.
	Enabled bool
}

// MaxAPIKeys is how many keys an API may have: the old and the new one while
// callers change over. Each key has the plan's whole quota, so that more of them
// would only raise it; callers who must be told apart need plans of their own.
const MaxAPIKeys = 2

// KeyName is what a key may be called: up to 32 lower-case letters and digits,
// with a letter first.
var KeyName = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

// keyProblems are what is wrong with the keys.
func keyProblems(keys []APIKey) []string {
	var problems []string
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Sprintf(format, values...)) }
	if len(keys) == 0 || len(keys) > MaxAPIKeys {
		refuse("APIKeys has %d keys; give one, or %d while callers change over", len(keys), MaxAPIKeys)
	}
	seen, enabled := map[string]bool{}, false
	for i, key := range keys {
		if !KeyName.MatchString(key.Name) {
			refuse("APIKeys[%d].Name is %q; give up to 32 lower-case letters and digits, with a letter first", i, key.Name)
		}
		if seen[key.Name] {
			refuse("APIKeys[%d].Name is %q, which another key has already", i, key.Name)
		}
		seen[key.Name] = true
		enabled = enabled || key.Enabled
	}
	if len(keys) > 0 && !enabled {
		refuse("APIKeys has no enabled key, so that nobody could call; enable one")
	}
	return problems
}

// newKeys puts the stage into one usage plan and the keys on it, and returns the
// current key, the last enabled one. AWS enforces a plan's limits on a
// best-effort basis and does not want keys taken for authentication (API Gateway
// developer guide, "Usage plans and API keys").
func newKeys(ctx *pulumi.Context, name string, args *Args, stage *apigateway.Stage, parent pulumi.ResourceOption) (*apigateway.ApiKey, error) {
	plan, err := apigateway.NewUsagePlan(ctx, name, &apigateway.UsagePlanArgs{
		Name: pulumi.String(args.APIName),
		ApiStages: apigateway.UsagePlanApiStageArray{&apigateway.UsagePlanApiStageArgs{
			ApiId: stage.RestApi, Stage: stage.StageName,
		}},
		ThrottleSettings: &apigateway.UsagePlanThrottleSettingsArgs{
			RateLimit:  pulumi.Float64(args.RateLimit),
			BurstLimit: pulumi.Int(args.BurstLimit),
		},
		QuotaSettings: &apigateway.UsagePlanQuotaSettingsArgs{
			Limit:  pulumi.Int(args.MonthlyQuota),
			Period: pulumi.String("MONTH"),
		},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("usage plan %q: %w", name, err)
	}
	var current *apigateway.ApiKey
	for i, key := range args.APIKeys {
		options := []pulumi.ResourceOption{parent}
		if i == 0 {
			// A stack from the time when there was one key, without a name, keeps it.
			options = append(options, pulumi.Aliases([]pulumi.Alias{{Name: pulumi.String(name)}}))
		}
		created, err := newKey(ctx, name+"-"+key.Name, args.APIName, key, plan, options)
		if err != nil {
			return nil, err
		}
		if key.Enabled {
			current = created
		}
	}
	return current, nil
}

// newKey creates a key and puts it on the plan. It stays there when it is
// disabled.
func newKey(ctx *pulumi.Context, name, apiName string, key APIKey, plan *apigateway.UsagePlan, options []pulumi.ResourceOption) (*apigateway.ApiKey, error) {
	created, err := apigateway.NewApiKey(ctx, name, &apigateway.ApiKeyArgs{
		Name:    pulumi.String(apiName + "-" + key.Name),
		Enabled: pulumi.Bool(key.Enabled),
	}, options...)
	if err != nil {
		return nil, fmt.Errorf("API key %q: %w", name, err)
	}
	// The provider repeats the key's value here and does not call it a secret;
	// without this it would be in the state in plain text.
	options = append(options, pulumi.AdditionalSecretOutputs([]string{"value"}))
	_, err = apigateway.NewUsagePlanKey(ctx, name, &apigateway.UsagePlanKeyArgs{
		KeyId:       created.ID(),
		KeyType:     pulumi.String("API_KEY"),
		UsagePlanId: plan.ID(),
	}, options...)
	if err != nil {
		return nil, fmt.Errorf("usage plan key %q: %w", name, err)
	}
	return created, nil
}
