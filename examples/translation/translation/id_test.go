package translation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaletozero/examples/translation/translation"
)

func TestIDsAreInTheOrderOfTime(t *testing.T) {
	var ids []string
	for n := range 1000 {
		ids = append(ids, translation.NewID(began.Add(time.Duration(n)*time.Millisecond)))
	}
	assert.True(t, slices.IsSorted(ids))
	for i, id := range ids {
		at := began.Add(time.Duration(i) * time.Millisecond)
		assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
		assert.Less(t, translation.FirstID(at), id)
		assert.Less(t, id, translation.FirstID(at.Add(time.Millisecond)))
	}
	first, second := translation.NewID(began), translation.NewID(began)
	assert.NotEqual(t, first, second)
	// The example of RFC 9562, appendix A.6, but for its random part.
	assert.Equal(t, "017f22e2-79b0-7000-8000-000000000000", translation.FirstID(time.UnixMilli(0x17F22E279B0)))
}
