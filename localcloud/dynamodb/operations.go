package dynamodb

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/truora/minidyn/server"
)

var errNoTable = &types.ResourceNotFoundException{Message: new("Requested resource not found")}

func invalid(format string, arguments ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationException", Message: fmt.Sprintf(format, arguments...)}
}

// expressions are the parameters that expressions come with.
type expressions struct {
	ConditionExpression       *string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item
}

type putInput struct {
	expressions

	TableName    string
	Item         item
	ReturnValues types.ReturnValue
}

type updateInput struct {
	expressions

	TableName        string
	Key              item
	UpdateExpression *string
	ReturnValues     types.ReturnValue
}

type getInput struct {
	TableName string
	Key       item
	// ConsistentRead changes nothing: every read is.
	ConsistentRead           bool
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
}

// writeOutput is the output of both writes.
type writeOutput struct {
	Attributes item `json:",omitempty"`
}

// put is PutItem.
func (s *Service) put(_ context.Context, in putInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	if err := checkReturnValues(in.ReturnValues, "NONE", "ALL_OLD"); err != nil {
		return nil, err
	}
	if err := checkItem(in.Item, t, "Item size has exceeded the maximum allowed size"); err != nil {
		return nil, err
	}
	if err := checkValues(in.ExpressionAttributeValues); err != nil {
		return nil, err
	}
	old, err := s.read(t, t.keyOf(in.Item))
	if err != nil {
		return nil, err
	}
	_, err = s.engine.PutItem(context.Background(), &server.PutItemInput{
		TableName: &t.Name, Item: in.Item, ConditionExpression: in.ConditionExpression,
		ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: in.ExpressionAttributeValues,
	})
	if err != nil {
		return nil, err
	}
	s.changed = true
	return returned(in.ReturnValues, old, nil), nil
}

// get is GetItem.
func (s *Service) get(_ context.Context, in getInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	if err := checkKey(in.Key, t); err != nil {
		return nil, err
	}
	return s.engine.GetItem(context.Background(), &server.GetItemInput{
		TableName: &t.Name, Key: in.Key, ProjectionExpression: in.ProjectionExpression, ExpressionAttributeNames: in.ExpressionAttributeNames,
	})
}

// update is UpdateItem. The engine ignores REMOVE and knows no largest item, so
// both are done here, before anyone else can see the item.
func (s *Service) update(_ context.Context, in updateInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	if err := checkReturnValues(in.ReturnValues, "NONE", "ALL_OLD", "ALL_NEW"); err != nil {
		return nil, err
	}
	if err := checkKey(in.Key, t); err != nil {
		return nil, err
	}
	if err := checkValues(in.ExpressionAttributeValues); err != nil {
		return nil, err
	}
	removed, err := removals(in.UpdateExpression, in.ExpressionAttributeNames)
	if err != nil {
		return nil, err
	}
	old, err := s.read(t, in.Key)
	if err != nil {
		return nil, err
	}
	_, err = s.engine.UpdateItem(context.Background(), &server.UpdateItemInput{
		TableName: &t.Name, Key: in.Key, UpdateExpression: in.UpdateExpression, ConditionExpression: in.ConditionExpression,
		ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: in.ExpressionAttributeValues,
	})
	if err != nil {
		return nil, err
	}
	s.changed = true
	next, err := s.read(t, in.Key)
	if err != nil {
		return nil, err
	}
	for _, name := range removed {
		delete(next, name)
	}
	if err := checkItem(next, t, "Item size to update has exceeded the maximum allowed size"); err != nil {
		if failed := s.restore(t, in.Key, old); failed != nil {
			return nil, failed
		}
		return nil, err
	}
	if err := s.restore(t, in.Key, next); err != nil {
		return nil, err
	}
	return returned(in.ReturnValues, old, next), nil
}

func (s *Service) table(name string) (Table, error) {
	t, exists := s.tables[name]
	if !exists {
		return t, errNoTable
	}
	return t, nil
}

// read returns the item with the key, nil if there is none.
func (s *Service) read(t Table, key item) (item, error) {
	out, err := s.engine.GetItem(context.Background(), &server.GetItemInput{TableName: &t.Name, Key: key})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// restore makes content the item with the key; nil removes it.
func (s *Service) restore(t Table, key, content item) error {
	if content == nil {
		_, err := s.engine.DeleteItem(context.Background(), &server.DeleteItemInput{TableName: &t.Name, Key: key})
		return err
	}
	_, err := s.engine.PutItem(context.Background(), &server.PutItemInput{TableName: &t.Name, Item: content})
	return err
}

func returned(want types.ReturnValue, old, next item) writeOutput {
	switch want {
	case types.ReturnValueAllOld:
		return writeOutput{old}
	case types.ReturnValueAllNew:
		return writeOutput{next}
	default:
		return writeOutput{}
	}
}

func checkReturnValues(got types.ReturnValue, allowed ...types.ReturnValue) error {
	if got == "" || slices.Contains(allowed, got) {
		return nil
	}
	return invalid("ReturnValues is %q: localcloud implements %v here", got, allowed)
}

var (
	clause = regexp.MustCompile(`(?i)(?:^|\s)(SET|ADD|REMOVE|DELETE)\s`)
	name   = regexp.MustCompile(`^#?[A-Za-z_][A-Za-z0-9_]*$`)
)

// removals are the attributes that an update expression's REMOVE names. The names
// of clauses are reserved words, so that they are nothing else in an expression.
func removals(expression *string, names map[string]string) ([]string, error) {
	if expression == nil {
		return nil, nil
	}
	var removed []string
	clauses := clause.FindAllStringSubmatchIndex(*expression, -1)
	for i, at := range clauses {
		if !strings.EqualFold((*expression)[at[2]:at[3]], "REMOVE") {
			continue
		}
		end := len(*expression)
		if i+1 < len(clauses) {
			end = clauses[i+1][0]
		}
		for path := range strings.SplitSeq((*expression)[at[1]:end], ",") {
			path = strings.TrimSpace(path)
			if !name.MatchString(path) {
				return nil, invalid("REMOVE %s: localcloud implements the removal of whole attributes only", path)
			}
			if alias, ok := names[path]; ok {
				path = alias
			}
			removed = append(removed, path)
		}
	}
	return removed, nil
}
