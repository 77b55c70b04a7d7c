package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/translation/amazon"
	"scaletozero/examples/translation/translation"
	"scaletozero/localcloud/translate"
	"scaletozero/tests/e2e/runtimeapi"
)

// translator is the function of examples/translation. Its table is moto's. moto has
// no Amazon Translate, so that is the local cloud's stand-in.
type translator struct {
	t        *testing.T
	table    string
	rows     *dynamodb.Client
	function *runtimeapi.Function
}

func newTranslator(t *testing.T) *translator {
	t.Helper()
	needMoto(t)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	out, err := exec.Command(filepath.Join(root, "examples", "translation", "build"), "host").CombinedOutput()
	require.NoError(t, err, string(out))
	program, err := runtimeapi.Unpack(filepath.Join(root, ".build", "functions", "host", "translation.zip"), t.TempDir())
	require.NoError(t, err)

	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region), config.WithBaseEndpoint(shared.moto),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	require.NoError(t, err)
	x := &translator{t: t, table: fmt.Sprintf("history-%d", time.Now().UnixNano()), rows: dynamodb.NewFromConfig(cfg)}
	_, err = x.rows.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &x.table, BillingMode: ddbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []ddbtypes.AttributeDefinition{
			{AttributeName: aws.String(amazon.HashKey), AttributeType: ddbtypes.ScalarAttributeTypeS},
			{AttributeName: aws.String(amazon.RangeKey), AttributeType: ddbtypes.ScalarAttributeTypeS},
		},
		KeySchema: []ddbtypes.KeySchemaElement{
			{AttributeName: aws.String(amazon.HashKey), KeyType: ddbtypes.KeyTypeHash},
			{AttributeName: aws.String(amazon.RangeKey), KeyType: ddbtypes.KeyTypeRange},
		},
	})
	require.NoError(t, err)

	standIn := httptest.NewServer(translate.New(translate.Options{Logger: slog.New(slog.DiscardHandler)}))
	t.Cleanup(standIn.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	x.function, err = runtimeapi.Start(ctx, program, map[string]string{
		"HISTORY_TABLE": x.table, "HISTORY_TTL_SECONDS": fmt.Sprint(ttl), "ALLOW_ORIGIN": origin,
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_ENDPOINT_URL_DYNAMODB": shared.moto, "AWS_ENDPOINT_URL_TRANSLATE": standIn.URL,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, x.function.Close())
		if t.Failed() {
			t.Logf("the function:\n%s", x.function.Log())
		}
	})
	return x
}

// told is what the function answers.
type told struct {
	status       int
	headers      map[string]string
	ID, Text     string
	Translated   string
	Saved        *bool
	Code         string
	Translations []struct{ ID, Text string }
	NextToken    string
}

func (x *translator) call(event events.APIGatewayProxyRequest) told {
	x.t.Helper()
	event.RequestContext = events.APIGatewayProxyRequestContext{
		RequestID: "request-1", Identity: events.APIGatewayRequestIdentity{APIKeyID: keyID},
	}
	text, err := json.Marshal(event)
	require.NoError(x.t, err)
	answer, err := x.function.Invoke(x.t.Context(), text, timeout)
	require.NoError(x.t, err)
	var proxied events.APIGatewayProxyResponse
	require.NoError(x.t, json.Unmarshal(answer, &proxied))
	got := told{status: proxied.StatusCode, headers: proxied.Headers}
	require.NoError(x.t, json.Unmarshal([]byte(proxied.Body), &got), proxied.Body)
	assert.Equal(x.t, origin, got.headers["Access-Control-Allow-Origin"])
	return got
}

func (x *translator) translate(text string) told {
	x.t.Helper()
	body, err := json.Marshal(map[string]string{"text": text})
	require.NoError(x.t, err)
	return x.call(events.APIGatewayProxyRequest{
		HTTPMethod: "POST", Resource: "/translate", Body: string(body), Headers: map[string]string{"Content-Type": "application/json"},
	})
}

func (x *translator) history(query map[string]string) told {
	x.t.Helper()
	return x.call(events.APIGatewayProxyRequest{HTTPMethod: "GET", Resource: "/history", QueryStringParameters: query})
}

func (g told) texts() []string {
	texts := make([]string, len(g.Translations))
	for i, one := range g.Translations {
		texts[i] = one.Text
	}
	return texts
}

func TestTranslationsAreKeptInDynamoDB(t *testing.T) {
	x := newTranslator(t)
	assert.Empty(t, x.history(nil).texts())
	// Its id says that it is older than what is shown, though its row is still there.
	old := time.Now().Add(-(ttl + 60) * time.Second)
	require.NoError(t, amazon.NewHistory(aws.Config{
		Region: region, BaseEndpoint: &shared.moto, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, x.table).Put(t.Context(), translation.Entry{
		Caller: keyID, ID: translation.NewID(old), Text: "old", Translated: "old", From: "ja", To: "en", CreatedAt: old, ExpiresAt: time.Now(),
	}))

	long := strings.Repeat("犬", translation.MaxTextBytes/3)
	var ids []string
	for _, text := range []string{"一", "二", "\"<三>\"\n", long, "五"} {
		got := x.translate(text)
		require.Equal(t, 200, got.status, got.Code)
		assert.Equal(t, "[localcloud does not translate, ja to en] "+text, got.Translated)
		assert.Nil(t, got.Saved)
		ids = append(ids, got.ID)
	}
	first := x.history(map[string]string{"limit": "2"})
	assert.Equal(t, []string{"五", long}, first.texts())

	// The page goes on where it was, though the row that it ended with is gone.
	_, err := x.rows.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &x.table, Key: map[string]ddbtypes.AttributeValue{
		amazon.HashKey: &ddbtypes.AttributeValueMemberS{Value: keyID}, amazon.RangeKey: &ddbtypes.AttributeValueMemberS{Value: ids[3]},
	}})
	require.NoError(t, err)
	second := x.history(map[string]string{"limit": "2", "nextToken": first.NextToken})
	assert.Equal(t, []string{"\"<三>\"\n", "二"}, second.texts())
	third := x.history(map[string]string{"limit": "2", "nextToken": second.NextToken})
	assert.Equal(t, []string{"一"}, third.texts())
	assert.Empty(t, third.NextToken)

	row, err := x.rows.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &x.table, Key: map[string]ddbtypes.AttributeValue{
		amazon.HashKey: &ddbtypes.AttributeValueMemberS{Value: keyID}, amazon.RangeKey: &ddbtypes.AttributeValueMemberS{Value: ids[0]},
	}})
	require.NoError(t, err)
	assert.IsType(t, &ddbtypes.AttributeValueMemberN{}, row.Item[amazon.TTLAttribute], "DynamoDB expires rows by a number")
	assert.NotContains(t, x.function.Log(), "犬", "texts are not logged")
}

func TestATableThatFails(t *testing.T) {
	x := newTranslator(t)
	_, err := x.rows.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &x.table})
	require.NoError(t, err)
	got := x.translate("犬")
	assert.Equal(t, 200, got.status, "the caller has what was paid for")
	assert.Equal(t, "[localcloud does not translate, ja to en] 犬", got.Translated)
	require.NotNil(t, got.Saved)
	assert.False(t, *got.Saved)
	// The log comes by another way than the answer.
	logged := `"level":"ERROR","msg":"the translation is missing in the history","translation":"` + got.ID
	require.Eventually(t, func() bool { return strings.Contains(x.function.Log(), logged) }, 10*time.Second, time.Millisecond)
	assert.NotContains(t, x.function.Log(), "犬")

	got = x.history(nil)
	assert.Equal(t, 503, got.status)
	assert.Equal(t, "HistoryUnavailable", got.Code)
	assert.Equal(t, "5", got.headers["Retry-After"])
}
