package cost_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/internal/cost"
)

// What make cost writes for the documentation, and where that shows it.
const (
	studied  = "../../docs/images/cost.json"
	pictured = "../../docs/images/cost.svg"
	page     = "../../docs/choosing.md"
)

// again is what to do about a difference.
const again = "make cost simulates it again; where only prices or words changed, go test ./internal/cost -update is enough"

func study(t *testing.T, s *cost.Scenario) *cost.Study {
	t.Helper()
	read, err := cost.ReadStudy(studied)
	require.NoError(t, err)
	require.Len(t, read.Curves, len(cost.BuiltIn()))
	for _, c := range read.Curves {
		s.Price(c)
	}
	return read
}

func TestTheDocumentedPictureIsWhatTheCodeDraws(t *testing.T) {
	s := scenario(t)
	drawn := cost.Plot(study(t, s).Curves, s.Prices)
	if *update {
		require.NoError(t, os.WriteFile(pictured, []byte(drawn), 0o600))
	}
	want, err := os.ReadFile(pictured)
	require.NoError(t, err)
	assert.Equal(t, string(want), drawn, again)
}

// The page has each table between two comments.
func TestTheDocumentedTablesAreThoseOfTheStudy(t *testing.T) {
	read := study(t, scenario(t))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	shown := string(text)
	for name, table := range map[string]string{"overview": read.Overview(10_000), "crossovers": read.Table()} {
		place := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n\n)(.*?)(\n<!-- end -->)`)
		found := place.FindStringSubmatch(shown)
		require.NotNil(t, found, "%s has no place for %s", page, name)
		if *update {
			shown = strings.Replace(shown, found[0], found[1]+table+found[3], 1)
			continue
		}
		assert.Equal(t, table, found[2], again)
	}
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(shown), 0o600))
	}
}

// All of the study takes a minute, so that a part of it is simulated again: the
// first point of each curve, and with more requests what is quick, the functions.
func TestTheStudyIsWhatTheCodeSimulates(t *testing.T) {
	s := scenario(t)
	for _, c := range study(t, s).Curves {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			trace, err := cost.NewTrace(c.Name, 10_000)
			require.NoError(t, err)
			designs := cost.Designs()
			for point, requests := range c.Requests {
				if requests > 40_000 {
					break
				}
				if point > 0 {
					designs = slices.DeleteFunc(designs, func(d cost.Design) bool { return !d.Lambda })
				}
				for _, d := range designs {
					usage, err := s.Week(trace, d, requests)
					require.NoError(t, err)
					i := slices.IndexFunc(cost.Designs(), func(other cost.Design) bool { return other.Name == d.Name })
					assert.Equal(t, c.Usages[i][point], usage, "%s, %g requests: %s", d.Name, requests, again)
				}
			}
		})
	}
}

// A price that changes moves the crossovers, which have to be looked for again.
func TestCrossoversAreWhereTheCostsAreTheSame(t *testing.T) {
	s := scenario(t)
	found := 0
	for _, c := range study(t, s).Crossovers {
		if c.Requests == 0 {
			continue
		}
		found++
		function, endpoint := s.Costs(c)
		assert.Greater(t, function, endpoint, again)
		assert.InEpsilon(t, 1, function/endpoint, 0.05, "%s, %d MB, %s: %s", c.Traffic, c.MemoryMB, c.Endpoint, again)
	}
	assert.NotZero(t, found)
}

func TestAStudyThatCannotBeRead(t *testing.T) {
	_, err := cost.ReadStudy("nowhere.json")
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = cost.ReadStudy("study_test.go")
	assert.ErrorContains(t, err, "the study study_test.go: ")
}
