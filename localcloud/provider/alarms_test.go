package provider_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
)

// query is a metric query for the sum of a metric over a period in seconds.
func query(id string, period int) props {
	return props{"id": id, "metric": props{
		"namespace": "API", "metricName": id, "dimensions": props{"Stage": "live"}, "stat": "Sum", "period": period,
	}}
}

func expression(id, text string) props {
	return props{"id": id, "expression": text, "returnData": true}
}

func mathAlarm(queries ...any) props {
	return props{
		"name": "ratio", "comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "threshold": 0.1, "treatMissingData": "notBreaching",
		"metricQueries": queries,
	}
}

func TestMetricMathAndPercentilesAreEvaluated(t *testing.T) {
	c := newCloud(t)
	c.create(provider.TypeMetricAlarm, mathAlarm(query("bad", 300), query("all", 300), expression("ratio", "bad / all")))
	_, err := c.tryCreate(provider.TypeMetricAlarm, "slow", props{
		"name": "slow", "namespace": "API", "metricName": "Latency", "extendedStatistic": "p95", "period": 60,
		"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "threshold": 80,
	})
	require.NoError(t, err)
	alarms := c.scaler.registered.Alarms
	require.Len(t, alarms, 2)
	metric := func(name string) scaling.Metric {
		return scaling.Metric{Namespace: "API", Name: name, Dimensions: map[string]string{"Stage": "live"}, Statistic: "Sum", Period: 5 * time.Minute}
	}
	assert.Equal(t, map[string]scaling.Metric{"bad": metric("bad"), "all": metric("all")}, alarms[0].Math.Metrics)
	assert.Equal(t, "p95", alarms[1].Metric.Statistic)
	for _, alarm := range alarms {
		assert.Empty(t, alarm.NotEvaluated)
	}
}

func TestMetricMathIsRefusedAsOnAWS(t *testing.T) {
	for name, test := range map[string]struct {
		inputs props
		want   string
	}{
		"a metric besides":    {merged(mathAlarm(query("a", 60), expression("e", "a")), props{"metricName": "a"}), "takes neither metricName nor statistic"},
		"nothing watched":     {mathAlarm(query("a", 60)), "one of metricQueries must have returnData, but 0 have it"},
		"two watched":         {mathAlarm(query("a", 60), expression("e", "a"), expression("f", "a")), "but 2 have it"},
		"a capital":           {mathAlarm(query("A", 60), expression("e", "A")), "must match"},
		"one id twice":        {mathAlarm(query("a", 60), expression("a", "a")), "and be its own"},
		"neither":             {mathAlarm(props{"id": "a"}), "must have one of metric and expression"},
		"both":                {mathAlarm(merged(query("a", 60), props{"expression": "a"})), "must have one of metric and expression"},
		"half a minute":       {mathAlarm(query("a", 45), expression("e", "a")), "period must be 10, 20, 30 or a multiple of 60 seconds"},
		"more than a day":     {merged(mathAlarm(query("a", 1800), expression("e", "a")), props{"evaluationPeriods": 49}), "must not be above one day"},
		"more than a week":    {merged(mathAlarm(query("a", 259200), expression("e", "a")), props{"evaluationPeriods": 3}), "must not be above seven days"},
		"three days are good": {mathAlarm(query("a", 259200), expression("e", "a")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newCloud(t).tryCreate(provider.TypeMetricAlarm, "it", test.inputs)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestCompositeAlarmsJoinAlarmsThatExist(t *testing.T) {
	c := newCloud(t)
	long := c.create(provider.TypeMetricAlarm, wakeAlarm(props{"name": "long"}))
	short, err := c.tryCreate(provider.TypeMetricAlarm, "short", wakeAlarm(props{"name": "short"}))
	require.NoError(t, err)
	both := props{"alarmName": "both", "alarmRule": `ALARM("long") AND ALARM("short")`}
	for want, change := range map[string]props{
		"the alarm rule names other, which does not exist": {"alarmRule": `ALARM("long") AND ALARM("other")`},
		"there is a metric alarm long":                     {"alarmName": "long"},
	} {
		_, err := c.tryCreate(provider.TypeCompositeAlarm, "refused", merged(both, change))
		require.ErrorContains(t, err, want)
	}
	composite := c.create(provider.TypeCompositeAlarm, both)
	const arn = "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:both"
	assert.Equal(t, arn, c.text(composite, "arn"))
	assert.Equal(t, []scaling.Composite{{ARN: arn, Name: "both", All: []string{"long", "short"}}}, c.scaler.registered.Composites)

	composite, err = c.update(composite, recheck(c, composite, merged(both, props{"alarmRule": `OK("long")`})))
	require.NoError(t, err)
	assert.Contains(t, c.scaler.registered.Composites[0].NotEvaluated, "localcloud evaluates alarm rules of the form")

	composite, err = c.update(composite, recheck(c, composite, both))
	require.NoError(t, err)
	require.ErrorContains(t, c.delete(short), "the composite alarm both depends on it")
	require.NoError(t, c.delete(composite))
	require.NoError(t, c.delete(short))
	require.NoError(t, c.delete(long))
	assert.Empty(t, c.scaler.registered.Composites)
}
