package dashboard

import (
	"fmt"
	"strconv"
	"strings"
)

// Namespaces of SageMaker's metrics (SageMaker developer guide, "Amazon SageMaker
// AI metrics in Amazon CloudWatch"), Lambda's and SQS's.
const (
	sagemakerNamespace = "AWS/SageMaker"
	instancesNamespace = "/aws/sagemaker/Endpoints"
	copiesNamespace    = "/aws/sagemaker/InferenceComponents"
	lambdaNamespace    = "AWS/Lambda"
	sqsNamespace       = "AWS/SQS"
)

// component is a metric of the inference component.
func (e *Endpoint) component(name, stat string) series {
	return metric(sagemakerNamespace, name, stat, "InferenceComponentName", e.InferenceComponentName)
}

// refusals are the requests that found no copy.
func (e *Endpoint) refusals() series { return e.component("NoCapacityInvocationFailures", sum) }

// copySamples and instanceSamples have a sample for each that runs, once a minute:
// SageMaker has no metric that counts them, but each copy and each instance
// reports how busy it is, by default every 60 seconds (in the same page). So over
// a minute the number of samples is how many there are, and over a longer time how
// many minutes they ran, all together.
func (e *Endpoint) copySamples() series {
	return metric(copiesNamespace, "CPUUtilizationNormalized", sampleCount, "InferenceComponentName", e.InferenceComponentName)
}

func (e *Endpoint) instanceSamples() series {
	return metric(instancesNamespace, "CPUUtilization", sampleCount, "EndpointName", e.EndpointName, "VariantName", e.VariantName)
}

// late is how many of the newest minutes may have no sample yet: two that
// SageMaker is late by, and the one under way.
const late = 3

// minutes is what copies and instances are counted over: a multiple of 5, above
// late times their upper bound.
func (e *Endpoint) minutes() int { return 5 * (late*e.MaxInstances/5 + 1) }

// counts are how many copies and instances there are, over periods of so many
// minutes. Nobody reports while all sleep, so no sample means none; over a minute
// it may also mean none yet, and FILL would make a 0 of it (CloudWatch user guide,
// "Using math expressions with CloudWatch metrics"). Over longer periods, samples
// that are to come leave a fraction, and it is rounded up. The late ones of n
// copies are late * n at most, which is less than the period, so they never take a
// whole copy away.
func (e *Endpoint) counts(copies string) []series {
	count := func(id string) series { return math(fmt.Sprintf("CEIL(FILL(%s, 0) / %d)", id, e.minutes())) }
	return []series{
		e.copySamples().hidden("copies"), e.instanceSamples().hidden("instances"),
		count("copies").as(copies, primary), count("instances").as("instances", second),
	}
}

func (l *layout) endpoint(e *Endpoint) {
	l.heading(fmt.Sprintf("## The model\nInference component %s on endpoint %s. With no copy left it costs nothing; the first request is refused and wakes it. SageMaker is a minute or more late, so copies and instances are counted over %d minutes and rounded up.",
		e.InferenceComponentName, e.EndpointName, e.minutes()))
	l.row(graphHeight,
		cell{columns / 2, l.over("Copies and instances", "", minute*e.minutes(), e.counts("copies")...).marked(horizontal{Label: fmt.Sprintf("at most %d", e.MaxInstances), Value: float64(e.MaxInstances), Color: quiet})},
		cell{columns / 4, l.over("Refused: no copy", "", minute,
			e.refusals().hidden("refusals"), math("FILL(refusals, 0)").as("wakes the model", asleep)).stacked()},
		cell{columns / 4, l.over("Requests at once for each copy", "", minute, e.component("ConcurrentRequestsPerCopy", maximum).as("most", primary))})
	l.row(graphHeight,
		// ModelLatency is in microseconds.
		cell{columns / 2, l.over("The model's own time", "ms", minute,
			e.component("ModelLatency", p50).hidden("median"), e.component("ModelLatency", p95).hidden("slow"),
			math("median / 1000").as("p50", primary), math("slow / 1000").as("p95", asleep))},
		cell{columns / 2, l.over("Invocations a minute", "", minute,
			e.component("Invocations", sum).as("asked", primary),
			e.component("InvocationModelErrors", sum).as("failed in the model", bad))})
}

// metric is one of the function's, by all that call it.
func (f *Function) metric(name, stat string) series {
	return metric(lambdaNamespace, name, stat, "FunctionName", f.FunctionName)
}

// alias is one of the alias' own, which provisioned concurrency has (Lambda
// developer guide, "Types of metrics for Lambda functions").
func (f *Function) alias(name, stat string) series {
	return metric(lambdaNamespace, name, stat, "FunctionName", f.FunctionName, "Resource", f.FunctionName+":"+f.Alias)
}

func (l *layout) function(args *Args) {
	f := args.Function
	explained := ""
	if args.API != nil {
		explained = coldStarts
		if args.Queue != nil {
			explained += coldStartsOfJobs
		}
	}
	l.heading(fmt.Sprintf("## The model\nFunction %s, called by its alias %s.%s", f.FunctionName, f.Alias, explained))
	concurrency := l.over("Requests at once", "", minute, f.metric("ConcurrentExecutions", maximum).as("all environments", primary))
	if f.ReservedConcurrency > 0 {
		concurrency = concurrency.marked(horizontal{Label: fmt.Sprintf("%d are reserved", f.ReservedConcurrency), Value: float64(f.ReservedConcurrency), Color: quiet})
	}
	invocations := l.over("Invocations a minute", "", minute, f.metric("Invocations", sum).as("asked", primary),
		f.metric("Errors", sum).as("failed", bad), f.metric("Throttles", sum).as("throttled", asleep))
	if !f.Provisioned {
		l.row(graphHeight, cell{columns / 2, concurrency}, cell{columns / 2, invocations})
	} else {
		third := columns / 3
		l.row(graphHeight, cell{third, concurrency}, cell{third, invocations}, cell{third, l.provisioned(f)})
	}
	duration := l.over("How long the function ran", "ms", minute, f.metric("Duration", p50).as("p50", primary),
		f.metric("Duration", p95).as("p95", asleep), f.metric("Duration", maximum).as("slowest", quiet))
	if args.API == nil {
		l.row(graphHeight, cell{columns, duration})
		return
	}
	l.row(graphHeight, cell{columns / 2, duration}, cell{columns / 2, l.over("Cold starts: what the slowest callers waited for", "ms", minute,
		args.API.metric("IntegrationLatency", maximum).hidden("waited"), f.metric("Duration", maximum).hidden("ran"),
		math("IF(waited > ran, waited - ran, 0)").as("a new environment", asleep), math("IF(waited > ran, ran, waited)").as("the function", primary),
	).stacked()})
}

// coldStarts explains what stands in for a metric that Lambda has not, and
// coldStartsOfJobs what else is in it with a queue.
const (
	coldStarts       = " Lambda counts no cold starts; what callers wait beyond the function's own time is mostly a new environment."
	coldStartsOfJobs = " The function's own time is that of jobs' calls too, so one slow job hides cold starts."
)

// provisioned are the environments that are kept ready. Those beyond them begin
// cold.
func (l *layout) provisioned(f *Function) graph {
	return l.over("Environments kept ready", "", minute,
		f.alias("ProvisionedConcurrencyUtilization", maximum).hidden("used"),
		math("used * 100").as("% in use", primary),
		f.alias("ProvisionedConcurrencyInvocations", sum).as("invocations of them", good),
		f.alias("ProvisionedConcurrencySpilloverInvocations", sum).as("invocations beyond them", asleep))
}

// metric is one of a queue's (SQS developer guide, "Available CloudWatch metrics
// for Amazon SQS").
func (q *Queue) metric(queue, name, stat string) series {
	return metric(sqsNamespace, name, stat, "QueueName", queue)
}

func (q *Queue) visible(queue string) series {
	return q.metric(queue, "ApproximateNumberOfMessagesVisible", maximum)
}

// taken are the messages that a worker has, and those that it has put back until
// the model may be there.
func (q *Queue) taken() series {
	return q.metric(q.QueueName, "ApproximateNumberOfMessagesNotVisible", maximum)
}

// jobs are those that are not finished, and those that never will be. SQS reports
// messages that are taken only where there are any.
func (l *layout) jobs(q *Queue) graph {
	return l.latest("Jobs now", q.visible(q.QueueName).hidden("waiting"), q.taken().hidden("taken"),
		math("waiting + FILL(taken, 0)").as("not finished", primary), q.visible(q.DeadLetterQueueName).as("given up", bad))
}

func (l *layout) queue(q *Queue) {
	l.heading(fmt.Sprintf("## Jobs\nQueue %s; what was given up is in %s. Among those that ended are the failed ones too.", q.QueueName, q.DeadLetterQueueName))
	third := columns / 3
	l.row(graphHeight,
		cell{third, l.over("Jobs in the queue", "", minute,
			q.visible(q.QueueName).as("waiting", primary),
			q.taken().as("with a worker, or waiting for the model", second)).stacked()},
		// SQS leaves the others out.
		cell{third, l.over("Age of the oldest job, of those tried fewer than 3 times", "s", minute, q.metric(q.QueueName, "ApproximateAgeOfOldestMessage", maximum).as("oldest", asleep))},
		cell{third, l.over("Jobs a minute", "", minute,
			q.metric(q.QueueName, "NumberOfMessagesSent", sum).as("handed in", primary),
			q.metric(q.QueueName, "NumberOfMessagesDeleted", sum).as("ended", good),
			q.visible(q.DeadLetterQueueName).as("given up, in all", bad))})
}

// cost is what the prices and the metrics come to: no bill, and without what is
// charged by the month.
func (l *layout) cost(args *Args) {
	l.heading("## What it costs\n" + args.Cost.Source + leftOut(args))
	terms, parts := costOf(args)
	var shown []series
	for _, part := range parts {
		// Of five minutes, what an hour like it would cost.
		shown = append(shown, math("12 * ("+part.expression+")").as(part.label, part.color))
	}
	l.row(graphHeight, cell{columns, l.over("Estimated cost of an hour like this", "USD", fiveMinutes, append(terms, shown...)...).stacked()})
}

// leftOut says what the estimate has not. Lambda bills how long a new environment
// starts, and its Duration metric is without that (Lambda developer guide, "Types
// of metrics for Lambda functions"); time in environments that are kept ready has
// a lower price (AWS Lambda pricing).
func leftOut(args *Args) string {
	var all []string
	if args.API != nil {
		all = append(all, fmt.Sprintf("calls other than %s %s", args.API.Method, args.API.Path))
	}
	if args.Queue != nil {
		all = append(all, "the queue and its functions")
	}
	if args.Function != nil {
		all = append(all, "the start of new environments")
	}
	sentence := " Not in it: " + strings.Join(append(all, "what is charged by the month, such as alarms."), "; ")
	if args.Function != nil && args.Function.Provisioned {
		sentence += " Nor is keeping environments ready; what they run is at the price of other time, which is higher."
	}
	return sentence
}

// spent is the cost of all the time that the dashboard shows.
func (l *layout) spent(args *Args) graph {
	terms, parts := costOf(args)
	all := ""
	for i, part := range parts {
		if i > 0 {
			all += " + "
		}
		all += part.expression
	}
	return l.number("Estimated cost", append(terms, math(all).as("USD in the time shown", primary))...)
}

// costPart is a part of the cost in US dollars, over whatever period it is
// evaluated.
type costPart struct{ label, color, expression string }

func costOf(args *Args) (terms []series, parts []costPart) {
	if args.Endpoint != nil {
		terms = append(terms, args.Endpoint.instanceSamples().hidden("instances"))
		// A sample is a minute of an instance.
		parts = append(parts, costPart{"instances", second, "FILL(instances, 0) / 60 * " + usd(args.Cost.InstanceHourUSD)})
	}
	if args.Function != nil {
		terms = append(terms, args.Function.metric("Duration", sum).hidden("ran"), args.Function.metric("Invocations", sum).hidden("invoked"))
		parts = append(parts, costPart{"function", second, fmt.Sprintf("FILL(ran, 0) / 1000 * %d / 1024 * %s + FILL(invoked, 0) * %s",
			args.Function.MemoryMB, usd(args.Cost.FunctionGBSecondUSD), usd(args.Cost.FunctionRequestUSD))})
	}
	if args.API != nil {
		terms = append(terms, args.API.metric("Count", sampleCount).hidden(requestsID))
		parts = append(parts, costPart{"API calls", refused, "FILL(requests, 0) * " + usd(args.Cost.RequestUSD)})
	}
	return terms, parts
}

// usd writes a price without an exponent, which metric math may not know.
func usd(price float64) string { return strconv.FormatFloat(price, 'f', -1, 64) }
