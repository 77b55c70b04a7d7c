package main

import (
	"fmt"
	"slices"
	"strings"

	"scaletozero/components/gateway"
)

// step is one step of a rotation: what is done to which key, and the keys that
// the stack has afterwards.
type step struct {
	number int
	// key is the one that is added, disabled or removed, at place at.
	key string
	at  int
	to  []gateway.APIKey
	// configured says that the configuration has the step already: an earlier run
	// wrote it, and its update was declined or failed.
	configured bool
}

// The steps, as they are counted for people.
const (
	adding = iota + 1
	disabling
	removing
)

// next is the step that follows from the keys that the stack has. It fails where
// they and the configured ones are further apart than that step: to deploy both
// differences at once could refuse callers who had no time to change over.
func next(stack string, configured, deployed []gateway.APIKey) (step, error) {
	if len(deployed) == 0 {
		return step{}, fmt.Errorf("stack %s has no API key; deploy it first with `pulumi up --stack %s --policy-pack policies`", stack, stack)
	}
	deployed = oldestFirst(deployed, configured)
	following, err := after(stack, deployed)
	if err != nil {
		return step{}, err
	}
	following.configured = slices.Equal(configured, following.to)
	if !following.configured && !slices.Equal(configured, deployed) {
		return step{}, fmt.Errorf("stack %s has the API keys %s and its configuration %s, which is not one step of a rotation; "+
			"set the configuration back, or, where it refuses no caller, deploy it with `pulumi up --stack %s --policy-pack policies`, and run this again",
			stack, described(deployed), described(configured), stack)
	}
	return following, nil
}

// oldestFirst puts the keys into the configuration's order. One that is no
// longer configured is older than those that are.
func oldestFirst(deployed, configured []gateway.APIKey) []gateway.APIKey {
	place := func(key gateway.APIKey) int {
		return slices.IndexFunc(configured, func(known gateway.APIKey) bool { return known.Name == key.Name })
	}
	return slices.SortedStableFunc(slices.Values(deployed), func(a, b gateway.APIKey) int { return place(a) - place(b) })
}

// reached says whether the stack's keys are those that the step leads to.
func (s step) reached(has deployed) bool {
	return slices.Equal(oldestFirst(has.keys, s.to), s.to)
}

// after is the step that follows from the keys.
func after(stack string, keys []gateway.APIKey) (step, error) {
	disabled := slices.IndexFunc(keys, func(key gateway.APIKey) bool { return !key.Enabled })
	switch {
	case len(keys) == 1 && disabled < 0:
		name := nameAfter(keys[0].Name)
		return step{number: adding, key: name, at: 1, to: append(slices.Clone(keys), gateway.APIKey{Name: name, Enabled: true})}, nil
	case len(keys) == 2 && disabled < 0:
		to := slices.Clone(keys)
		to[0].Enabled = false
		return step{number: disabling, key: keys[0].Name, to: to}, nil
	case len(keys) == 2 && keys[1-disabled].Enabled:
		return step{number: removing, key: keys[disabled].Name, at: disabled, to: []gateway.APIKey{keys[1-disabled]}}, nil
	default:
		return step{}, fmt.Errorf("stack %s has the API keys %s, where a rotation starts from one enabled key; "+
			"say in apiKeys and disabledApiKeys which one is to stay, and deploy that first with `pulumi up --stack %s --policy-pack policies`",
			stack, described(keys), stack)
	}
}

// nameAfter is the next letter of the alphabet. After z comes a again, since at
// most two keys are there at a time; it is also what follows a name of another
// kind.
func nameAfter(name string) string {
	if len(name) == 1 && name >= "a" && name < "z" {
		return string(name[0] + 1)
	}
	return "a"
}

func described(keys []gateway.APIKey) string {
	words := make([]string, len(keys))
	for i, key := range keys {
		words[i] = key.Name
		if !key.Enabled {
			words[i] += " (disabled)"
		}
	}
	return strings.Join(words, ", ")
}

// commands write the step into the configuration: the arguments of `pulumi`, in
// an order that leaves nothing half done which could be deployed.
func (s step) commands() [][]string {
	switch {
	case s.configured:
		return nil
	case s.number == adding:
		return [][]string{{
			"config", "set-all", "--path",
			"--plaintext", "apiKeys[0]=" + s.to[0].Name, "--plaintext", "apiKeys[1]=" + s.to[1].Name,
		}}
	case s.number == disabling:
		return [][]string{{"config", "set", "--path", "disabledApiKeys[0]", s.key}}
	default:
		return [][]string{
			{"config", "rm", "--path", fmt.Sprintf("apiKeys[%d]", s.at)},
			{"config", "rm", "disabledApiKeys"},
		}
	}
}

// undo is the command that takes the step out of the configuration again.
func (s step) undo() string {
	switch s.number {
	case adding:
		return "pulumi config rm --path 'apiKeys[1]'"
	case disabling:
		return "pulumi config rm disabledApiKeys"
	default:
		return fmt.Sprintf("pulumi config set-all --path --plaintext 'apiKeys[%d]=%s' --plaintext 'apiKeys[%d]=%s' --plaintext 'disabledApiKeys[0]=%s'",
			s.at, s.key, 1-s.at, s.to[0].Name, s.key)
	}
}
