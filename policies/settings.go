package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// settings is how a rule is configured in --policy-pack-config, and for which
// stack.
type settings struct {
	config map[string]any
	stack  string
}

// texts is the list of texts under a knob; empty if it is not set.
func (s settings) texts(knob string) (texts []string) {
	list, _ := s.config[knob].([]any)
	for _, item := range list {
		if text, ok := item.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// namesStack says whether a list of globs under a knob holds the stack's name.
func (s settings) namesStack(knob string) bool { return anyGlob(s.texts(knob), s.stack) }

// misspelt is what the configuration holds that is no knob. The engine passes
// it on without a word, and the rule would go without its configuration.
func (s settings) misspelt(policy string, knobs map[string]map[string]any) (findings []finding) {
	for _, key := range slices.Sorted(maps.Keys(s.config)) {
		if _, ok := knobs[key]; !ok {
			findings = append(findings, finding{text: fmt.Sprintf("the configuration of %s has %q; its knobs are %q. Correct the name or remove it.",
				policy, key, slices.Sorted(maps.Keys(knobs)))})
		}
	}
	return findings
}

// textsKnob is the schema of a list of texts.
func textsKnob(description string) map[string]any {
	return map[string]any{
		"type": "array", "description": description, "default": []any{},
		"items": map[string]any{"type": "string", "minLength": 1},
	}
}

func anyGlob(patterns []string, text string) bool {
	for _, pattern := range patterns {
		if glob(pattern, text) {
			return true
		}
	}
	return false
}

// glob says whether the whole text fits the pattern, in which * stands for any
// characters and ? for one. A slash is a character like any other: URNs have
// some.
func glob(pattern, text string) bool {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile(`(?s)\A` + quoted + `\z`).MatchString(text)
}
