package main

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPack(t *testing.T) {
	program := strings.Repeat("program ", 1000)
	var first, second bytes.Buffer
	require.NoError(t, pack(&first, strings.NewReader(program)))
	require.NoError(t, pack(&second, strings.NewReader(program)))
	assert.Equal(t, first.Bytes(), second.Bytes(), "the same program gives the same bytes")

	archive, err := zip.NewReader(bytes.NewReader(first.Bytes()), int64(first.Len()))
	require.NoError(t, err)
	require.Len(t, archive.File, 1)
	file := archive.File[0]
	assert.Equal(t, "bootstrap", file.Name)
	assert.Equal(t, fs.FileMode(0o755), file.Mode(), "Lambda runs it as another user")
	content, err := file.Open()
	require.NoError(t, err)
	got, err := io.ReadAll(content)
	require.NoError(t, err)
	assert.Equal(t, program, string(got))
}
