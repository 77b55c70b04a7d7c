package judges

import (
	"fmt"
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// waiver says that a finding of a judge is meant.
type waiver struct {
	// Check is the judge's name of the check.
	Check string
	// On are the things that it may be about, with "*" as in path.Match: a
	// template by its stack, a document or a resource as STACK/NAME.
	On []string
	// Reason says why what the check asks for is not done.
	Reason string
}

// finding is what a judge found wrong.
type finding struct {
	check, on, text string
}

func (w waiver) covers(f finding) bool {
	return w.Check == f.check && slices.ContainsFunc(w.On, func(on string) bool {
		matches, err := path.Match(on, f.on)
		return err == nil && matches
	})
}

// notWaived are the findings that no waiver of the judge covers. Waivers that
// cover nothing fail the test: what they excused is gone.
func notWaived(t *testing.T, judge string, findings []finding) []string {
	t.Helper()
	waivers := map[string][]waiver{}
	readJSON(t, "waivers.json", &waivers)
	for _, w := range waivers[judge] {
		assert.NotEmpty(t, w.Reason, "the waiver of %s gives no reason", w.Check)
		assert.True(t, slices.ContainsFunc(findings, w.covers), "the waiver of %s on %v covers nothing; remove it", w.Check, w.On)
	}
	var left []string
	for _, f := range findings {
		if !slices.ContainsFunc(waivers[judge], func(w waiver) bool { return w.covers(f) }) {
			left = append(left, fmt.Sprintf("%s on %s: %s", f.check, f.on, f.text))
		}
	}
	slices.Sort(left)
	return slices.Compact(left)
}
