package loopback_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaletozero/localcloud/loopback"
)

func TestIs(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:4510": true, "127.1.2.3:80": true, "::1": true, "[::1]:4510": true, "[::ffff:127.0.0.1]:80": true,
		"localhost": true, "localhost:0": true,
		"": false, ":4510": false, "0.0.0.0:4510": false, "[::]:4510": false, "192.168.0.1": false, "10.0.0.1:4510": false,
		"evil.example": false, "evil.example:4510": false, "localhost.evil.example": false, "127.0.0.1.evil.example:4510": false,
		"127.0.0.1:4510:4510": false, "[::1%eth0]:80": false,
	} {
		assert.Equal(t, want, loopback.Is(host), host)
	}
}
