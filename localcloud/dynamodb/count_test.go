package dynamodb_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		counts, err := w.Count("status")
		require.NoError(t, err)
		assert.Empty(t, counts)
		for id, status := range map[string]types.AttributeValue{
			"1": &types.AttributeValueMemberS{Value: "queued"}, "2": &types.AttributeValueMemberS{Value: "failed"},
			"3": &types.AttributeValueMemberS{Value: "queued"}, "4": &types.AttributeValueMemberN{Value: "5"}, "5": nil,
		} {
			item := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}
			if status != nil {
				item["status"] = status
			}
			_, err := w.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("jobs"), Item: item})
			require.NoError(t, err)
		}
		counts, err = w.Count("status")
		require.NoError(t, err)
		assert.Equal(t, map[string]int{"queued": 2, "failed": 1}, counts)
	})
}
