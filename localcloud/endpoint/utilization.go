package endpoint

import (
	"context"
	"time"
)

// utilizationPeriod is how often instances and copies report how busy they are, in
// AWS time (developer guide, "Amazon SageMaker AI metrics in Amazon CloudWatch").
const utilizationPeriod = time.Minute

// Namespaces of what they report (same page).
const (
	instancesNamespace = "/aws/sagemaker/Endpoints"
	copiesNamespace    = "/aws/sagemaker/InferenceComponents"
)

// RunUtilization hands put a sample for every instance and every copy in service,
// in the middle of each minute until the context ends, so that none slips into the
// minute before or after. How busy they are is not measured, so the value is
// always 0; what can be read from the samples is how many there are.
func (r *Runtime) RunUtilization(ctx context.Context, put func(namespace, name string, dimensions map[string]string, value float64)) {
	for {
		now := r.options.Clock.Now()
		middle := now.Truncate(utilizationPeriod).Add(utilizationPeriod + utilizationPeriod/2)
		if r.options.Clock.Sleep(ctx, middle.Sub(now)) != nil {
			return
		}
		r.reportUtilization(put)
	}
}

func (r *Runtime) reportUtilization(put func(namespace, name string, dimensions map[string]string, value float64)) {
	for _, e := range r.State() {
		for _, i := range e.Instances {
			if i.State != InstanceProvisioning {
				put(instancesNamespace, "CPUUtilization", map[string]string{"EndpointName": e.Name, "VariantName": variant}, 0)
			}
		}
		for _, component := range e.Components {
			for _, one := range component.Copies {
				if one.State == CopyInService {
					put(copiesNamespace, "CPUUtilizationNormalized", componentDimension(component.Name), 0)
				}
			}
		}
	}
}
