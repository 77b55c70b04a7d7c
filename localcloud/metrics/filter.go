package metrics

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Pattern is a filter pattern of CloudWatch Logs for lines that are JSON objects
// (CloudWatch Logs user guide, "Filter pattern syntax for metric filters"). Of
// those there are here: comparisons of texts, with = and !=, joined by && and ||
// and parentheses, as in
//
//	{ $.status = "5*" && ($.path != "/a" || $.kind = "b") }
type Pattern struct {
	// either are the sides of ||, each of which has the parts of one &&.
	either [][]condition
}

// condition is a comparison, or a pattern in parentheses.
type condition struct {
	inner *Pattern
	field string
	// text may have * for any characters.
	text  string
	equal bool
}

var patternToken = regexp.MustCompile(`^\s*(\{|\}|\(|\)|&&|\|\||!=|=|\$(?:\.[A-Za-z0-9_-]+)+|"[^"]*")`)

// ParsePattern reads a filter pattern. The error says what the local cloud does
// not know.
func ParsePattern(text string) (*Pattern, error) {
	p := patternReader{rest: text}
	pattern, err := p.whole()
	if err != nil {
		return nil, fmt.Errorf("localcloud cannot read the filter pattern %q: %w; give comparisons of texts such as { $.status = \"5*\" && $.path != \"/a\" }", text, err)
	}
	return pattern, nil
}

type patternReader struct{ rest, token string }

// next reads a token; it is empty at the end, and where there is none.
func (p *patternReader) next() string {
	match := patternToken.FindStringSubmatch(p.rest)
	if match == nil {
		p.token = ""
		return ""
	}
	p.rest, p.token = p.rest[len(match[0]):], match[1]
	return p.token
}

func (p *patternReader) unexpected(wanted string) error {
	return fmt.Errorf("%s is expected before %q", wanted, p.token+p.rest)
}

func (p *patternReader) whole() (*Pattern, error) {
	if p.next() != "{" {
		return nil, p.unexpected("{")
	}
	pattern, err := p.alternatives("}")
	if err == nil && strings.TrimSpace(p.rest) != "" {
		err = fmt.Errorf("nothing may follow }, but %q does", p.rest)
	}
	return pattern, err
}

// alternatives reads up to the end, which it takes.
func (p *patternReader) alternatives(end string) (*Pattern, error) {
	pattern := &Pattern{either: [][]condition{nil}}
	for {
		next, err := p.condition()
		if err != nil {
			return nil, err
		}
		last := len(pattern.either) - 1
		pattern.either[last] = append(pattern.either[last], next)
		switch p.next() {
		case end:
			return pattern, nil
		case "&&":
		case "||":
			pattern.either = append(pattern.either, nil)
		default:
			return nil, p.unexpected("&&, || or " + end)
		}
	}
}

func (p *patternReader) condition() (condition, error) {
	token := p.next()
	if token == "(" {
		inner, err := p.alternatives(")")
		return condition{inner: inner}, err
	}
	if !strings.HasPrefix(token, "$") {
		return condition{}, p.unexpected("a field such as $.status")
	}
	c := condition{field: strings.TrimPrefix(token, "$.")}
	switch p.next() {
	case "=":
		c.equal = true
	case "!=":
	default:
		return condition{}, p.unexpected("= or !=")
	}
	quoted := p.next()
	if !strings.HasPrefix(quoted, `"`) {
		return condition{}, p.unexpected("a text in quotes")
	}
	c.text = strings.Trim(quoted, `"`)
	return c, nil
}

// Matches tells whether a line is a JSON object that the pattern describes. A
// field that is missing, or is no text, fits no comparison.
func (p *Pattern) Matches(line []byte) bool {
	var fields map[string]any
	return json.Unmarshal(line, &fields) == nil && p.match(fields)
}

func (p *Pattern) match(fields map[string]any) bool {
	for _, all := range p.either {
		matches := true
		for _, c := range all {
			matches = matches && c.match(fields)
		}
		if matches {
			return true
		}
	}
	return false
}

func (c condition) match(fields map[string]any) bool {
	if c.inner != nil {
		return c.inner.match(fields)
	}
	var value any = fields
	for name := range strings.SplitSeq(c.field, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return false
		}
		value = object[name]
	}
	text, ok := value.(string)
	return ok && wildcard(c.text, text) == c.equal
}

// wildcard matches * with anything, a slash as well.
func wildcard(pattern, text string) bool {
	before, after, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == text
	}
	if !strings.HasPrefix(text, before) {
		return false
	}
	for rest := text[len(before):]; ; rest = rest[1:] {
		if wildcard(after, rest) {
			return true
		}
		if rest == "" {
			return false
		}
	}
}
