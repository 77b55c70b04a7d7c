package scaling

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Query is one of the metric queries of a metric math alarm: a metric, or an
// expression over the ids of other queries.
type Query struct {
	ID         string
	Metric     *Metric
	Expression string
	// Watched is what ReturnData says: the one query that the alarm watches.
	Watched bool
}

// Math is metric math made ready for an alarm (CloudWatch user guide, "Using
// math expressions with CloudWatch metrics"). There are numbers, ids, + - * /,
// the comparisons > >= < <=, which are 1 or 0, and the functions IF, CEIL and FILL,
// the latter with a number or an expression to fill in. A datapoint that is missing
// in any part is missing in the result, except for what FILL fills in and what IF
// does not take. So is a division by zero: CloudWatch does not say what that
// gives.
type Math struct {
	Metrics map[string]Metric
	// watched has the other expressions inside of it.
	watched node
}

// node is a part of an expression: a number, an id of a metric, or an operator or
// function and what it is applied to.
type node struct {
	kind, id string
	number   float64
	args     []node
}

// The kinds of node that are no operator.
const (
	kindNumber = "number"
	kindMetric = "metric"
	kindIf     = "IF"
	kindFill   = "FILL"
	kindCeil   = "CEIL"
)

// ParseMath reads the queries of an alarm. The error says what the local cloud
// does not evaluate.
func ParseMath(queries []Query) (*Math, error) {
	m := &Math{Metrics: map[string]Metric{}}
	watched := ""
	for _, query := range queries {
		if query.Watched {
			watched = query.ID
		}
		if query.Metric == nil {
			continue
		}
		// Before it is one of them: any of them is as good as another.
		if len(m.Metrics) > 0 && query.Metric.Period != m.period() {
			return nil, errors.New("localcloud evaluates metric math over one period only; give all metrics the same")
		}
		m.Metrics[query.ID] = *query.Metric
	}
	if watched == "" || len(m.Metrics) == 0 {
		return nil, errors.New("localcloud evaluates metric math over metrics; give at least one, and returnData for one query")
	}
	var err error
	m.watched, err = (&mathReader{queries: queries, metrics: m.Metrics}).resolve(watched)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// period is that of every metric.
func (m *Math) period() time.Duration {
	for _, metric := range m.Metrics {
		return metric.Period
	}
	return 0
}

// mathReader reads expressions, each where it is used.
type mathReader struct {
	queries []Query
	metrics map[string]Metric
	// within are the ids that are being read, to find a circle.
	within []string
	rest   string
}

var mathToken = regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]+)?|[A-Za-z][A-Za-z0-9_]*|>=|<=|[-+*/(),<>])`)

// peek returns the next token, "" where there is none, and what follows it.
func (r *mathReader) peek() (token, after string) {
	match := mathToken.FindStringSubmatch(r.rest)
	if match == nil {
		return "", r.rest
	}
	return match[1], r.rest[len(match[0]):]
}

func (r *mathReader) take(wanted ...string) (string, bool) {
	token, after := r.peek()
	if !slices.Contains(wanted, token) {
		return token, false
	}
	r.rest = after
	return token, true
}

func (r *mathReader) unknown(what string) error {
	return fmt.Errorf("localcloud has no metric math with %s; it has numbers, ids, + - * / > >= < <=, IF, CEIL and FILL", what)
}

// resolve is the node of a query.
func (r *mathReader) resolve(id string) (node, error) {
	if _, isMetric := r.metrics[id]; isMetric {
		return node{kind: kindMetric, id: id}, nil
	}
	at := slices.IndexFunc(r.queries, func(q Query) bool { return q.ID == id })
	if at < 0 || slices.Contains(r.within, id) {
		return node{}, r.unknown(fmt.Sprintf("%q, which is no id of another query", id))
	}
	inner := &mathReader{queries: r.queries, metrics: r.metrics, within: append(slices.Clone(r.within), id), rest: r.queries[at].Expression}
	read, err := inner.level(0)
	if err == nil && strings.TrimSpace(inner.rest) != "" {
		err = r.unknown(fmt.Sprintf("%q", strings.TrimSpace(inner.rest)))
	}
	return read, err
}

// levels are the operators, those that bind loosest first.
var levels = [][]string{{">", ">=", "<", "<="}, {"+", "-"}, {"*", "/"}}

func (r *mathReader) level(n int) (node, error) {
	if n == len(levels) {
		return r.operand()
	}
	left, err := r.level(n + 1)
	for err == nil {
		operator, more := r.take(levels[n]...)
		if !more {
			break
		}
		var right node
		right, err = r.level(n + 1)
		left = node{kind: operator, args: []node{left, right}}
	}
	return left, err
}

func (r *mathReader) operand() (node, error) {
	token, after := r.peek()
	switch {
	case token == "":
		return node{}, r.unknown(fmt.Sprintf("%q", strings.TrimSpace(r.rest)))
	case token == "(":
		r.rest = after
		args, err := r.list(1)
		if err != nil {
			return node{}, err
		}
		return args[0], nil
	case token[0] >= '0' && token[0] <= '9':
		r.rest = after
		number, err := strconv.ParseFloat(token, 64)
		return node{kind: kindNumber, number: number}, err
	}
	r.rest = after
	if _, call := r.take("("); !call {
		return r.resolve(token)
	}
	n, known := map[string]int{kindIf: 3, kindFill: 2, kindCeil: 1}[token]
	if !known {
		return node{}, r.unknown(token)
	}
	args, err := r.list(n)
	return node{kind: token, args: args}, err
}

// list reads n expressions between commas, and the parenthesis behind them.
func (r *mathReader) list(n int) ([]node, error) {
	var args []node
	for i := range n {
		arg, err := r.level(0)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		wanted := ","
		if i == n-1 {
			wanted = ")"
		}
		if token, found := r.take(wanted); !found {
			return nil, r.unknown(fmt.Sprintf("%q in the place of %q", token+r.rest, wanted))
		}
	}
	return args, nil
}

// at is the value of the expression in one period, where the metrics have these
// values; NaN is a missing datapoint.
func (n node) at(values map[string]float64) float64 {
	switch n.kind {
	case kindNumber:
		return n.number
	case kindMetric:
		return values[n.id]
	}
	first := n.args[0].at(values)
	switch n.kind {
	case kindFill:
		if math.IsNaN(first) {
			return n.args[1].at(values)
		}
		return first
	case kindCeil:
		return math.Ceil(first)
	case kindIf:
		switch {
		case math.IsNaN(first):
			return first
		case first != 0:
			return n.args[1].at(values)
		default:
			return n.args[2].at(values)
		}
	default:
		return operate(n.kind, first, n.args[1].at(values))
	}
}

func operate(operator string, a, b float64) float64 {
	if math.IsNaN(a) || math.IsNaN(b) || operator == "/" && b == 0 {
		return math.NaN()
	}
	switch operator {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	}
	if operator == ">" && a > b || operator == ">=" && a >= b || operator == "<" && a < b || operator == "<=" && a <= b {
		return 1
	}
	return 0
}
