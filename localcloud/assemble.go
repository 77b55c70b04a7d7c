//go:build unix

package localcloud

import (
	"math/rand/v2"
	"net/http"
	"path/filepath"

	"scaletozero/localcloud/console"
	"scaletozero/localcloud/dynamodb"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/gateway"
	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/loopback"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/scaling"
	"scaletozero/localcloud/sqs"
	"scaletozero/localcloud/translate"
)

// awsPath is where functions find the AWS services: each is below it by its name.
const awsPath = "/_localcloud/aws/"

// assemble makes what runs on AWS time and joins it: models and the API tell the metrics, the metrics make alarms, and
// those scale the models and what functions keep ready; queues feed functions, which reach queues, tables and models as they would on AWS.
func (c *Cloud) assemble(options Options, logs string) (*gateway.Gateway, error) {
	c.metrics = metrics.New(c.clock)
	into := func(namespace string) func(string, map[string]string, float64) {
		return func(name string, dimensions map[string]string, value float64) {
			c.metrics.Put(namespace, name, dimensions, value)
		}
	}
	c.faults = faults.New(c.clock, rand.Uint64()) //nolint:gosec // Chance for tests, which a seed must repeat.
	c.runtime = endpoint.New(endpoint.Options{
		Command: options.Model, LogDir: logs, Logger: options.Logger, Clock: c.clock, Metric: into(endpoint.MetricNamespace), Faults: c.faults,
	})
	c.console = console.New(console.Options{Source: c.view, Dashboards: c.dashboards, Metrics: c.metrics})
	queues, err := sqs.New(sqs.Options{
		Clock: c.clock, Path: filepath.Join(options.StateDir, "queues.json"), Metric: into("AWS/SQS"), Faults: c.faults, Logger: options.Logger,
	})
	if err != nil {
		return nil, err
	}
	tables, err := dynamodb.New(dynamodb.Options{Clock: c.clock, Path: filepath.Join(options.StateDir, "tables.json"), Logger: options.Logger})
	if err != nil {
		return nil, err
	}
	// Only now: Close writes their files.
	c.queues, c.tables = queues, tables
	var image []string
	if options.Adapter != "" {
		image = append([]string{options.Adapter}, options.Model...)
	}
	service := func(name string) string { return c.URL() + awsPath + name }
	c.functions = lambda.New(lambda.Options{
		CodeDir: filepath.Join(options.StateDir, "functions"), LogDir: logs, Image: image, Queues: c.queues, Clock: c.clock, Faults: c.faults,
		Metric: into("AWS/Lambda"), Logger: options.Logger,
		Endpoints: map[string]string{
			"SQS": service("sqs"), "DYNAMODB": service("dynamodb"), "SAGEMAKER": service("sagemaker"), "SAGEMAKER_RUNTIME": service("runtime.sagemaker"),
			"LAMBDA": service("lambda"), "TRANSLATE": service("translate"),
		},
	})
	c.scaler = scaling.New(c.clock, c.metrics, scaling.Dimensions{
		scaling.CopyCount: scaling.Copies(c.runtime), scaling.ProvisionedConcurrency: c.functions,
	})
	return gateway.New(gateway.Options{
		Services: map[string]http.Handler{"runtime.sagemaker": c.runtime, "lambda": c.functions}, Clock: c.clock, Metric: into("AWS/ApiGateway"),
		Observe: func(r gateway.Request) { c.console.Observe(r.Status, r.ErrorType) },
	}), nil
}

// routes are what the public listener serves.
func (c *Cloud) routes(served http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+HealthPath, c.serveHealth)
	mux.Handle(faults.AdminPath, c.faults)
	for name, service := range map[string]http.Handler{
		"sqs": c.queues, "dynamodb": c.tables, "sagemaker": c.runtime.Control(), "runtime.sagemaker": c.runtime,
		"lambda": c.functions, "translate": translate.New(translate.Options{Faults: c.faults, Logger: c.logger}),
	} {
		guarded := http.StripPrefix(awsPath+name, local(service))
		mux.Handle(awsPath+name+"/", guarded)
		mux.Handle(awsPath+name, guarded) // The mux would redirect, which not every SDK follows.
	}
	mux.Handle("/", served)
	return mux
}

// local keeps websites from the AWS services, which want no signature here: no page may send the headers of their
// protocols to another origin, and none may be that origin, by a name that was made to point to this machine.
func local(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || !loopback.Is(r.Host) {
			http.Error(w, "the AWS services of the local cloud are for its functions", http.StatusForbidden)
			return
		}
		service.ServeHTTP(w, r)
	})
}
