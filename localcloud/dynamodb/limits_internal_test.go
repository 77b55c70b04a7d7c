package dynamodb

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSizesAreThoseOfTheDeveloperGuide(t *testing.T) {
	tests := []struct {
		name, item string
		want       int
	}{
		{"text is its UTF-8", `{"id":{"S":"日本"}}`, 2 + 6},
		{"a byte for two digits, and one", `{"n":{"N":"12345"}}`, 1 + 3 + 1},
		{"zeros at either end are free", `{"n":{"N":"-0.00120"}}`, 1 + 1 + 1},
		{"an exponent is free", `{"n":{"N":"1.5e100"}}`, 1 + 1 + 1},
		{"binary is counted decoded", `{"b":{"B":"AAEC"}}`, 1 + 3},
		{"a bool", `{"b":{"BOOL":false}}`, 1 + 1},
		{"a null", `{"b":{"NULL":true}}`, 1 + 1},
		{"a set of text", `{"s":{"SS":["a","bc"]}}`, 1 + 3},
		{"a set of numbers", `{"s":{"NS":["1","22"]}}`, 1 + 2 + 2},
		{"a set of binary", `{"s":{"BS":["AAEC"]}}`, 1 + 3},
		{"an empty list", `{"l":{"L":[]}}`, 1 + 3},
		{"a list", `{"l":{"L":[{"S":"ab"},{"N":"1"}]}}`, 1 + 3 + 2 + 2 + 2},
		{"a map", `{"m":{"M":{"key":{"S":"ab"}}}}`, 1 + 3 + 1 + 3 + 2},
		{"everything together", `{"a":{"S":"b"},"c":{"S":"d"}}`, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var one item
			require.NoError(t, json.Unmarshal([]byte(test.item), &one))
			assert.Equal(t, test.want, sizeOf(one))
		})
	}
}
