package provider_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

func TestTopicsAreKeptWithWhatBelongsToThem(t *testing.T) {
	c := newCloud(t)
	topic := c.create(provider.TypeTopic, props{"name": "pages"})
	const arn = "arn:aws:sns:ap-northeast-1:123456789012:pages"
	assert.Equal(t, arn, topic.id)
	assert.Equal(t, arn, c.text(topic, "arn"))
	mail := props{"topic": arn, "protocol": "email", "endpoint": "team@example.com"}
	subscription := c.create(provider.TypeTopicSubscription, mail)
	assert.Regexp(t, `^`+arn+`:[0-9a-f-]{36}$`, subscription.id)
	assert.True(t, c.decode(subscription.outputs)["pendingConfirmation"].BoolValue(), "nobody confirms it here")

	for name, test := range map[string]struct {
		typ    string
		inputs props
		want   string
	}{
		"the same name":       {provider.TypeTopic, props{"name": "pages"}, "with this [name]"},
		"in order":            {provider.TypeTopic, props{"name": "in-order", "fifoTopic": true}, "standard topics with a name"},
		"a policy of none":    {provider.TypeTopicPolicy, props{"arn": arn + "2", "policy": trustPolicy}, "NotFound: Topic does not exist"},
		"mail of none":        {provider.TypeTopicSubscription, merged(mail, props{"topic": arn + "2"}), "NotFound: Topic does not exist"},
		"the same mail twice": {provider.TypeTopicSubscription, mail, "with this [topic protocol endpoint]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.tryCreate(test.typ, "refused", test.inputs)
			require.ErrorContains(t, err, test.want)
		})
	}
	_, reasons := c.check(provider.TypeTopicSubscription, "hook", merged(mail, props{"protocol": "https"}), nil)
	assert.Equal(t, []string{"protocol must be one of [email email-json]"}, reasons)
	_, reasons = c.check(provider.TypeKey, "key", props{"deletionWindowInDays": 6}, nil)
	assert.Equal(t, []string{"deletionWindowInDays must be from 7 to 30"}, reasons)
}
