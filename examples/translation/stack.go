package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/dynamodb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"scaletozero/components/arn"
	"scaletozero/components/function"
	"scaletozero/components/gateway"
	"scaletozero/components/iampolicy"
	"scaletozero/examples/translation/translation"
)

// What callers may do: requests per second, and at once, and in a month.
const (
	rateLimit    = 10
	burstLimit   = 20
	monthlyQuota = 10_000
)

const maxHistoryDays = 3650

// timeout is the function's, in seconds: what its steps may take together, and the
// rest for its answer. API Gateway waits 29.
const timeout = int((translation.TranslateTime+translation.SaveTime)/time.Second) + 4

// The table's keys and the attribute that says when a row expires, as package
// amazon has them; it would bring the AWS SDK into this program.
const (
	hashKey      = "caller"
	rangeKey     = "id"
	ttlAttribute = "expiresAt"
)

// archive is the function's package in one of its builds.
type archive func(build string) (pulumi.Archive, error)

// built are the packages that `examples/translation/build` leaves in a folder. They
// are named by their whole path: who reads them may run in another folder.
func built(folder string) archive {
	return func(build string) (pulumi.Archive, error) {
		file, err := filepath.Abs(filepath.Join(folder, build, "translation.zip"))
		if err == nil {
			_, err = os.Stat(file)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, the function, cannot be read; run examples/translation/build", file)
		}
		return pulumi.NewFileArchive(file), nil
	}
}

// stack is the stack's configuration.
type stack struct {
	region, allowOrigin           string
	historyDays, logRetentionDays int
	architecture                  string
	code                          pulumi.Archive
}

// load reads the configuration, and says all that is wrong with it at once. What
// the gateway judges itself is left to it.
func load(ctx *pulumi.Context, code archive) (*stack, error) {
	values := config.New(ctx, "")
	s := &stack{
		region: config.Get(ctx, "aws:region"), allowOrigin: values.Get("corsAllowOrigin"),
		historyDays: values.GetInt("historyDays"), logRetentionDays: values.GetInt("logRetentionDays"),
		architecture: values.Get("functionArchitecture"),
	}
	var problems []error
	refuse := func(key, value, allowed string) {
		problems = append(problems, fmt.Errorf("%s is %q; it must be %s; set it with `pulumi config set %s VALUE`", key, value, allowed, key))
	}
	if s.region == "" {
		refuse("aws:region", s.region, "a region with Amazon Translate, such as ap-northeast-1")
	}
	if s.historyDays < 1 || s.historyDays > maxHistoryDays {
		refuse("historyDays", values.Get("historyDays"), fmt.Sprintf("a whole number from 1 to %d", maxHistoryDays))
	}
	if !slices.Contains(gateway.LogRetentionDays, s.logRetentionDays) {
		refuse("logRetentionDays", values.Get("logRetentionDays"), fmt.Sprintf("one of %v", gateway.LogRetentionDays))
	}
	if !gateway.ValidOrigin(s.allowOrigin) {
		refuse("corsAllowOrigin", s.allowOrigin, "* or one origin such as https://app.example.com")
	}
	build := s.architecture
	if build == "host" {
		s.architecture = map[string]string{"arm64": "arm64", "amd64": "x86_64"}[runtime.GOARCH]
	}
	if !slices.Contains(function.Architectures, s.architecture) {
		refuse("functionArchitecture", build, fmt.Sprintf("one of %v, or host for the local cloud", function.Architectures))
	}
	if len(problems) == 0 {
		var err error
		s.code, err = code(build)
		problems = append(problems, err)
	}
	return s, errors.Join(problems...)
}

// newHistory creates the table. It is encrypted with AWS's own KMS key for
// DynamoDB, and can be restored to any second of the last 35 days: nothing else
// knows what is in it.
func newHistory(ctx *pulumi.Context, name string) (*dynamodb.Table, error) {
	table, err := dynamodb.NewTable(ctx, "history", &dynamodb.TableArgs{
		Name:        pulumi.String(name),
		BillingMode: pulumi.String("PAY_PER_REQUEST"),
		HashKey:     pulumi.String(hashKey),
		RangeKey:    pulumi.String(rangeKey),
		Attributes: dynamodb.TableAttributeArray{
			&dynamodb.TableAttributeArgs{Name: pulumi.String(hashKey), Type: pulumi.String("S")},
			&dynamodb.TableAttributeArgs{Name: pulumi.String(rangeKey), Type: pulumi.String("S")},
		},
		Ttl:                  &dynamodb.TableTtlArgs{AttributeName: pulumi.String(ttlAttribute), Enabled: pulumi.Bool(true)},
		ServerSideEncryption: &dynamodb.TableServerSideEncryptionArgs{Enabled: pulumi.Bool(true)},
		PointInTimeRecovery:  &dynamodb.TablePointInTimeRecoveryArgs{Enabled: pulumi.Bool(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("table %q: %w", "history", err)
	}
	return table, nil
}

// translator is the function, and what it may do.
func (s *stack) translator(scope arn.Scope, name string, history *dynamodb.Table) *function.Args {
	const day = 24 * 60 * 60
	return &function.Args{
		Scope:          scope,
		FunctionName:   name,
		Description:    "Translates text, and keeps the history of it.",
		Package:        s.code,
		Architecture:   s.architecture,
		TimeoutSeconds: timeout,
		Environment: pulumi.StringMap{
			"HISTORY_TABLE":       history.Name,
			"HISTORY_TTL_SECONDS": pulumi.String(strconv.Itoa(s.historyDays * day)),
			"ALLOW_ORIGIN":        pulumi.String(s.allowOrigin),
		},
		Statements: []iampolicy.Statement{
			// Without a custom terminology TranslateText has no resource (Service
			// Authorization Reference, "Amazon Translate").
			iampolicy.Allow("Translate", []string{"translate:TranslateText"}, []string{"*"}),
			iampolicy.Allow("History", []string{"dynamodb:PutItem", "dynamodb:Query"}, []string{scope.Table(name)}),
		},
		LogRetentionDays: s.logRetentionDays,
	}
}

// api is what callers see.
func (s *stack) api(scope arn.Scope, name, stage string, routes []gateway.Route) *gateway.Args {
	return &gateway.Args{
		Scope:            scope,
		APIName:          name,
		StageName:        stage,
		Routes:           routes,
		CredentialsArn:   scope.Role(name + "-gateway"),
		AllowOrigin:      s.allowOrigin,
		APIKeys:          []gateway.APIKey{{Name: "a", Enabled: true}},
		RateLimit:        rateLimit,
		BurstLimit:       burstLimit,
		MonthlyQuota:     monthlyQuota,
		LogRetentionDays: s.logRetentionDays,
	}
}
