package provider_test

import (
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

const dashboardBody = `{"widgets": [{"type": "text", "properties": {"markdown": "# Songs"}}]}`

func TestDashboardsAreKept(t *testing.T) {
	c := newCloud(t)
	inputs := props{"dashboardName": "songs-dev", "dashboardBody": dashboardBody}
	board := c.create(provider.TypeDashboard, inputs)
	assert.Equal(t, "songs-dev", board.id)
	assert.Equal(t, "arn:aws:cloudwatch::123456789012:dashboard/songs-dev", c.text(board, "dashboardArn"), "an account has one set of them")
	shown := c.server.Dashboards()
	require.Len(t, shown, 1)
	assert.Equal(t, "songs-dev", shown[0].Name)
	assert.Equal(t, "# Songs", shown[0].Body.Widgets[0].Markdown)

	for name, test := range map[string]struct {
		inputs props
		want   string
	}{
		"the same name": {inputs, "with this [dashboardName]"},
		"a body that AWS refuses": {
			props{"dashboardName": "other", "dashboardBody": `{"widgets": [{"type": "metric", "properties": {"region": "r", "metrics": [["N"]]}}]}`},
			"InvalidParameterInput: The dashboard body is invalid, there are 1 validation errors",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.tryCreate(provider.TypeDashboard, "refused", test.inputs)
			require.ErrorContains(t, err, test.want)
		})
	}
	assert.Len(t, c.server.Dashboards(), 1)
}

func TestDashboardsAreChecked(t *testing.T) {
	c := newCloud(t)
	for name, test := range map[string]struct {
		inputs props
		want   []string
	}{
		"a name with a dot": {props{"dashboardName": "songs.dev", "dashboardBody": dashboardBody}, []string{"dashboardName must match ^[0-9A-Za-z_-]+$ and have at most 255 characters"}},
		"a long name":       {props{"dashboardName": strings.Repeat("a", 256), "dashboardBody": dashboardBody}, []string{"dashboardName must match ^[0-9A-Za-z_-]+$ and have at most 255 characters"}},
		"no JSON":           {props{"dashboardName": "songs", "dashboardBody": "{"}, []string{"dashboardBody must be a JSON document"}},
		"nothing":           {props{}, []string{"dashboardBody is required but missing", "dashboardName is required but missing"}},
		"another input":     {props{"dashboardName": "songs", "dashboardBody": dashboardBody, "tags": props{}}, []string{"tags is not a property here; allowed are dashboardBody, dashboardName"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, reasons := c.check(provider.TypeDashboard, "board", test.inputs, nil)
			assert.Equal(t, test.want, reasons)
		})
	}
}

func TestADashboardIsChangedInPlaceAndRenamedByReplacement(t *testing.T) {
	c := newCloud(t)
	inputs := props{"dashboardName": "songs-dev", "dashboardBody": dashboardBody}
	board := c.create(provider.TypeDashboard, inputs)
	same := c.diff(board, recheck(c, board, merged(inputs, props{"dashboardBody": `{ "widgets" : [ {"properties":{"markdown":"# Songs"},"type":"text"} ] }`})))
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, same.GetChanges(), "the same JSON in another form")
	renamed := c.diff(board, recheck(c, board, merged(inputs, props{"dashboardName": "songs-prod"})))
	assert.Equal(t, []string{"dashboardName"}, renamed.GetReplaces())
	changed := c.diff(board, recheck(c, board, merged(inputs, props{"dashboardBody": `{"widgets": []}`})))
	assert.Empty(t, changed.GetReplaces())
	assert.Equal(t, []string{"dashboardBody"}, changed.GetDiffs())
}
