// Command countingmodel is a model for tests: it writes a line for every request
// that reaches it, with the time in nanoseconds and the id of the first song, to
// the file that RUNS names, thinks, and answers with that id.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	runs, err := os.OpenFile(os.Getenv("RUNS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /ping", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /invocations", func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Songs []struct{ ID string } }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || len(request.Songs) == 0 {
			http.Error(w, "a request has songs", http.StatusBadRequest)
			return
		}
		// One write of less than a page is never mixed with those of other copies.
		if _, err := fmt.Fprintf(runs, "%d %s\n", time.Now().UnixNano(), request.Songs[0].ID); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		// There has to be a moment at which its caller can be killed.
		<-time.After(20 * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"answer":%q}`, request.Songs[0].ID)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("SAGEMAKER_BIND_TO_PORT"), nil))
}
