// Package e2e runs the real functions, as processes over the Lambda runtime
// API, against moto: an imitation of AWS that is written by others
// (getmoto/moto). `make e2e` runs it.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	smtypes "github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"scaletozero/tests/e2e/runtimeapi"
)

const (
	region    = "us-east-1"
	component = "music"
	origin    = "https://app.example.com"
	keyID     = "key-id"
	// ttl is in seconds.
	ttl      = 604_800
	maxTries = 2
	// timeout is that of the worker, and a multiple of it the queue's
	// visibility timeout in seconds.
	timeout    = 90 * time.Second
	visibility = 540
)

// What TestMain sets up once for all tests.
var shared struct {
	moto string
	zips map[string]string // name of a function to its zip
}

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	server := os.Getenv("MOTO")
	if server == "" {
		return m.Run(), nil
	}
	zips, err := filepath.Abs(filepath.Join("..", "..", ".build", "functions", "host"))
	if err != nil {
		return 0, err
	}
	shared.zips = map[string]string{"submit": filepath.Join(zips, "submit.zip"), "worker": filepath.Join(zips, "worker.zip")}
	stop, err := startMoto(server)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return m.Run(), nil
}

// needMoto skips what cannot run without `make e2e`.
func needMoto(t testing.TB) {
	t.Helper()
	if shared.moto == "" {
		t.Skip("needs moto and the built functions: run it with `make e2e`")
	}
}

// startMoto starts the server on a free port and waits until it answers.
func startMoto(program string) (stop func() error, err error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err = errors.Join(err, free.Close()); err != nil {
		return nil, err
	}
	var log bytes.Buffer
	command := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("moto: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = command.Wait() // it is killed in the end
		close(exited)
	}()
	shared.moto = "http://127.0.0.1:" + port
	if err := answers(shared.moto+"/moto-api/data.json", exited); err != nil {
		killed := command.Process.Kill()
		<-exited
		return nil, errors.Join(fmt.Errorf("moto does not answer: %w\n%s", err, log.String()), killed)
	}
	return func() error {
		err := command.Process.Kill()
		<-exited
		return err
	}, nil
}

// answers waits until something answers at the address.
func answers(address string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			return response.Body.Close()
		}
		select {
		case <-tick.C:
		case <-exited:
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stack is what a queue is made of, in moto, with the two functions running.
type stack struct {
	t              *testing.T
	table          string // and the name of the endpoint
	queue, dead    string // URLs
	aws            *front
	rows           *dynamodb.Client
	messages       *sqs.Client
	submit, worker *runtimeapi.Function
}

// newStack makes everything anew, under names of this test's own.
func newStack(t *testing.T) *stack {
	t.Helper()
	needMoto(t)
	name := fmt.Sprintf("jobs-%d", time.Now().UnixNano())
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region), config.WithBaseEndpoint(shared.moto),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	require.NoError(t, err)
	s := &stack{t: t, table: name, rows: dynamodb.NewFromConfig(cfg), messages: sqs.NewFromConfig(cfg), aws: newFront(t, name)}
	s.createTable()
	s.dead = s.createQueue(name+"-dead", nil)
	s.queue = s.createQueue(name, map[string]string{"VisibilityTimeout": fmt.Sprint(visibility)})
	s.createEndpoint(cfg)
	s.submit = s.start("submit", map[string]string{"JOB_TTL_SECONDS": fmt.Sprint(ttl), "ALLOW_ORIGIN": origin})
	s.worker = s.startWorker()
	return s
}

func (s *stack) startWorker() *runtimeapi.Function {
	s.t.Helper()
	return s.start("worker", map[string]string{
		"DEAD_LETTER_QUEUE_URL": s.dead, "ENDPOINT_NAME": s.table, "INFERENCE_COMPONENT_NAME": component,
		"MAX_TRIES": fmt.Sprint(maxTries), "DIRECT_WAKE": "true",
	})
}

// environment is what both functions get, as on AWS but for the addresses.
func (s *stack) environment() map[string]string {
	return map[string]string{
		"JOBS_TABLE": s.table, "JOBS_QUEUE_URL": s.queue,
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_ENDPOINT_URL_SQS": s.aws.url, "AWS_ENDPOINT_URL_DYNAMODB": shared.moto,
		"AWS_ENDPOINT_URL_SAGEMAKER": s.aws.url, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": s.aws.url,
	}
}

func (s *stack) start(name string, more map[string]string) *runtimeapi.Function {
	s.t.Helper()
	program, err := runtimeapi.Unpack(shared.zips[name], s.t.TempDir())
	require.NoError(s.t, err)
	environment := s.environment()
	for key, value := range more {
		environment[key] = value
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	function, err := runtimeapi.Start(ctx, program, environment)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		require.NoError(s.t, function.Close())
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", name, function.Log())
		}
	})
	return function
}

func (s *stack) createTable() {
	s.t.Helper()
	_, err := s.rows.CreateTable(s.t.Context(), &dynamodb.CreateTableInput{
		TableName: &s.table, BillingMode: ddbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []ddbtypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: ddbtypes.ScalarAttributeTypeS}},
		KeySchema:            []ddbtypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: ddbtypes.KeyTypeHash}},
	})
	require.NoError(s.t, err)
}

func (s *stack) createQueue(name string, attributes map[string]string) string {
	s.t.Helper()
	out, err := s.messages.CreateQueue(s.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(s.t, err)
	return *out.QueueUrl
}

func (s *stack) createEndpoint(cfg aws.Config) {
	s.t.Helper()
	client, name := sagemaker.NewFromConfig(cfg), &s.table
	_, err := client.CreateModel(s.t.Context(), &sagemaker.CreateModelInput{
		ModelName: name, ExecutionRoleArn: aws.String("arn:aws:iam::123456789012:role/execution"),
		PrimaryContainer: &smtypes.ContainerDefinition{Image: aws.String("123456789012.dkr.ecr.us-east-1.amazonaws.com/music:v1")},
	})
	require.NoError(s.t, err)
	_, err = client.CreateEndpointConfig(s.t.Context(), &sagemaker.CreateEndpointConfigInput{
		EndpointConfigName: name,
		ProductionVariants: []smtypes.ProductionVariant{{
			VariantName: aws.String("all"), ModelName: name, InstanceType: smtypes.ProductionVariantInstanceTypeMlM5Large,
			InitialInstanceCount: aws.Int32(1),
		}},
	})
	require.NoError(s.t, err)
	_, err = client.CreateEndpoint(s.t.Context(), &sagemaker.CreateEndpointInput{EndpointName: name, EndpointConfigName: name})
	require.NoError(s.t, err)
}

// receive takes what is in a queue and visible now.
func (s *stack) receive(queue string) []sqstypes.Message {
	s.t.Helper()
	out, err := s.messages.ReceiveMessage(s.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &queue, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
	})
	require.NoError(s.t, err)
	return out.Messages
}

// motoAnswers has moto's endpoint answer what it has not been asked before.
func motoAnswers(t *testing.T, bodies ...string) {
	t.Helper()
	var results []map[string]string
	for _, body := range bodies {
		results = append(results, map[string]string{"Body": body, "ContentType": "application/json"})
	}
	text, err := json.Marshal(map[string]any{"region": region, "results": results})
	require.NoError(t, err)
	address, err := url.JoinPath(shared.moto, "moto-api", "static", "sagemaker", "endpoint-results")
	require.NoError(t, err)
	response, err := http.Post(address, "application/json", bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusCreated, response.StatusCode)
}
