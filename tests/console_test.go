package tests

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

	"scaletozero/internal/browser"
)

// TestConsole is what a web developer sees of a stack that has fallen asleep: a
// real browser, the real engine's deployment and real model processes. At this
// speed the 25 minutes until the last instance is gone take 2.5 seconds.
func TestConsole(t *testing.T) {
	t.Parallel()
	s := newStackAt(t, 600)
	s.up()
	url, key := s.output("apiGatewayUrl"), s.output("apiKeyValue")
	page := browser.Open(t, s.cloud.ConsoleURL())
	page.WaitFor("#endpoints", "Asleep: no instance")
	page.WaitFor("#alarms", "made by target tracking")

	var offered string
	page.Evaluate(`document.querySelector("#url").value`, &offered)
	assert.Equal(t, url, offered)
	page.Set("#key", "wrong")
	page.Run(chromedp.Click("#ask [type=submit]"))
	page.WaitFor("#outcome", "The key is missing, wrong or disabled")

	page.Run(chromedp.Click("#fill"))
	page.WaitFor("#outcome", "The key is filled in.")
	page.Run(chromedp.Click("#ask [type=submit]"))
	assert.Contains(t, page.WaitFor("#outcome", "503 ModelStarting"), "as Retry-After says")
	page.WaitFor("#countdown", "Attempt 2 in")
	page.WaitFor("#outcome", "200: the model answered")
	var points int
	page.Evaluate(`document.querySelectorAll("#map circle").length`, &points)
	assert.Equal(t, 6, points)
	page.WaitFor("#activities", "desired")
	page.WaitFor("#requests tbody", "preflight")
	page.WaitFor("#requests tbody", "INVALID_API_KEY")
	page.Screenshot("console")
	page.Clean(s.cloud.ConsoleURL(), s.cloud.URL())
	for _, request := range page.Requests() {
		assert.NotContains(t, request, key)
	}
}
