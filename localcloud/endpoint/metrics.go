package endpoint

import "time"

// SamplePeriod is that of the high-resolution metric, in AWS time.
const SamplePeriod = 10 * time.Second

// Metrics and their namespace (developer guide, "Amazon SageMaker AI metrics in
// Amazon CloudWatch"). Exported are those that scaling follows.
const (
	MetricNamespace          = "AWS/SageMaker"
	MetricNoCapacity         = "NoCapacityInvocationFailures"
	MetricConcurrentRequests = "ConcurrentRequestsPerCopy"
	metricInvocationsPerCopy = "InvocationsPerCopy"
	metricInvocations        = "Invocations"
	metric4XXErrors          = "Invocation4XXErrors"
	metric5XXErrors          = "Invocation5XXErrors"
	metricModelErrors        = "InvocationModelErrors"
	// metricModelLatency is in microseconds.
	metricModelLatency = "ModelLatency"
)

func componentDimension(name string) map[string]string {
	return map[string]string{"InferenceComponentName": name}
}

// measure puts the metrics of one invocation that a copy got. Errors count as 0
// where there were none, so that an average is a rate. A time-out is the
// container's 5xx.
func (r *Runtime) measure(endpoint, component string, inService int, got *answer, err error, took time.Duration) {
	var clientError, serverError, modelError float64
	switch {
	case err != nil || got.status >= 500:
		serverError, modelError = 1, 1
	case !got.ok():
		clientError, modelError = 1, 1
	}
	perComponent := componentDimension(component)
	for _, dimensions := range []map[string]string{perComponent, {"EndpointName": endpoint, "VariantName": variant}} {
		r.options.Metric(metricInvocations, dimensions, 1)
		r.options.Metric(metric4XXErrors, dimensions, clientError)
		r.options.Metric(metric5XXErrors, dimensions, serverError)
		r.options.Metric(metricModelErrors, dimensions, modelError)
		r.options.Metric(metricModelLatency, dimensions, float64(took.Microseconds()))
	}
	r.options.Metric(metricInvocationsPerCopy, perComponent, 1/float64(inService))
}

// sample puts the concurrency of every component that has copies in service: the
// most requests at a time since the last sample, so that requests which are
// short beside the compressed period still count.
func (r *Runtime) sample() {
	concurrency := map[string]float64{}
	r.mu.Lock()
	for name, c := range r.components {
		inService := 0
		for _, m := range c.copies {
			if m.healthy {
				inService++
			}
		}
		if inService > 0 {
			concurrency[name] = float64(c.peak) / float64(inService)
		}
		c.peak = c.outstanding
	}
	r.mu.Unlock()
	for name, value := range concurrency {
		r.options.Metric(MetricConcurrentRequests, componentDimension(name), value)
		// Without traffic the metric is there with a value of zero, so that target
		// tracking on its sum can scale in (developer guide, "Edit a scaling policy").
		r.options.Metric(metricInvocationsPerCopy, componentDimension(name), 0)
	}
}
