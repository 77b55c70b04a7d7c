package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
)

// maxBody is the largest request that InvokeEndpoint passes on, in bytes.
const maxBody = 6291456

// mappingRequest is the body of POST /invocations; schema.json describes it.
type mappingRequest struct {
	// XAxis and YAxis name the two ends of an axis, as in "明るい-暗い": the first
	// end lies at -1 and the second at 1.
	XAxis string `json:"xAxis"`
	YAxis string `json:"yAxis"`
	Songs []song `json:"songs"`
}

type song struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Artist string `json:"artist"`
}

// mappingResponse holds one position per song of the request, in its order.
type mappingResponse struct {
	Songs []position `json:"songs"`
}

// position is where a song lies; X and Y are in [-1, 1].
type position struct {
	ID string  `json:"id"`
	X  float64 `json:"x"`
	Y  float64 `json:"y"`
}

// newHandler serves the two routes of SageMaker's container contract.
func newHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /invocations", invocations)
	return mux
}

func invocations(w http.ResponseWriter, r *http.Request) {
	request, err := decode(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status, err = http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", maxBody)
		}
		writeJSON(w, status, map[string]string{"message": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, mapSongs(request))
}

// decode reads and checks a request. Fields it does not know are ignored, so
// that callers may send their own song objects as they are.
func decode(body io.Reader) (mappingRequest, error) {
	var request mappingRequest
	decoder := json.NewDecoder(body)
	if err := decoder.Decode(&request); err != nil {
		if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
			return request, fmt.Errorf("%s has the wrong type (%s): schema.json says what is allowed", cmp.Or(wrong.Field, "the body"), wrong.Value)
		}
		return request, fmt.Errorf("the body must be one JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return request, errors.New("the body must be one JSON object, with nothing after it")
	}
	return request, request.check()
}

// check reports what is missing; an empty list of songs is fine.
func (r mappingRequest) check() error {
	type field struct{ path, value string }
	fields := []field{{"xAxis", r.XAxis}, {"yAxis", r.YAxis}}
	for i, s := range r.Songs {
		path := fmt.Sprintf("songs[%d].", i)
		fields = append(fields, field{path + "id", s.ID}, field{path + "title", s.Title}, field{path + "artist", s.Artist})
	}
	for _, f := range fields {
		if f.value == "" {
			return fmt.Errorf("%s is missing or empty: a non-empty string is required", f.path)
		}
	}
	if r.Songs == nil {
		return errors.New("songs is missing: a list of {id, title, artist} is required")
	}
	return nil
}

func mapSongs(request mappingRequest) mappingResponse {
	positions := make([]position, len(request.Songs))
	for i, s := range request.Songs {
		positions[i] = position{ID: s.ID, X: place(request.XAxis, s), Y: place(request.YAxis, s)}
	}
	return mappingResponse{Songs: positions}
}

// place stands in for a real model: it takes a song's place on an axis from a
// hash of their texts, so the same question always gets the same answer. It
// knows nothing about music. The result is in [-1, 1], to three decimals.
func place(axis string, s song) float64 {
	// The lengths keep ("ab", "c") and ("a", "bc") apart.
	text := fmt.Sprintf("%d:%s%d:%s%d:%s", len(axis), axis, len(s.Title), s.Title, len(s.Artist), s.Artist)
	digest := sha256.Sum256([]byte(text))
	unit := float64(binary.BigEndian.Uint64(digest[:])) / math.MaxUint64
	return math.Round((2*unit-1)*1000) / 1000
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("writing the response: %v", err)
	}
}
