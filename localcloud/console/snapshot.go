package console

import "time"

// Snapshot is how a local cloud stands at a moment. Times are AWS times.
type Snapshot struct {
	Now time.Time `json:"now"`
	// Speed is how many times faster than the wall clock AWS time runs.
	Speed      float64    `json:"speed"`
	Endpoints  []Endpoint `json:"endpoints"`
	Functions  []Function `json:"functions"`
	Alarms     []Alarm    `json:"alarms"`
	Activities []Activity `json:"activities"`
	// APIs are those that the form can call, Routes what all others have.
	APIs   []API   `json:"apis"`
	Routes []Route `json:"routes"`
	Queues []Queue `json:"queues"`
	// Jobs counts the jobs that are kept, by status.
	Jobs map[string]int `json:"jobs,omitempty"`
	// Faults says what is switched on, one sentence each.
	Faults []string `json:"faults"`
}

// Endpoint is an endpoint with its instances and what runs on them.
type Endpoint struct {
	Name         string      `json:"name"`
	InstanceType string      `json:"instanceType"`
	Instances    []Instance  `json:"instances"`
	Components   []Component `json:"components"`
}

// Instance is one instance. State is Provisioning, InService or Draining.
type Instance struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// Component is an inference component; Desired is its DesiredCopyCount.
type Component struct {
	Name    string `json:"name"`
	Desired int    `json:"desired"`
	Copies  []Copy `json:"copies"`
}

// Copy is one copy of a component. Instance is the ID of the one it is on, empty
// while it waits for one; State says InService for a copy that takes requests.
type Copy struct {
	Number      int    `json:"number"`
	Instance    string `json:"instance"`
	State       string `json:"state"`
	Outstanding int    `json:"outstanding"`
}

// Function is a Lambda function. Counts are since the local cloud was started.
type Function struct {
	Name string `json:"name"`
	// Environments are processes, with work or without; Running are invocations
	// under way, and Inits the environments that were started.
	Environments int `json:"environments"`
	Running      int `json:"running"`
	Inits        int `json:"inits"`
	// Invocations ran, of which Errors failed; Throttles were refused.
	Invocations int `json:"invocations"`
	Errors      int `json:"errors"`
	Throttles   int `json:"throttles"`
	// Aliases are the versions that its aliases name.
	Aliases     map[string]string `json:"aliases,omitempty"`
	Provisioned []Provisioned     `json:"provisioned,omitempty"`
}

// Provisioned is what is kept ahead of invocations for an alias or a version,
// which Qualifier names: Requested environments shall be there, Allocated are, of
// which InUse have work. Failure is why the rest does not come, if it does not.
type Provisioned struct {
	Qualifier string `json:"qualifier"`
	Requested int    `json:"requested"`
	Allocated int    `json:"allocated"`
	InUse     int    `json:"inUse"`
	Failure   string `json:"failure,omitempty"`
}

// inService is the state of an instance or a copy that can be used.
const inService = "InService"

// Alarm is a CloudWatch alarm. State is OK, ALARM or INSUFFICIENT_DATA.
type Alarm struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// CreatedByAWS marks the alarms which target tracking makes for itself.
	CreatedByAWS bool `json:"createdByAWS"`
}

// Activity is a scaling activity.
type Activity struct {
	Time        time.Time `json:"time"`
	Cause       string    `json:"cause"`
	Description string    `json:"description"`
}

// API is a route that the form can call.
type API struct {
	// URL is the route's full URL.
	URL   string `json:"url"`
	Name  string `json:"name"`
	Stage string `json:"stage"`
	// JobsURL is where the same stage takes the request as a job; empty where it
	// has no queue.
	JobsURL string `json:"jobsUrl,omitempty"`
	// Key is an API key for it, or empty. It is not part of the state which the
	// page asks for every second.
	Key string `json:"-"`
}

// Route is an operation of an API that the form is not for.
type Route struct {
	// API is the name of the API.
	API    string `json:"api"`
	Method string `json:"method"`
	// URL may have parameters in it, such as {id}.
	URL string `json:"url"`
	// Summary says what it does; empty where the API's document does not.
	Summary string `json:"summary,omitempty"`
}

// Queue is an SQS queue by its messages: Visible ones can be received, InFlight
// ones have been, and Delayed ones cannot be yet.
type Queue struct {
	Name     string `json:"name"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"inFlight"`
	Delayed  int    `json:"delayed"`
	// OldestSeconds is the age of the oldest message, in AWS time.
	OldestSeconds float64 `json:"oldestSeconds"`
}
