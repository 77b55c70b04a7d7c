package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// Keywords of JSON Schema draft 4 that API Gateway honours in a model. It
// ignores others such as default, readOnly, discriminator and exclusiveMinimum,
// and minItems and maxItems in a model that was imported (API Gateway developer guide, "Important notes for REST APIs"), and a schema
// that is half ignored promises what nobody checks. $schema is read and
// dropped, since OpenAPI has no place for it.
var schemaKeywords = map[string]keyword{
	"$schema": plain, "title": plain, "description": plain, "type": plain, "enum": plain, "required": plain,
	"minimum": plain, "maximum": plain, "multipleOf": plain,
	"minLength": plain, "maxLength": plain, "pattern": plain,
	"uniqueItems":   plain,
	"minProperties": plain, "maxProperties": plain,
	"properties": schemaMap, "items": oneSchema, "additionalProperties": oneSchema, "not": oneSchema,
	"allOf": schemaList, "anyOf": schemaList, "oneOf": schemaList,
}

// keyword says what the value of a schema's keyword holds.
type keyword int

const (
	plain keyword = iota
	oneSchema
	schemaMap
	schemaList
)

// ParseSchema reads the JSON schema of a request body, and refuses, all at
// once, what API Gateway would ignore.
func ParseSchema(text []byte) (*openapi3.Schema, error) {
	var raw map[string]any
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("it is not a JSON object: %w", err)
	}
	if problems := schemaProblems(raw, ""); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	delete(raw, "$schema")
	cleaned, err := json.Marshal(raw)
	if err != nil {
		return nil, fmt.Errorf("writing the schema back: %w", err)
	}
	schema := &openapi3.Schema{}
	if err := schema.UnmarshalJSON(cleaned); err != nil {
		return nil, fmt.Errorf("it is not a JSON schema: %w", err)
	}
	if err := schema.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("it is not a schema that OpenAPI 3.0 takes: %w", err)
	}
	return schema, nil
}

func schemaProblems(schema map[string]any, at string) []error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(schema)) {
		value, here := schema[name], at+"/"+name
		kind, known := schemaKeywords[name]
		if !known {
			problems = append(problems, fmt.Errorf("%s: API Gateway does not check %q; remove it or say it another way", here, name))
			continue
		}
		switch kind {
		case plain:
		case oneSchema:
			// additionalProperties may also be true or false.
			if inner, ok := value.(map[string]any); ok {
				problems = append(problems, schemaProblems(inner, here)...)
			}
		case schemaMap:
			inner, _ := value.(map[string]any)
			for _, key := range slices.Sorted(maps.Keys(inner)) {
				if child, ok := inner[key].(map[string]any); ok {
					problems = append(problems, schemaProblems(child, here+"/"+key)...)
				}
			}
		case schemaList:
			list, _ := value.([]any)
			for i, item := range list {
				if child, ok := item.(map[string]any); ok {
					problems = append(problems, schemaProblems(child, fmt.Sprintf("%s/%d", here, i))...)
				}
			}
		}
	}
	return problems
}
