package environment_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/environment"
)

func settings(variables map[string]string) *environment.Settings {
	return environment.Read(func(name string) (string, bool) {
		value, found := variables[name]
		return value, found
	})
}

func TestSettings(t *testing.T) {
	s := settings(map[string]string{"TEXT": "a", "COUNT": "3", "ON": "true", "OFF": "false", "PORT": "65535", "ONE": "a"})
	assert.Equal(t, "a", s.Text("TEXT"))
	assert.Equal(t, 3, s.Count("COUNT"))
	assert.True(t, s.Flag("ON"))
	assert.False(t, s.Flag("OFF"))
	assert.Equal(t, 65535, s.Port("PORT", 8080))
	assert.Equal(t, 8080, s.Port("NO_PORT", 8080))
	assert.True(t, s.Either("ONE", "OTHER", "ANOTHER"))
	assert.False(t, s.Either("OTHER", "ONE"))
	assert.NoError(t, s.Err())
}

func TestAllProblemsAtOnce(t *testing.T) {
	s := settings(map[string]string{"EMPTY": "", "ZERO": "0", "HALF": "1.5", "YES": "yes", "HTTP": "http", "HIGH": "65536", "LOW": "0"})
	s.Text("EMPTY")
	s.Text("MISSING")
	s.Count("NUMBER")
	s.Count("ZERO")
	s.Count("HALF")
	s.Flag("FLAG")
	s.Flag("YES")
	s.Port("HTTP", 8080)
	s.Port("HIGH", 8080)
	s.Port("LOW", 8080)
	assert.True(t, s.Either("YES", "HALF", "MISSING", "ZERO"))
	err := s.Err()
	require.Error(t, err)
	assert.Equal(t, `the function's environment: EMPTY is not set
MISSING is not set
NUMBER is not set
ZERO is "0"; it must be a whole number from 1
HALF is "1.5"; it must be a whole number from 1
FLAG is not set
YES is "yes"; it must be true or false
HTTP is "http"; it must be a port number from 1 to 65535
HIGH is "65536"; it must be a port number from 1 to 65535
LOW is "0"; it must be a port number from 1 to 65535
YES is set, and so is HALF; set one of them
YES is set, and so is ZERO; set one of them`, err.Error())
}
