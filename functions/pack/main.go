// Pack makes a zip for Lambda of a built function, the same bytes for the same
// program: `pack <PROGRAM >ZIP`.
package main

import (
	"archive/zip"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"time"
)

// name is what Lambda runs in its OS-only runtimes (Lambda developer guide,
// "Building a custom runtime for AWS Lambda").
const name = "bootstrap"

// modified is the earliest time that a zip can hold; any fixed one will do.
var modified = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

func main() {
	if err := pack(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "packing a function: %v\n", err)
		os.Exit(1)
	}
}

func pack(to io.Writer, program io.Reader) error {
	archive := zip.NewWriter(to)
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modified}
	header.SetMode(0o755)
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(entry, program); err != nil {
		return err
	}
	return archive.Close()
}
