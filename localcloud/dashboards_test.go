//go:build unix

package localcloud_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

const countingBody = `{"start": "-PT1H", "widgets": [{"type": "metric", "properties": {"region": "ap-northeast-1", "stat": "SampleCount", "period": 60, "metrics": [
	["/aws/sagemaker/InferenceComponents", "CPUUtilizationNormalized", "InferenceComponentName", "component", {"label": "copies"}],
	["AWS/SageMaker", "Invocations", "InferenceComponentName", "component", {"label": "invocations"}]
]}}]}`

func TestTheConsoleShowsADeployedDashboard(t *testing.T) {
	cloud := start(t, options(t.TempDir()))
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	url := cloud.URL() + deploy(t, cloud)
	infer(t, url)
	attach(t, cloud).create(provider.TypeDashboard, props{"dashboardName": "songs", "dashboardBody": countingBody})

	most := func() map[string]float64 {
		response, err := http.Get(cloud.ConsoleURL() + "/dashboards?name=songs")
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode)
		var page struct {
			Widgets []struct {
				Graph struct {
					Lines []struct {
						Label  string
						Values []*float64
					}
				}
			}
		}
		require.NoError(t, json.NewDecoder(response.Body).Decode(&page))
		found := map[string]float64{}
		for _, line := range page.Widgets[0].Graph.Lines {
			for _, value := range line.Values {
				if value != nil {
					found[line.Label] = max(found[line.Label], *value)
				}
			}
		}
		return found
	}
	assert.Eventually(t, func() bool {
		now := most()
		return now["copies"] == 1 && now["invocations"] == 1
	}, 20*time.Second, 10*time.Millisecond)
}
