package endpoint_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaletozero/localcloud/endpoint"
)

func TestCopiesPerInstance(t *testing.T) {
	for _, test := range []struct {
		instance string
		needs    endpoint.Requirements
		want     int
		problem  string
	}{
		{"ml.m5.large", endpoint.Requirements{CPUCores: 1, MemoryMB: 1024}, 2, ""},
		{"ml.m5.large", endpoint.Requirements{CPUCores: 0.25, MemoryMB: 1024}, 4, ""},
		{"ml.g5.12xlarge", endpoint.Requirements{MemoryMB: 128, Accelerators: 1}, 4, ""},
		{"ml.m5.large", endpoint.Requirements{CPUCores: 4}, 0, "not enough hardware"},
		{"ml.m5.large", endpoint.Requirements{}, 0, "a copy reserves nothing"},
		{"ml.t2.medium", endpoint.Requirements{CPUCores: 1}, 0, "whose size localcloud does not know"},
	} {
		got, err := endpoint.CopiesPerInstance(test.instance, test.needs)
		assert.Equal(t, test.want, got, "%+v", test)
		if test.problem == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, test.problem)
		}
	}
}
