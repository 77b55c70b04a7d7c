// Package dynamodb is the local cloud's Amazon DynamoDB: tables with a hash key,
// and a range key if wanted, which the functions reach over the service's own wire
// protocol, AWS JSON 1.0. Conditions and updates are evaluated by minidyn; what is around them, such
// as the limits, return values and expiry, is here.
//
// A table is made and removed by the provider only: CreateTable and its like are
// refused, and so is every operation and parameter that is not implemented.
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/truora/minidyn/server"

	"scaletozero/localcloud/clock"
)

// expiryTakes is how long an expired item stays readable. DynamoDB removes it
// within a few days (developer guide, "Using time to live (TTL) in DynamoDB"), so
// that a program must not rely on its being gone.
const expiryTakes = 48 * time.Hour

// sweepEvery is how often expired items are looked for.
const sweepEvery = time.Hour

// Table is what a table is made of. Its name is its identity.
type Table struct {
	ARN, Name string
	// HashKey is the name of the key attribute, which is a string.
	HashKey string
	// RangeKey is the same for the key's second attribute; empty if there is none.
	RangeKey string
	// TTLAttribute is the number attribute that says when an item expires, in
	// seconds since 1970, AWS time; empty if items do not expire.
	TTLAttribute string
}

// keys are the names of the key's attributes, the hash key first.
func (t Table) keys() []string {
	if t.RangeKey == "" {
		return []string{t.HashKey}
	}
	return []string{t.HashKey, t.RangeKey}
}

// keyOf is the key of an item.
func (t Table) keyOf(one item) item {
	key := item{}
	for _, name := range t.keys() {
		key[name] = one[name]
	}
	return key
}

// State is how a table stands.
type State struct {
	Table
	// Items counts the items, with those that have expired and are still there.
	Items int
}

// Options configures a Service.
type Options struct {
	// Clock is AWS time; required.
	Clock *clock.Clock
	// Path is the file that keeps the items from one run to the next. It is read
	// by New and written by Run and Close. Empty: nothing is kept.
	Path string
	// Logger takes what goes wrong; the default is slog.Default().
	Logger *slog.Logger
}

// item is an item by attribute name, in DynamoDB's JSON.
type item = map[string]*server.AttributeValue

// Service holds the tables. It is safe for concurrent use; writes happen one at a
// time.
type Service struct {
	options Options
	served  http.Handler

	mu     sync.Mutex
	engine *server.Client
	tables map[string]Table
	// kept are the items of tables that Resume has not brought back yet.
	kept map[string][]item
	// changed tells that the file is out of date.
	changed bool
}

// New makes a Service without tables, and reads the items that the file keeps for
// them. It fails if the file cannot be read in full.
func New(options Options) (*Service, error) {
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	s := &Service{options: options, engine: server.NewClient(), tables: map[string]Table{}}
	s.served = s.protocol()
	var err error
	s.kept, err = load(options.Path)
	return s, err
}

// Create makes an empty table. It fails if there is one of the name already.
func (s *Service) Create(t Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, t.Name)
	s.changed = true
	return s.create(t)
}

// Resume makes a table with the items that were in it when the local cloud ended.
func (s *Service) Resume(t Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.create(t); err != nil {
		return err
	}
	for _, one := range s.kept[t.Name] {
		if err := s.restore(t, t.keyOf(one), one); err != nil {
			return fmt.Errorf("table %q: an item that was kept: %w", t.Name, err)
		}
	}
	delete(s.kept, t.Name)
	return nil
}

func (s *Service) create(t Table) error {
	if _, exists := s.tables[t.Name]; exists {
		return fmt.Errorf("table %q: ResourceInUseException: Table already exists: %s", t.Name, t.Name)
	}
	input := &server.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest}
	for i, name := range t.keys() {
		input.AttributeDefinitions = append(input.AttributeDefinitions, types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS})
		input.KeySchema = append(input.KeySchema, types.KeySchemaElement{AttributeName: &name, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]})
	}
	_, err := s.engine.CreateTable(context.Background(), input)
	if err != nil {
		return fmt.Errorf("table %q: %w", t.Name, err)
	}
	s.tables[t.Name] = t
	return nil
}

// Update changes a table's time to live; its key cannot be changed.
func (s *Service) Update(t Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.tables[t.Name]; !exists {
		return fmt.Errorf("table %q: %w", t.Name, errNoTable)
	}
	s.tables[t.Name] = t
	return nil
}

// Remove deletes a table with all that is in it. One that does not exist is no
// error.
func (s *Service) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, name)
	s.changed = true
	if _, exists := s.tables[name]; !exists {
		return nil
	}
	delete(s.tables, name)
	_, err := s.engine.DeleteTable(context.Background(), &server.DeleteTableInput{TableName: &name})
	return err
}

// State describes the tables, ordered by name.
func (s *Service) State() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := make([]State, 0, len(s.tables))
	for name, t := range s.tables {
		state := State{Table: t}
		// The engine has every table that is in the map.
		if out, err := s.engine.DescribeTable(context.Background(), &server.DescribeTableInput{TableName: &name}); err == nil {
			state.Items = int(*out.Table.(*types.TableDescription).ItemCount) //nolint:errcheck // It has no other type.
		}
		states = append(states, state)
	}
	slices.SortFunc(states, func(a, b State) int { return strings.Compare(a.Name, b.Name) })
	return states
}

// Run removes expired items each hour and writes the file each minute, until the
// context ends. What happened in the last minute before the process is killed is
// not kept; Close keeps everything.
func (s *Service) Run(ctx context.Context) {
	swept := s.options.Clock.Now()
	s.options.Clock.Every(ctx, time.Minute, func() {
		var expired error
		if s.options.Clock.Since(swept) >= sweepEvery {
			swept, expired = s.options.Clock.Now(), s.sweep()
		}
		if err := errors.Join(expired, s.save()); err != nil {
			s.options.Logger.Error("the tables could not be kept in order", "error", err)
		}
	})
}

// Close writes the file. Nothing may use the Service any more.
func (s *Service) Close() error { return s.save() }

// sweep removes the items that expired long enough ago. When they do is written by
// functions, which are real processes and live on the wall clock.
func (s *Service) sweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := time.Now().Add(-expiryTakes)
	for name, t := range s.tables {
		items, err := s.items(name)
		if err != nil {
			return err
		}
		for _, one := range items {
			if expires, ok := expiry(one, t.TTLAttribute); !ok || !expires.Before(before) {
				continue
			}
			if err := s.restore(t, t.keyOf(one), nil); err != nil {
				return err
			}
			s.changed = true
		}
	}
	return nil
}

// expiry is when the item expires. As on AWS, one whose attribute is missing or no
// number of seconds never does.
func expiry(one item, attribute string) (time.Time, bool) {
	value := one[attribute]
	if attribute == "" || value == nil || value.N == nil {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(*value.N, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// items are all items of a table.
func (s *Service) items(table string) ([]item, error) {
	out, err := s.engine.Scan(context.Background(), &server.ScanInput{TableName: &table})
	if err != nil {
		return nil, fmt.Errorf("table %q: %w", table, err)
	}
	return out.Items, nil
}
