package slo_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/iampolicy"
	"scaletozero/components/slo"
	"scaletozero/internal/recorder"
	"scaletozero/localcloud/metrics"
)

const (
	alarmToken        = "aws:cloudwatch/metricAlarm:MetricAlarm"
	compositeToken    = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
	filterToken       = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
	topicToken        = "aws:sns/topic:Topic"
	topicPolicyToken  = "aws:sns/topicPolicy:TopicPolicy"
	subscriptionToken = "aws:sns/topicSubscription:TopicSubscription"
	keyToken          = "aws:kms/key:Key"

	topicArn = "arn:aws:sns:ap-northeast-1:123456789012:songs-slo"
	ownKey   = "arn:aws:kms:ap-northeast-1:123456789012:key/k"
)

// named are the resources of a type by their logical names.
func named(graph *recorder.Graph, token string) map[string]resource.PropertyMap {
	found := map[string]resource.PropertyMap{}
	for _, r := range graph.OfType(token) {
		found[r.Name] = r.Inputs
	}
	return found
}

func TestAlarmsAreKnownAtPreview(t *testing.T) {
	for mode, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(mode, func(t *testing.T) {
			graph := run(t, args(), options...)
			alarms := named(graph, alarmToken)
			assert.Len(t, alarms, 9)
			for logical, alarm := range alarms {
				assert.Equal(t, "notBreaching", alarm["treatMissingData"].StringValue(), logical)
			}
			for logical, period := range map[string]float64{
				"songs-burn-fast-long": 3600, "songs-burn-fast-short": 300, "songs-burn-steady-long": 21600,
				"songs-burn-steady-short": 1800, "songs-burn-slow-long": 259200, "songs-burn-slow-short": 21600,
			} {
				alarm := alarms[logical]
				require.NotNil(t, alarm, logical)
				assert.NotContains(t, alarm, resource.PropertyKey("alarmActions"), "a window alone tells nobody")
				for _, query := range alarm["metricQueries"].ArrayValue() {
					if metric, is := query.ObjectValue()["metric"]; is {
						assert.InDelta(t, period, metric.ObjectValue()["period"].NumberValue(), 0, logical)
					}
				}
			}
			composites := named(graph, compositeToken)
			assert.Len(t, composites, 3)
			assert.Equal(t, `ALARM("songs-slo-burn-fast-long") AND ALARM("songs-slo-burn-fast-short")`, composites["songs-burn-fast"]["alarmRule"].StringValue())
			assert.Equal(t, "POST /infer: the error budget of 28 days is burning more than 14.4 times as fast as it lasts; 2.1 % of it went in 1 h. Look at once.",
				composites["songs-burn-fast"]["alarmDescription"].StringValue())
			assert.Contains(t, composites["songs-burn-slow"]["alarmDescription"].StringValue(), "10.7 % of it went in 72 h.")
		})
	}
}

// The metrics that are watched, in words of their own: a slip in a name would make an alarm that never rings.
func TestWhatTheAlarmsWatch(t *testing.T) {
	const (
		requests = "requests = SampleCount of AWS/ApiGateway Count, songs dev POST /infer"
		refused  = "refused = Sum of AWS/ApiGateway 4XXError, songs dev POST /infer"
		rate     = "IF((requests - FILL(refused, 0) - FILL(starting, 0)) > 0, FILL(errors, 0) / (requests - FILL(refused, 0) - FILL(starting, 0)) / 0.001, 0)"
		strict   = "IF((requests - FILL(refused, 0)) > 0, FILL(errors, 0) / (requests - FILL(refused, 0)) / 0.001, 0)"
		samples  = "requests = SampleCount of AWS/ApiGateway Latency, songs dev POST /infer"
	)
	apart := []string{requests, refused, "errors = Sum of SLO/songs-slo ServerErrors", "starting = Sum of SLO/songs-slo ModelStarting"}
	counted := []string{requests, refused, "errors = Sum of AWS/ApiGateway 5XXError, songs dev POST /infer"}
	for _, test := range []struct {
		countColdStarts bool
		alarm           string
		want            []string
	}{
		{false, "songs-burn-fast-long", append(slices.Clone(apart), "watched: IF(FILL(errors, 0) >= 3, "+rate+", 0)")},
		{false, "songs-burn-fast-short", append(slices.Clone(apart), "watched: "+rate)},
		{false, "songs-burn-slow-long", append(slices.Clone(apart), "watched: IF(FILL(errors, 0) >= 3, "+rate+", 0)")},
		{true, "songs-burn-fast-long", append(slices.Clone(counted), "watched: IF(FILL(errors, 0) >= 3, "+strict+", 0)")},
		{true, "songs-burn-steady-short", append(slices.Clone(counted), "watched: "+strict)},
		{false, "songs-latency-p95", []string{samples, "latency = p95 of AWS/ApiGateway Latency, songs dev POST /infer", "watched: IF(FILL(requests, 0) > 20, latency, 0)"}},
		{false, "songs-latency-p50", []string{samples, "latency = p50 of AWS/ApiGateway Latency, songs dev POST /infer", "watched: IF(FILL(requests, 0) > 2, latency, 0)"}},
	} {
		graph := run(t, changed(func(a *slo.Args) { a.CountColdStarts = test.countColdStarts }), recorder.Preview)
		assert.Equal(t, test.want, queriesOf(named(graph, alarmToken)[test.alarm]), test.alarm)
	}
	waking := named(run(t, args()), alarmToken)["songs-not-waking"].Mappable()
	for key, want := range map[string]any{
		"namespace": "SLO/songs-slo", "metricName": "ModelStarting", "statistic": "Sum", "period": 300.0, "evaluationPeriods": 6.0,
		"comparisonOperator": "GreaterThanOrEqualToThreshold", "threshold": 1.0, "treatMissingData": "notBreaching", "dimensions": nil,
		"alarmDescription": "POST /infer has found the model asleep for 30 minutes, in each 5 of them. Look at once.",
	} {
		assert.Equal(t, want, waking[key], key)
	}
}

// queriesOf are an alarm's metric queries, a sentence each.
func queriesOf(alarm resource.PropertyMap) (all []string) {
	for _, query := range alarm["metricQueries"].ArrayValue() {
		q := query.ObjectValue()
		metric, is := q["metric"]
		if !is {
			all = append(all, map[bool]string{true: "watched: ", false: "unwatched: "}[q["returnData"].BoolValue()]+q["expression"].StringValue())
			continue
		}
		m := metric.ObjectValue()
		text := q["id"].StringValue() + " = " + m["stat"].StringValue() + " of " + m["namespace"].StringValue() + " " + m["metricName"].StringValue()
		if dimensions, are := m["dimensions"]; are {
			d := dimensions.ObjectValue()
			text += ", " + d["ApiName"].StringValue() + " " + d["Stage"].StringValue() + " " + d["Method"].StringValue() + " " + d["Resource"].StringValue()
		}
		all = append(all, text)
	}
	return all
}

// What the filters count, and where: in words of their own, as the alarms look there.
func TestWhatTheFiltersCount(t *testing.T) {
	filters := named(run(t, args()), filterToken)
	require.Len(t, filters, 2)
	for logical, want := range map[string]struct{ name, metric, pattern string }{
		"songs-failed": {
			"songs-slo-failed", "ServerErrors",
			`{ $.httpMethod = "POST" && $.resourcePath = "/infer" && $.status = "5*" && ($.status != "503" || $.integrationStatus != "400") }`,
		},
		"songs-starting": {
			"songs-slo-starting", "ModelStarting",
			`{ $.httpMethod = "POST" && $.resourcePath = "/infer" && $.status = "503" && $.integrationStatus = "400" }`,
		},
	} {
		assert.Equal(t, map[string]any{
			"name": want.name, "logGroupName": logGroup, "pattern": want.pattern,
			"metricTransformation": map[string]any{
				"namespace": "SLO/songs-slo", "name": want.metric, "value": "1", "defaultValue": "0", "unit": "Count",
			},
		}, filters[logical].Mappable(), logical)
	}
}

func TestTheTopicHearsWhatPeopleShouldDoSomethingAbout(t *testing.T) {
	graph := run(t, args())
	told := map[string]bool{}
	for _, token := range []string{alarmToken, compositeToken} {
		for logical, alarm := range named(graph, token) {
			if _, does := alarm["alarmActions"]; !does {
				continue
			}
			told[logical] = true
			for _, actions := range []resource.PropertyKey{"alarmActions", "okActions"} {
				assert.Equal(t, []any{"arn:aws:mock:::songs"}, alarm[actions].Mappable(), "%s of %s", actions, logical)
			}
		}
	}
	assert.Equal(t, []string{"songs-burn-fast", "songs-burn-slow", "songs-burn-steady", "songs-latency-p50", "songs-latency-p95", "songs-not-waking"},
		slices.Sorted(maps.Keys(told)))
	for _, r := range graph.OfType(compositeToken) {
		waits := strings.Join(r.DependsOn, " ")
		assert.Contains(t, waits, r.Name+"-long", "the rule names it")
		assert.Contains(t, waits, r.Name+"-short", "the rule names it")
	}
}

// The filters look at lines as the gateway's format makes them.
func TestFiltersTellColdStartsFromFailures(t *testing.T) {
	filters := named(run(t, args()), filterToken)
	require.Len(t, filters, 2)
	patterns := map[string]*metrics.Pattern{}
	for logical, filter := range filters {
		assert.Equal(t, logGroup, filter["logGroupName"].StringValue())
		var err error
		patterns[logical], err = metrics.ParsePattern(filter["pattern"].StringValue())
		require.NoError(t, err)
	}
	for _, test := range []struct {
		status, integration, method, path string
		want                              string
	}{
		{"503", "400", "POST", "/infer", "songs-starting"},
		{"503", "429", "POST", "/infer", "songs-failed"},
		{"503", "503", "POST", "/infer", "songs-failed"},
		{"503", "-", "POST", "/infer", "songs-failed"},
		{"500", "400", "POST", "/infer", "songs-failed"},
		{"502", "424", "POST", "/infer", "songs-failed"},
		{"504", "-", "POST", "/infer", "songs-failed"},
		{"200", "200", "POST", "/infer", ""},
		{"429", "-", "POST", "/infer", ""},
		{"503", "400", "GET", "/infer", ""},
		{"500", "-", "POST", "/jobs", ""},
		{"503", "400", "POST", "/jobs", ""},
	} {
		line, err := json.Marshal(map[string]string{
			"status": test.status, "integrationStatus": test.integration, "httpMethod": test.method, "resourcePath": test.path,
		})
		require.NoError(t, err)
		var matched []string
		for logical, pattern := range patterns {
			if pattern.Matches(line) {
				matched = append(matched, logical)
			}
		}
		assert.Equal(t, test.want, strings.Join(matched, " "), "%s", line)
	}
}

func TestCountingColdStartsNeedsNoLog(t *testing.T) {
	graph := run(t, changed(func(a *slo.Args) { a.CountColdStarts, a.AccessLogGroup = true, nil }))
	assert.Empty(t, graph.OfType(filterToken))
	for _, alarm := range named(graph, alarmToken) {
		if queries, are := alarm["metricQueries"]; are {
			assert.NotContains(t, queries.String(), "SLO/", "API Gateway's own metrics will do")
		}
	}
}

func TestTheTopicIsEncrypted(t *testing.T) {
	graph := run(t, args())
	assert.Equal(t, "arn:aws:mock:::songs", graph.Only(t, topicToken).Inputs["kmsMasterKeyId"].StringValue())
	key := graph.Only(t, keyToken).Inputs
	assert.True(t, key["enableKeyRotation"].BoolValue())
	policy := document(t, key["policy"])
	assert.Equal(t, map[string]string{"AWS": "arn:aws:iam::123456789012:root"}, policy.Statement[0].Principal)
	assert.Equal(t, []string{"kms:Decrypt", "kms:GenerateDataKey*"}, policy.Statement[1].Action)

	own := run(t, changed(func(a *slo.Args) { a.KMSKeyArn = ownKey }))
	assert.Equal(t, ownKey, own.Only(t, topicToken).Inputs["kmsMasterKeyId"].StringValue())
	assert.Empty(t, own.OfType(keyToken))
}

func TestOnlyTheAlarmsPublishAndOnlyOverTLS(t *testing.T) {
	for mode, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(mode, func(t *testing.T) {
			graph := run(t, args(), options...)
			policy := document(t, graph.Only(t, topicPolicyToken).Inputs["policy"])
			require.Len(t, policy.Statement, 2)
			alarms, tls := policy.Statement[0], policy.Statement[1]
			for _, statement := range policy.Statement {
				assert.Equal(t, []string{topicArn}, statement.Resource)
				assert.Equal(t, []string{"sns:Publish"}, statement.Action)
			}
			assert.Equal(t, []string{"Allow", "Deny"}, []string{alarms.Effect, tls.Effect})
			assert.Equal(t, map[string]iampolicy.Condition{"Bool": {"aws:SecureTransport": {"false"}}}, tls.Condition)
			assert.Equal(t, map[string]string{"Service": "cloudwatch.amazonaws.com"}, alarms.Principal)
			assert.Equal(t, []string{recorder.Account}, alarms.Condition["StringEquals"]["aws:SourceAccount"])

			// Whoever has actions is in the policy, and nobody else.
			var want []string
			for _, r := range graph.OfType(compositeToken) {
				want = append(want, "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:"+r.Inputs["alarmName"].StringValue())
			}
			for logical, alarm := range named(graph, alarmToken) {
				if strings.Contains(logical, "latency") || strings.Contains(logical, "not-waking") {
					want = append(want, "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:"+alarm["name"].StringValue())
				}
			}
			assert.ElementsMatch(t, want, alarms.Condition["ArnEquals"]["aws:SourceArn"])
			assert.Equal(t, alarms.Condition, document(t, graph.Only(t, keyToken).Inputs["policy"]).Statement[1].Condition)
		})
	}
}

func document(t *testing.T, policy resource.PropertyValue) iampolicy.Document {
	t.Helper()
	var d iampolicy.Document
	require.NoError(t, json.Unmarshal([]byte(policy.StringValue()), &d))
	return d
}

func TestMailIsOptional(t *testing.T) {
	assert.Empty(t, run(t, args()).OfType(subscriptionToken))
	graph := run(t, changed(func(a *slo.Args) { a.Email = "team@example.com" }))
	inputs := graph.Only(t, subscriptionToken).Inputs
	assert.Equal(t, "email", inputs["protocol"].StringValue())
	assert.Equal(t, "team@example.com", inputs["endpoint"].StringValue())
	assert.Equal(t, "arn:aws:mock:::songs", inputs["topic"].StringValue())
}

func TestOutputs(t *testing.T) {
	var topic string
	_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		created, err := slo.New(ctx, "songs", args())
		if err != nil {
			return err
		}
		created.TopicArn.ApplyT(func(arn string) error {
			topic = arn
			return nil
		})
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:mock:::songs", topic)
}

func TestObjectivesSurviveAnUnknownLogGroup(t *testing.T) {
	unknown := pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
	graph := run(t, changed(func(a *slo.Args) { a.AccessLogGroup = unknown }), recorder.Preview)
	for _, filter := range named(graph, filterToken) {
		assert.NotContains(t, filter, resource.PropertyKey("logGroupName"))
		assert.Contains(t, filter, resource.PropertyKey("pattern"), "an unknown group hides nothing else")
	}
}

func TestObjectivesRefuseBadArgs(t *testing.T) {
	for name, test := range map[string]struct {
		args *slo.Args
		want []string
	}{
		"nil": {nil, []string{"args are required"}},
		"empty": {&slo.Args{}, []string{
			"Scope", "Name", "APIName", "Method", "Path", "WindowDays is 0; it must be from 1 to 90",
			"Availability is 0; it must be from 95 to 99.999 percent", "LatencyP50Ms", "AccessLogGroup",
		}},
		"name":                     {changed(func(a *slo.Args) { a.Name = "songs.slo" }), []string{"Name"}},
		"long name":                {changed(func(a *slo.Args) { a.Name = strings.Repeat("a", slo.MaxNameLength+1) }), []string{"Name"}},
		"no stage":                 {changed(func(a *slo.Args) { a.StageName = "" }), []string{"StageName"}},
		"method":                   {changed(func(a *slo.Args) { a.Method = "post" }), []string{`Method is "post"`}},
		"path":                     {changed(func(a *slo.Args) { a.Path = "infer" }), []string{`Path is "infer"`}},
		"any path":                 {changed(func(a *slo.Args) { a.Path = "/*" }), []string{"Path"}},
		"window":                   {changed(func(a *slo.Args) { a.Objectives.WindowDays = 91 }), []string{"WindowDays is 91"}},
		"too available":            {changed(func(a *slo.Args) { a.Objectives.Availability = 100 }), []string{"Availability is 100"}},
		"unreachable":              {changed(func(a *slo.Args) { a.Objectives.Availability = 94.9 }), []string{"Availability is 94.9"}},
		"p50 above p95":            {changed(func(a *slo.Args) { a.Objectives.LatencyP50Ms = 81 }), []string{"LatencyP50Ms is 81 and LatencyP95Ms 80"}},
		"over API Gateway's limit": {changed(func(a *slo.Args) { a.Objectives.LatencyP95Ms = 29_001 }), []string{"LatencyP95Ms 29001"}},
		"email":                    {changed(func(a *slo.Args) { a.Email = "team" }), []string{`Email is "team"`}},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := slo.New(ctx, "songs", test.args)
				return err
			})
			require.Error(t, err)
			assert.ErrorContains(t, err, `objectives "songs"`)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Empty(t, graph.OfType(slo.Type), "nothing may be registered")
		})
	}
}

func TestObjectivesNameWhatFailed(t *testing.T) {
	for _, token := range []string{alarmToken, compositeToken, filterToken, topicToken, topicPolicyToken, subscriptionToken, keyToken} {
		t.Run(token, func(t *testing.T) {
			_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := slo.New(ctx, "songs", changed(func(a *slo.Args) { a.Email = "team@example.com" }))
				return err
			}, recorder.Failing(token))
			assert.ErrorContains(t, err, "songs")
			assert.ErrorContains(t, err, "failed")
		})
	}
}
