package judges

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// account is the one that the graphs are of, and judged a role in it.
const (
	account = "123456789012"
	judged  = "arn:aws:iam::" + account + ":role/judged"
)

// keyPolicy is the one that KMS gives a key by default: it leaves the decision
// to the roles (KMS developer guide, "Default key policy").
var keyPolicy = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
	"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + account + ":root"},
	"Action": "kms:*", "Resource": "*",
}}}

// call is one row of calls.json: an action on each of the resources, with the
// context that IAM would have. STACK in a resource stands for the stack's name.
type call struct {
	Call string
	On   []string
	With map[string]string
	// Stacks are those where an allowed call is allowed; in others it is denied.
	// None means everywhere.
	Stacks []string
}

// expected is what calls.json says of a role.
type expected struct {
	// AssumedBy is the one service that may assume the role.
	AssumedBy string
	// OwnAccountOnly says that it may for resources of this account only.
	OwnAccountOnly bool
	// Managed are the ARNs of AWS's managed policies that it has. Their text is
	// AWS's, and is not judged.
	Managed []string
	// Allowed are exactly the calls that the service makes; Denied are those
	// that are near them.
	Allowed, Denied []call
}

type callTable struct {
	// Everyone is what no role may do.
	Everyone []call
	Roles    map[string]expected
}

// request is what roles.js judges.
type request struct {
	Policies       []any             `json:"policies"`
	ResourcePolicy any               `json:"resourcePolicy,omitempty"`
	Principal      string            `json:"principal"`
	Action         string            `json:"action"`
	Resource       string            `json:"resource"`
	Account        string            `json:"account"`
	Context        map[string]string `json:"context,omitempty"`
}

// docket collects what is asked of the judge, so that one process judges all.
type docket struct {
	requests []request
	// verdicts turn the answers into complaints.
	verdicts []func(answers []string) []string
}

func (d *docket) ask(r request, allowed bool, who string) {
	i := len(d.requests)
	d.requests = append(d.requests, r)
	d.verdicts = append(d.verdicts, func(answers []string) []string {
		what := fmt.Sprintf("%s: %s on %s %v", who, r.Action, r.Resource, r.Context)
		switch {
		case strings.HasPrefix(answers[i], "error"):
			return []string{what + ": " + answers[i]}
		case allowed && answers[i] != "Allowed":
			return []string{what + " is denied, and the service makes that call"}
		case !allowed && answers[i] == "Allowed":
			return []string{what + " is allowed, and nobody makes that call"}
		}
		return nil
	})
}

// needed complains if all requests are allowed without a part of a policy.
func (d *docket) needed(requests []request, part string) {
	first := len(d.requests)
	d.requests = append(d.requests, requests...)
	last := len(d.requests)
	d.verdicts = append(d.verdicts, func(answers []string) []string {
		for _, answer := range answers[first:last] {
			if answer != "Allowed" {
				return nil
			}
		}
		return []string{part + " is not needed for any call"}
	})
}

func (d *docket) complaints(t *testing.T) []string {
	t.Helper()
	var answers, found []string
	node(t, "roles.js", d.requests, &answers)
	require.Len(t, answers, len(d.requests))
	for _, verdict := range d.verdicts {
		found = append(found, verdict(answers)...)
	}
	return found
}

// judgeRoles is everything that is wrong with the roles of a stack's graph.
func judgeRoles(t *testing.T, table callTable, stack string, g graph) []string {
	t.Helper()
	var found []string
	asked := &docket{requests: []request{}}
	for _, role := range g.ofType("aws:iam/role:Role") {
		want, ok := table.Roles[role.Name]
		if !ok {
			found = append(found, role.Name+" has no row in calls.json")
			continue
		}
		who := role.Name + " of " + stack
		if managed := attached(g, role); !slices.Equal(managed, want.Managed) {
			found = append(found, fmt.Sprintf("%s has the managed policies %v; calls.json says %v", who, managed, want.Managed))
		}
		policies := []any{}
		for _, policy := range g.ofType("aws:iam/rolePolicy:RolePolicy") {
			if policy.Inputs["role"] == role.Inputs["name"] {
				policies = append(policies, policy.Inputs["policy"])
			}
		}
		for _, r := range requests(stack, want.Allowed, policies, true) {
			asked.ask(r, true, who)
		}
		denied := slices.Concat(requests(stack, want.Allowed, policies, false),
			requests(stack, want.Denied, policies, true), requests(stack, table.Everyone, policies, true))
		for _, r := range denied {
			asked.ask(r, false, who)
		}
		askTrust(asked, who, role, want)
		askParts(t, asked, who, stack, policies, want)
	}
	return append(found, asked.complaints(t)...)
}

// attached are the managed policies of a role.
func attached(g graph, role registered) []string {
	var arns []string
	for _, attachment := range g.ofType("aws:iam/rolePolicyAttachment:RolePolicyAttachment") {
		// A role without a name of its own is known by its logical name.
		if name := attachment.Inputs["role"]; name == role.Inputs["name"] || name == role.Name {
			arns = append(arns, attachment.Inputs["policyArn"].(string))
		}
	}
	return arns
}

// requests are the calls that the stack makes, or those that it does not.
func requests(stack string, calls []call, policies []any, made bool) []request {
	var all []request
	for _, c := range calls {
		if made != (c.Stacks == nil || slices.Contains(c.Stacks, stack)) {
			continue
		}
		for _, resource := range c.On {
			r := request{
				Policies: policies, Principal: judged, Action: c.Call,
				Resource: strings.ReplaceAll(resource, "STACK", stack), Account: account, Context: c.With,
			}
			if strings.HasPrefix(c.Call, "kms:") {
				r.ResourcePolicy = keyPolicy
			}
			all = append(all, r)
		}
	}
	return all
}

// askTrust asks who may assume the role.
func askTrust(asked *docket, who string, role registered, want expected) {
	const other = "999999999999"
	attempts := []struct {
		principal, source string
		allowed           bool
	}{
		{want.AssumedBy, account, true},
		{want.AssumedBy, other, !want.OwnAccountOnly},
		{"ec2.amazonaws.com", account, false},
		{"arn:aws:iam::" + account + ":user/somebody", account, false},
		{"arn:aws:iam::" + other + ":role/somebody", account, false},
	}
	for _, attempt := range attempts {
		asked.ask(request{
			Policies: []any{}, ResourcePolicy: role.Inputs["assumeRolePolicy"], Principal: attempt.principal,
			Action: "sts:AssumeRole", Resource: fmt.Sprintf("arn:aws:iam::%s:role/%v", account, role.Inputs["name"]),
			Account: account, Context: map[string]string{"aws:SourceAccount": attempt.source},
		}, attempt.allowed, who+" for "+attempt.principal)
	}
}

// askParts asks whether each action, resource and condition value of the
// policies is needed: without it some call must be refused.
func askParts(t *testing.T, asked *docket, who, stack string, policies []any, want expected) {
	t.Helper()
	for i, policy := range policies {
		statements := policy.(map[string]any)["Statement"].([]any)
		for s, statement := range statements {
			statement := statement.(map[string]any)
			for _, part := range parts(statement) {
				spoilt := copied(t, policy.(map[string]any))
				part.remove(spoilt["Statement"].([]any)[s].(map[string]any))
				without := slices.Clone(policies)
				without[i] = spoilt
				asked.needed(requests(stack, want.Allowed, without, true), fmt.Sprintf("%s: %s of statement %v", who, part.name, statement["Sid"]))
			}
		}
	}
}

type part struct {
	name   string
	remove func(statement map[string]any)
}

// parts are all that can be taken from a statement. The last of a list cannot:
// a different value takes its place, which nobody asks for.
func parts(statement map[string]any) []part {
	var found []part
	add := func(list []any, into func(statement map[string]any) map[string]any, key, instead string) {
		for i, value := range list {
			rest := slices.Delete(slices.Clone(list), i, i+1)
			if len(rest) == 0 {
				rest = []any{instead}
			}
			found = append(found, part{fmt.Sprint(value), func(s map[string]any) { into(s)[key] = rest }})
		}
	}
	itself := func(s map[string]any) map[string]any { return s }
	add(statement["Action"].([]any), itself, "Action", "iam:GetUser")
	add(statement["Resource"].([]any), itself, "Resource", "arn:aws:iam::"+account+":user/nobody")
	conditions, _ := statement["Condition"].(map[string]any)
	for operator, condition := range conditions {
		for key, values := range condition.(map[string]any) {
			add(values.([]any), func(s map[string]any) map[string]any {
				return s["Condition"].(map[string]any)[operator].(map[string]any)
			}, key, "nobody")
		}
	}
	return found
}

func readCalls(t *testing.T) callTable {
	t.Helper()
	var table callTable
	readJSON(t, "calls.json", &table)
	return table
}

func TestRolesAllowTheCallsThatAreMadeAndNoOthers(t *testing.T) {
	installed(t, npm)
	table := readCalls(t)
	seen := map[string]bool{}
	judged := graphs(t)
	judged["account"] = withAccount(t)
	for stack, g := range judged {
		t.Run(stack, func(t *testing.T) {
			assert.Empty(t, judgeRoles(t, table, stack, g))
		})
		for _, role := range g.ofType("aws:iam/role:Role") {
			seen[role.Name] = true
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(table.Roles)), slices.Collect(maps.Keys(seen)),
		"calls.json has roles that no stack registers")
}

// What the judge must notice in the gateway's role.
func TestRolesJudgeNotices(t *testing.T) {
	installed(t, npm)
	table := readCalls(t)
	for name, test := range map[string]struct {
		spoil func(role, policy map[string]any)
		want  string
	}{
		"any resource": {func(_, policy map[string]any) {
			policy["Statement"].([]any)[0].(map[string]any)["Resource"] = []any{"*"}
		}, "sagemaker:InvokeEndpoint on arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint/other map[] is allowed"},
		"any action": {func(_, policy map[string]any) {
			policy["Statement"].([]any)[0].(map[string]any)["Action"] = []any{"sagemaker:*"}
		}, "sagemaker:DeleteEndpoint on arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint/music-mapping-endpoint-prod map[] is allowed"},
		"a resource too few": {func(_, policy map[string]any) {
			statement := policy["Statement"].([]any)[0].(map[string]any)
			statement["Resource"] = statement["Resource"].([]any)[:1]
		}, "inference-component/music-mapping-model-prod map[] is denied"},
		"an action too many": {func(_, policy map[string]any) {
			statement := policy["Statement"].([]any)[0].(map[string]any)
			statement["Action"] = append(statement["Action"].([]any), "sagemaker:ListEndpoints")
		}, "sagemaker:ListEndpoints of statement Invoke is not needed"},
		"another service": {func(role, _ map[string]any) {
			role["assumeRolePolicy"].(map[string]any)["Statement"].([]any)[0].(map[string]any)["Principal"] = map[string]any{"Service": "ec2.amazonaws.com"}
		}, "roles-gateway of prod for ec2.amazonaws.com: sts:AssumeRole"},
	} {
		t.Run(name, func(t *testing.T) {
			g := graphs(t)["prod"]
			for _, r := range g {
				if r.Name == "roles-gateway" && r.Type == "aws:iam/role:Role" {
					for _, p := range g.ofType("aws:iam/rolePolicy:RolePolicy") {
						if p.Name == r.Name {
							test.spoil(r.Inputs, p.Inputs["policy"].(map[string]any))
						}
					}
				}
			}
			assert.Contains(t, strings.Join(judgeRoles(t, table, "prod", g), "\n"), test.want)
		})
	}
	t.Run("a managed policy", func(t *testing.T) {
		g := slices.Concat(graphs(t)["prod"], graph{{
			Type: "aws:iam/rolePolicyAttachment:RolePolicyAttachment", Name: "more",
			Inputs: map[string]any{"role": "music-mapping-api-prod-gateway", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
		}})
		assert.Contains(t, judgeRoles(t, table, "prod", g),
			"roles-gateway of prod has the managed policies [arn:aws:iam::aws:policy/AdministratorAccess]; calls.json says []")
	})
	t.Run("a role without a row", func(t *testing.T) {
		g := graph{{Type: "aws:iam/role:Role", Name: "stranger"}}
		assert.Equal(t, []string{"stranger has no row in calls.json"}, judgeRoles(t, table, "prod", g))
	})
}

// judgeQueues is everything that is wrong with the policies of a graph's queues:
// they add nothing to what the roles may do, and refuse even those over plain HTTP.
func judgeQueues(t *testing.T, g graph) []string {
	t.Helper()
	policies := g.ofType("aws:sqs/queuePolicy:QueuePolicy")
	require.Len(t, policies, len(g.ofType("aws:sqs/queue:Queue")))
	require.NotEmpty(t, policies)
	asked := &docket{}
	for _, policy := range policies {
		document := policy.Inputs["policy"].(map[string]any)
		queue := document["Statement"].([]any)[0].(map[string]any)["Resource"].([]any)[0].(string)
		sender := []any{map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Effect": "Allow", "Action": []any{"sqs:SendMessage"}, "Resource": []any{queue}},
		}}}
		for _, c := range []struct {
			policies []any
			tls      string
			allowed  bool
		}{{sender, "true", true}, {sender, "false", false}, {[]any{}, "true", false}} {
			asked.ask(request{
				Policies: c.policies, ResourcePolicy: document, Principal: judged, Account: account,
				Action: "sqs:SendMessage", Resource: queue, Context: map[string]string{"aws:SecureTransport": c.tls},
			}, c.allowed, policy.Name)
		}
	}
	return asked.complaints(t)
}

func TestQueuesRefusePlainHTTP(t *testing.T) {
	installed(t, npm)
	for _, stack := range []string{"prod", "local"} {
		assert.Empty(t, judgeQueues(t, graphs(t)[stack]), stack)
	}
	for name, change := range map[string]map[string]any{
		"open to the account": {"Effect": "Allow", "Condition": map[string]any{}},
		"open to plain HTTP":  {"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": []any{"nonsense"}}}},
	} {
		t.Run("notices "+name, func(t *testing.T) {
			g := graphs(t)["prod"]
			policy := g.ofType("aws:sqs/queuePolicy:QueuePolicy")[0].Inputs["policy"].(map[string]any)
			maps.Copy(policy["Statement"].([]any)[0].(map[string]any), change)
			assert.Contains(t, strings.Join(judgeQueues(t, g), "\n"), "is allowed, and nobody makes that call")
		})
	}
}
