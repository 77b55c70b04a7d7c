package main

import "fmt"

// localStack is the stack that `make local` deploys; its logs are files.
const localStack = "local"

// before says what is about to happen.
func (s step) before(stack string, has deployed) string {
	switch s.number {
	case adding:
		return fmt.Sprintf("Step 1 of 3 for stack %s: adding the API key %s beside %s. Both will work.\n", stack, s.key, s.to[0].Name)
	case disabling:
		return fmt.Sprintf(`Step 2 of 3 for stack %s: disabling the API key %s. Whoever still sends it gets 403 from then on; see who did of late:
  %s
`, stack, s.key, usersOf(stack, s.key, has))
	default:
		return fmt.Sprintf("Step 3 of 3 for stack %s: removing the API key %s, which is disabled, for good.\n", stack, s.key)
	}
}

// done says what is true now and what is next.
func (s step) done(stack string, has deployed) string {
	var text string
	switch s.number {
	case adding:
		old := s.to[0].Name
		text = fmt.Sprintf(`Step 1 of 3 is done: the API key %s works, and %s still does.
Get the new key and give it to the callers:
  pulumi stack output apiKeyValue --show-secrets --stack %s
See who still sends the old one, whose id is %s:
  %s
Next, when nobody does: make rotate-key STACK=%s, which disables %s.
`, s.key, old, stack, has.ids[old], usersOf(stack, old, has), stack, old)
	case disabling:
		text = fmt.Sprintf(`Step 2 of 3 is done: the API key %s is refused, and %s works.
Undo, if a caller was forgotten:
  pulumi config rm disabledApiKeys --stack %s && pulumi up --stack %s --policy-pack policies
Next, when nobody misses it: make rotate-key STACK=%s, which removes it for good.
`, s.key, s.to[1].Name, stack, stack, stack)
	default:
		text = fmt.Sprintf(`Step 3 of 3 is done: the API key %s is gone, and %s is the only one.
Next: nothing. make rotate-key STACK=%s begins the next rotation.
`, s.key, s.to[0].Name, stack)
	}
	return text + fmt.Sprintf("Commit Pulumi.%s.yaml: who deploys without it takes this step back.\n", stack)
}

// usersOf is the command that shows the requests with a key, of the last day
// where they are in CloudWatch.
func usersOf(stack, key string, has deployed) string {
	if stack == localStack {
		return fmt.Sprintf(`grep -h '"apiKeyId":"%s"' .local/cloud/logs/*.access.log`, has.ids[key])
	}
	return fmt.Sprintf(`aws logs filter-log-events --log-group-name %s --start-time $(( ($(date +%%s) - 86400) * 1000 )) --filter-pattern '{ $.apiKeyId = "%s" }' --query 'events[].message'`,
		has.accessLog, has.ids[key])
}
