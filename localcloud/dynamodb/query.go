package dynamodb

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/truora/minidyn/server"
)

// maxPage is where an answer of Query ends, in bytes of items (API reference,
// "Query").
const maxPage = 1 << 20

type queryInput struct {
	TableName                 string
	KeyConditionExpression    string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item
	// ExclusiveStartKey is what the answer begins behind, whether there is such an
	// item or not.
	ExclusiveStartKey item
	// ScanIndexForward is whether the smallest range key comes first; it does if
	// nothing is said.
	ScanIndexForward *bool
	Limit            *int
	// ConsistentRead changes nothing: every read is.
	ConsistentRead bool
}

type queryOutput struct {
	Items               []item
	Count, ScannedCount int
	LastEvaluatedKey    item `json:",omitempty"`
}

// query is Query of a table with a range key, without a filter, a projection or an
// index. The engine has one too, which takes more expressions than DynamoDB does
// and knows no largest page.
func (s *Service) query(_ context.Context, in queryInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	if in.Limit != nil && *in.Limit < 1 {
		return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *in.Limit)
	}
	wanted, err := in.condition(t)
	if err != nil {
		return nil, err
	}
	backward := in.ScanIndexForward != nil && !*in.ScanIndexForward
	if in.ExclusiveStartKey != nil {
		if err := wanted.start(in.ExclusiveStartKey, t); err != nil {
			return nil, err
		}
	}
	all, err := s.items(t.Name)
	if err != nil {
		return nil, err
	}
	rangeOf := func(one item) string { return *one[t.RangeKey].S }
	found := slices.DeleteFunc(all, func(one item) bool {
		if *one[t.HashKey].S != wanted.hash || !wanted.holds(rangeOf(one)) {
			return true
		}
		if in.ExclusiveStartKey == nil {
			return false
		}
		order := strings.Compare(rangeOf(one), rangeOf(in.ExclusiveStartKey))
		return order == 0 || order < 0 != backward
	})
	slices.SortFunc(found, func(a, b item) int { return strings.Compare(rangeOf(a), rangeOf(b)) })
	if backward {
		slices.Reverse(found)
	}
	return in.page(t, found), nil
}

// page is the beginning of what was found: as many items as the limit says, or up
// to the one with which they are too large. As on AWS, whoever asks on after the
// last item because of a limit gets an empty page.
func (in queryInput) page(t Table, found []item) queryOutput {
	out := queryOutput{Items: []item{}}
	size := 0
	for _, one := range found {
		out.Items = append(out.Items, one)
		size += sizeOf(one)
		if size >= maxPage || in.Limit != nil && len(out.Items) == *in.Limit {
			out.LastEvaluatedKey = t.keyOf(one)
			break
		}
	}
	out.Count, out.ScannedCount = len(out.Items), len(out.Items)
	return out
}

// keyCondition is a comparison of the hash key and, if there is more, one of the
// range key.
var keyCondition = regexp.MustCompile(`^\s*(#?\w+)\s*=\s*(:\w+)(?:\s+(?i:AND)\s+(#?\w+)\s*(<=|>=|=|<|>)\s*(:\w+))?\s*$`)

// condition is what a key has to be like.
type condition struct {
	hash string
	// operator is empty where every range key will do.
	operator, bound string
}

func (c condition) holds(rangeKey string) bool {
	order := strings.Compare(rangeKey, c.bound)
	switch c.operator {
	case "=":
		return order == 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	default:
		return true
	}
}

// start refuses a key to begin behind that no item with that condition could have.
// The API reference has no word of it; the errors are those that DynamoDB answers
// with (aws/aws-sdk-ruby#2456, scylladb/scylladb#26988).
func (c condition) start(key item, t Table) error {
	switch {
	case checkKey(key, t) != nil:
		return invalid("The provided starting key is invalid")
	case *key[t.HashKey].S != c.hash:
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	case !c.holds(*key[t.RangeKey].S):
		return invalid("The provided starting key does not match the range key predicate")
	}
	return nil
}

func (in queryInput) condition(t Table) (condition, error) {
	parts := keyCondition.FindStringSubmatch(in.KeyConditionExpression)
	if t.RangeKey == "" || parts == nil {
		return condition{}, invalid("KeyConditionExpression is %q: localcloud implements queries of tables with a range key, "+
			"by HASH = :value, or HASH = :value AND RANGE OPERATOR :value with one of = < <= > >=", in.KeyConditionExpression)
	}
	names, values := maps.Clone(in.ExpressionAttributeNames), maps.Clone(in.ExpressionAttributeValues)
	named := func(name string) string {
		if !strings.HasPrefix(name, "#") {
			return name
		}
		delete(names, name)
		return in.ExpressionAttributeNames[name]
	}
	if named(parts[1]) != t.HashKey || parts[3] != "" && named(parts[3]) != t.RangeKey {
		return condition{}, invalid("Query condition missed key schema element: %s", t.HashKey)
	}
	wanted := condition{operator: parts[4]}
	for i, into := range map[int]*string{2: &wanted.hash, 5: &wanted.bound} {
		if parts[i] == "" {
			continue
		}
		delete(values, parts[i])
		if err := textOf(in.ExpressionAttributeValues[parts[i]], into); err != nil {
			return condition{}, err
		}
	}
	if len(names) > 0 {
		return condition{}, invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", strings.Join(slices.Sorted(maps.Keys(names)), ", "))
	}
	if len(values) > 0 {
		return condition{}, invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", strings.Join(slices.Sorted(maps.Keys(values)), ", "))
	}
	return wanted, nil
}

func textOf(value *server.AttributeValue, into *string) error {
	if value == nil || value.S == nil {
		return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
	}
	*into = *value.S
	return nil
}
