package cost_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/internal/cost"
	"scaletozero/localcloud/scaling"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const graph = "../../tests/testdata/graph.prod.golden.json"

func scenario(t *testing.T) *cost.Scenario {
	t.Helper()
	program, err := cost.ReadProgram(graph)
	require.NoError(t, err)
	prices, err := cost.LoadPrices(program)
	require.NoError(t, err)
	return &cost.Scenario{Program: program, Model: cost.DefaultModel(), Prices: prices}
}

// csv is a day with a busy hour.
const csv = `time,requests_per_minute
2026-06-01T00:00:00+09:00,0
2026-06-01 09:00,2
2026-06-01 10:00,0.1
2026-06-01 17:00,0
`

func TestReportGolden(t *testing.T) {
	s := scenario(t)
	trace, err := cost.ReadTrace("day.csv", strings.NewReader(csv))
	require.NoError(t, err)
	comparison, err := s.Compare(trace)
	require.NoError(t, err)
	var report strings.Builder
	require.NoError(t, comparison.Write(&report))
	require.NoError(t, s.Write(&report))
	golden(t, "report.txt", report.String())
	assert.Equal(t, 2, strings.Count(report.String(), "UNVERIFIED"), "each price that was not verified says so")
}

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./internal/cost -update rewrites it")
}

func TestSums(t *testing.T) {
	s := scenario(t)
	trace, err := cost.ReadTrace("hour.csv", strings.NewReader("time,requests_per_minute\n2026-06-01 12:00,1\n2026-06-01 12:30,1\n"))
	require.NoError(t, err)
	comparison, err := s.Compare(trace)
	require.NoError(t, err)
	usd := func(key string) float64 { return s.Prices.Prices[key].USD }
	for _, r := range comparison.Results {
		switch r.Design.Name {
		case "always on":
			alarms := usd("alarm") + 2*usd("high-resolution-alarm")
			assert.InEpsilon(t, 720*(usd("ml.m5.large")+60*usd("rest-api-request"))+alarms, r.Monthly, 1e-9)
		case "Lambda":
			seconds := 60 + s.Model.LambdaStart.Seconds()
			assert.InEpsilon(t, 720*(seconds*1769/1024*usd("lambda-gb-second")+60*(usd("lambda-request")+usd("rest-api-request"))), r.Monthly, 1e-9)
		case "Lambda, kept warm in business hours":
			// The hour is within business hours, so that nothing has set the minimum; the alarms are there all the same.
			seconds := 60 + s.Model.LambdaStart.Seconds()
			calls := seconds*1769/1024*usd("lambda-gb-second") + 60*(usd("lambda-request")+usd("rest-api-request"))
			assert.InEpsilon(t, 720*calls+2*usd("alarm"), r.Monthly, 1e-9)
		}
	}
}

func TestWhatIsSimulatedIsWhatTheProgramRegisters(t *testing.T) {
	p, err := cost.ReadProgram(graph)
	require.NoError(t, err)
	assert.Equal(t, "ml.m5.large", p.InstanceType)
	assert.Equal(t, [2]int{3, 2}, [2]int{p.MaxInstances, p.PerInstance})
	require.Len(t, p.Scaling.Policies, 2)
	require.Len(t, p.Scaling.Alarms, 1)
	wake := p.Scaling.Policies[slices.IndexFunc(p.Scaling.Policies, func(p scaling.Policy) bool { return p.Step != nil })]
	assert.Equal(t, []string{wake.ARN}, p.Scaling.Alarms[0].AlarmActions, "the alarm runs the policy that is there")
	assert.True(t, p.Scaling.Alarms[0].ActionsEnabled, "the provider's default")
}

func TestGraphsThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"{}": "cannot unmarshal",
		"[]": `has 0 scalable targets and instance type ""; it needs one of each`,
		`[{"type":"aws:cloudformation/stack:Stack","inputs":{}}]`:                                                 "the endpoint's stack has no parameters",
		`[{"type":"aws:cloudformation/stack:Stack","inputs":{"parameters":{"CpuCores":"many"}}}]`:                 "the template's parameter CpuCores is many, which is no number",
		`[{"type":"aws:appautoscaling/policy:Policy","name":"p","inputs":{"stepScalingPolicyConfiguration":{}}}]`: "scaling policy p: adjustmentType must be",
	} {
		file := filepath.Join(t.TempDir(), "graph.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := cost.ReadProgram(file)
		assert.ErrorContains(t, err, want)
	}
	_, err := cost.ReadProgram("nowhere.json")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestAnInstanceTypeWithoutAPrice(t *testing.T) {
	_, err := cost.LoadPrices(&cost.Program{InstanceType: "ml.p5.48xlarge"})
	assert.EqualError(t, err, "internal/prices/prices.json has no price of ml.p5.48xlarge in ap-northeast-1: add it, with its source and date")
}

func TestPricesOfAnArchitecture(t *testing.T) {
	p, err := cost.ReadProgram(graph)
	require.NoError(t, err)
	x86, err := cost.LoadPrices(p)
	require.NoError(t, err)
	p.Function.Architecture = "arm64"
	arm, err := cost.LoadPrices(p)
	require.NoError(t, err)
	assert.Len(t, arm.Prices, len(x86.Prices))
	for _, key := range []string{"lambda-gb-second", "lambda-provisioned-gb-second", "lambda-provisioned-duration-gb-second"} {
		assert.InEpsilon(t, 0.8, arm.Prices[key].USD/x86.Prices[key].USD, 1e-4, key)
	}
	assert.Equal(t, x86.Prices["lambda-request"], arm.Prices["lambda-request"])
}

func TestAStackWithAFunction(t *testing.T) {
	for inputs, want := range map[string]cost.Function{
		`{"packageType":"Image","memorySize":4096,"architectures":["arm64"]}`: {MemoryMB: 4096, Architecture: "arm64"},
		`{"packageType":"Image"}`: {MemoryMB: 128, Architecture: "x86_64"},
	} {
		file := filepath.Join(t.TempDir(), "graph.json")
		// One of the queue's functions is an archive.
		text := `[{"type":"aws:lambda/function:Function","inputs":` + inputs + `},{"type":"aws:lambda/function:Function","inputs":{"memorySize":256}}]`
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		p, err := cost.ReadProgram(file)
		require.NoError(t, err)
		assert.False(t, p.HasEndpoint())
		assert.Equal(t, want, p.Function)
	}
	p, err := cost.ReadProgram(graph)
	require.NoError(t, err)
	assert.True(t, p.HasEndpoint())
	assert.Equal(t, cost.DefaultFunction(), p.Function, "its functions are the queue's")
}

// Whoever adds a price says where it is from, when, and whether it was verified.
func TestPricesSayWhatTheyRestOn(t *testing.T) {
	for key, price := range scenario(t).Prices.Prices {
		assert.Contains(t, []string{"verified", "unverified"}, price.Status, key)
		assert.Contains(t, price.Source, "https://aws.amazon.com/", key)
		_, err := time.Parse(time.DateOnly, price.Date)
		assert.NoError(t, err, key)
	}
}

func TestMistakesInATrace(t *testing.T) {
	const head = "time,requests_per_minute\n"
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{"trace t.csv has no rows: below the line time,requests_per_minute, give one such as 2026-06-01 09:00,12"}},
		{"no rows", head, []string{"trace t.csv has no rows: below the line time,requests_per_minute, give one such as 2026-06-01 09:00,12"}},
		{"no header", "2026-06-01 09:00,1\n2026-06-01 10:00,1\n", []string{"trace t.csv, line 1, column 1: the first line has to be time,requests_per_minute"}},
		{"a time of another form", head + "09:00,1\n", []string{`trace t.csv, line 2, column 1: the time is "09:00"; give one such as 2026-06-01 09:00, in Tokyo, or 2026-06-01T09:00:00+09:00`}},
		{"a word for a rate", head + "2026-06-01 09:00,many\n", []string{`trace t.csv, line 2, column 18: the rate is "many"; give requests per minute as a number from 0 to 1000000`}},
		{"rates that are none, all at once", head + "2026-06-01 09:00,-1\n2026-06-01 09:01,NaN\n2026-06-01 09:02,1e9\n", []string{
			`trace t.csv, line 2, column 18: the rate is "-1"; give requests per minute as a number from 0 to 1000000`,
			`trace t.csv, line 3, column 18: the rate is "NaN"; give requests per minute as a number from 0 to 1000000`,
			`trace t.csv, line 4, column 18: the rate is "1e9"; give requests per minute as a number from 0 to 1000000`,
		}},
		{"times that go back", head + "2026-06-01 09:00,1\n2026-06-01T00:00:00Z,1\n", []string{
			"trace t.csv, line 3, column 1: the time 2026-06-01T00:00:00Z is not after that of the row before; sort the rows by time, each time once",
		}},
		{"a field too many", head + "2026-06-01 09:00,1,2\n", []string{"trace t.csv, line 2, column 1: the row has 3 fields; give two, a time and the requests per minute"}},
		{"a quote that is not closed", head + "\"2026-06-01 09:00,1\n", []string{`trace t.csv, line 2, column 21: this is no CSV (extraneous or missing " in quoted-field)`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cost.ReadTrace("t.csv", strings.NewReader(test.text))
			assert.EqualError(t, err, strings.Join(test.want, "\n"))
		})
	}
	_, err := cost.ReadTrace("t.csv", failing{})
	assert.EqualError(t, err, "trace t.csv cannot be read: the disk is gone")
}

// failing is a file that cannot be read.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func TestArrivals(t *testing.T) {
	trace, err := cost.ReadTrace("t.csv", strings.NewReader("time,requests_per_minute\n2026-06-01 09:00,2\n2026-06-01 09:01,0\n2026-06-01 09:02,0.5\n2026-06-01 09:06,0\n"))
	require.NoError(t, err)
	var times []string
	for at := range trace.Arrivals() {
		times = append(times, at.Format(time.TimeOnly))
	}
	assert.Equal(t, []string{"09:00:00", "09:00:30", "09:02:00", "09:04:00"}, times)
	assert.Equal(t, "09:10:00", trace.End.Format(time.TimeOnly), "the last row lasts as long as the one before it")
	assert.InDelta(t, 4, trace.Requests(), 1e-9)
	assert.InDelta(t, 6, trace.Scaled(12).Busiest(), 1e-9)
}

func TestBuiltInTraces(t *testing.T) {
	for _, name := range cost.BuiltIn() {
		trace, err := cost.NewTrace(name, 10_000)
		require.NoError(t, err)
		assert.Equal(t, time.Monday, trace.Start.Weekday())
		assert.InDelta(t, 10_000, trace.Requests(), 1e-6, name)
		first, second := slices.Collect(trace.Arrivals()), slices.Collect(trace.Arrivals())
		assert.Equal(t, first, second, "%s is the same in each run", name)
		assert.InDelta(t, 10_000, len(first), 5*math.Sqrt(10_000), name)
		assert.True(t, slices.IsSortedFunc(first, time.Time.Compare), name)
		assert.True(t, first[len(first)-1].Before(trace.End), name)
		if name != "office-hours" {
			continue
		}
		for _, at := range first {
			require.True(t, at.Hour() >= 9 && at.Hour() < 18 && at.Weekday() != time.Saturday && at.Weekday() != time.Sunday, at)
		}
	}
	_, err := cost.NewTrace("quiet", 1)
	assert.EqualError(t, err, `there is no built-in trace "quiet": give office-hours, spiky, steady, or the path of a CSV file`)
}

// The curve of what is asked of one design goes up with the requests, and that of always on begins at the instance's price.
func TestCurve(t *testing.T) {
	s := scenario(t)
	trace, err := cost.ReadTrace("hour.csv", strings.NewReader("time,requests_per_minute\n2026-06-01 12:00,1\n2026-06-01 12:30,1\n"))
	require.NoError(t, err)
	curve, err := s.Curve(trace)
	require.NoError(t, err)
	assert.InDelta(t, 100, curve.Requests[0], 1e-9)
	// Three copies, 60 a minute each, four fifths of the time.
	assert.InEpsilon(t, 0.8*3*60*60*720, curve.Requests[len(curve.Requests)-1], 1e-9)
	assert.True(t, slices.IsSorted(curve.Requests))
	for i, design := range cost.Designs() {
		assert.Len(t, curve.Monthly[i], len(curve.Requests), design.Name)
		assert.Less(t, curve.Monthly[i][0], curve.Monthly[i][len(curve.Requests)-1], design.Name)
	}
	assert.InDelta(t, 720*0.149+0.7, curve.Monthly[0][0], 0.01)
}

func TestThePictureIsWellFormedAndWithinItsBounds(t *testing.T) {
	prices := scenario(t).Prices
	flat := slices.Repeat([][]float64{{0, 0}}, 5)
	rising := [][]float64{{108, 108, 240.5}, {5, 30, 240}, {30, 31, 240}, {0.01, 0.4, 210}, {7, 7.4, 212}}
	for _, test := range []struct {
		name   string
		curves []*cost.Curve
		panels int
	}{
		{"one", []*cost.Curve{{Name: `a "trace" <of> mine & more.csv`, Requests: []float64{100, 1e4, 7.7e6}, Monthly: rising}}, 1},
		{"a long path", []*cost.Curve{{Name: strings.Repeat("folder/", 20) + "trace.csv", Requests: []float64{100, 1e4, 7.7e6}, Monthly: rising}}, 1},
		{"nothing costs anything", []*cost.Curve{{Name: "free", Requests: []float64{100, 200}, Monthly: flat}}, 1},
		{"one point", []*cost.Curve{{Name: "few", Requests: []float64{40}, Monthly: [][]float64{{1}, {2}, {3}, {4}, {5}}}}, 1},
		{"three", slices.Repeat([]*cost.Curve{{Name: "office-hours", Requests: []float64{100, 1e4, 7.7e6}, Monthly: rising}}, 3), 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := within(t, cost.Plot(test.curves, prices))
			assert.Equal(t, 5+5*test.panels, lines, "five designs in the legend and in each panel")
		})
	}
}

// within checks that everything in the picture is inside of it, and counts the lines.
func within(t *testing.T, svg string) (lines int) {
	t.Helper()
	var width, height float64
	inside := func(x, y float64) {
		assert.True(t, x >= 0 && x <= width && y >= 0 && y <= height, "%g,%g is not within %g by %g", x, y, width, height)
	}
	decoder := xml.NewDecoder(strings.NewReader(svg))
	anchor, x := "", 0.0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return lines
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			is := map[string]string{}
			for _, attribute := range token.Attr {
				is[attribute.Name.Local] = attribute.Value
			}
			switch token.Name.Local {
			case "svg":
				width, height = number(t, is["width"]), number(t, is["height"])
			case "text":
				anchor, x = is["text-anchor"], number(t, is["x"])
				inside(x, number(t, is["y"]))
			case "path":
				if strings.HasPrefix(is["class"], "line") {
					lines++
				}
				for point := range strings.FieldsFuncSeq(is["d"], func(r rune) bool { return r == 'M' || r == 'L' }) {
					if from, across, relative := strings.Cut(point, "h"); relative {
						at := strings.Fields(from)
						inside(number(t, at[0])+number(t, across), number(t, at[1]))
						continue
					}
					at := strings.Fields(point)
					require.Len(t, at, 2)
					inside(number(t, at[0]), number(t, at[1]))
				}
			}
		case xml.CharData:
			// A letter is about 6.5 wide.
			wide := 6.5 * float64(len(token))
			switch anchor {
			case "start":
				inside(x+wide, 0)
			case "end":
				inside(x-wide, 0)
			case "middle":
				inside(x+wide/2, 0)
			}
			anchor = ""
		}
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return value
}
