// Package prices holds the list prices that estimates rest on, each with its
// source and date.
package prices

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed prices.json
var file []byte

// List are list prices of one region, by what is billed: an instance type, or one
// of the keys below.
type List struct {
	Region, Currency string
	Prices           map[string]Price
}

// Price is one of them.
type Price struct {
	USD float64
	// Per is what is billed.
	Per string
	// Status is verified or unverified: Source says why.
	Status, Source, Date string
}

// Verified says whether the price rests on more than a guess.
func (p Price) Verified() bool { return p.Status == "verified" }

// Keys of prices that are not an instance type. Those of a GB-second have one
// more for arm64, with ArmSuffix.
const (
	LambdaGBSecond = "lambda-gb-second"
	// LambdaKept is for an environment of provisioned concurrency, called or not,
	// LambdaKeptSecond for a call in one.
	LambdaKept          = "lambda-provisioned-gb-second"
	LambdaKeptSecond    = "lambda-provisioned-duration-gb-second"
	LambdaRequest       = "lambda-request"
	RestAPIRequest      = "rest-api-request"
	StandardAlarm       = "alarm"
	HighResolutionAlarm = "high-resolution-alarm"
)

// ArmSuffix is what the key of a function's price has for arm64.
const ArmSuffix = "-arm64"

// Load reads the embedded prices.
func Load() (*List, error) {
	list := &List{}
	if err := json.Unmarshal(file, list); err != nil {
		return nil, fmt.Errorf("prices.json: %w", err)
	}
	return list, nil
}
