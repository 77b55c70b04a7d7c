package faults

import (
	"encoding/json"
	"fmt"
	"net/http"

	"scaletozero/localcloud/loopback"
)

const (
	// AdminPath is where the admin endpoint is served.
	AdminPath = "/_localcloud/faults"
	// AdminHeader must be on every request to it. A page of another origin cannot
	// send it without a preflight, which is refused, so that no website can break
	// or read the local cloud of whoever visits it.
	AdminHeader = "X-Localcloud-Admin"
	// AdminValue is the header's value.
	AdminValue = "faults"
)

// maxBody is far more than a fault needs.
const maxBody = 1 << 14

// ServeHTTP is the admin endpoint: GET lists what is on, POST with a Fault adds
// it, DELETE clears everything. Each answers 200 with what is then on, a JSON
// array of Fault with durations in nanoseconds, or 400, 403 or 405 with the
// reason as text.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := refuse(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		f.Clear()
	case http.MethodPost:
		if err := f.add(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		http.Error(w, "use GET, POST or DELETE", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A caller that has left does not miss the answer.
	_ = json.NewEncoder(w).Encode(f.List()) //nolint:errchkjson // See above; the numbers have been checked.
}

// refuse keeps websites out: those of other origins by the header, and those
// whose own name was made to resolve to this machine by the host.
func refuse(r *http.Request) error {
	if r.Header.Get(AdminHeader) != AdminValue {
		return fmt.Errorf("the header %s: %s is missing", AdminHeader, AdminValue)
	}
	if !loopback.Is(r.Host) {
		return fmt.Errorf("the host %q is not loopback", r.Host)
	}
	return nil
}

func (f *Faults) add(w http.ResponseWriter, r *http.Request) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	var fault Fault
	if err := decoder.Decode(&fault); err != nil {
		return fmt.Errorf("the body must be a fault as JSON: %w", err)
	}
	return f.Add(fault)
}
