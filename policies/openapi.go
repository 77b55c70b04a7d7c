package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"scaletozero/policies/internal/cfn"
)

// guard is what an operation must ask of its callers.
type guard struct {
	// accepts says whether a security scheme is enough.
	accepts func(scheme map[string]any) bool
	// must and line are those of an expectation about `security`.
	must, line string
}

// isAPIKeyScheme: see "Configure a method to use API keys with an OpenAPI
// definition" in the API Gateway guide. A scheme of type apiKey is also how an
// authorizer is declared, and then it asks for no key.
func isAPIKeyScheme(scheme map[string]any) bool {
	name, _ := cfn.Text(scheme["name"])
	return cfn.IsText(scheme["type"], "apiKey") && cfn.IsText(scheme["in"], "header") &&
		strings.EqualFold(name, "x-api-key") &&
		scheme["x-amazon-apigateway-authorizer"] == nil && scheme["x-amazon-apigateway-authtype"] == nil
}

func isAuthorizerScheme(scheme map[string]any) bool {
	_, authorizer := cfn.Object(scheme["x-amazon-apigateway-authorizer"])
	return authorizer || cfn.IsText(scheme["x-amazon-apigateway-authtype"], "awsSigv4")
}

// anyMethod is the operation that serves every method, OPTIONS included.
const anyMethod = "x-amazon-apigateway-any-method"

var operationKeys = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", anyMethod}

// judgeOpenAPI judges each operation of an OpenAPI 3 or Swagger 2 document,
// given as a text or as an object. No document declares no operation.
func judgeOpenAPI(r *report, body any, g guard) {
	if cfn.IsMissing(body) {
		return
	}
	wrong := func(where string, value any, must string) {
		const line = "an OpenAPI document in which every path and operation is written out"
		r.check(expectation{where: where, property: "Body", value: value, must: must, code: line, template: line})
	}
	document, err := cfn.Document(body)
	if err != nil {
		wrong("", cfn.Unknown{Why: err.Error(), Final: true}, "must be an OpenAPI document")
		return
	}
	root, ok := cfn.Object(document)
	if !ok {
		wrong("", document, "must be an OpenAPI document")
		return
	}
	paths, ok := cfn.Object(root["paths"])
	if !ok && !cfn.IsMissing(root["paths"]) {
		wrong("paths", root["paths"], "must hold the paths as an object")
	}
	schemes := securitySchemes(root)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if strings.HasPrefix(path, "x-") {
			continue
		}
		item, ok := cfn.Object(paths[path])
		if !ok || item["$ref"] != nil {
			wrong("path "+path, paths[path], "must be an object without $ref")
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(item)) {
			if slices.Contains(operationKeys, strings.ToLower(key)) {
				judgeOperation(r, path, strings.ToLower(key), item[key], schemes, g)
			}
		}
	}
}

// securitySchemes are those of OpenAPI 3 and of Swagger 2.
func securitySchemes(root map[string]any) map[string]any {
	components, _ := cfn.Object(root["components"])
	schemes := map[string]any{}
	for _, section := range []any{root["securityDefinitions"], components["securitySchemes"]} {
		declared, _ := cfn.Object(section)
		maps.Copy(schemes, declared)
	}
	return schemes
}

func judgeOperation(r *report, path, key string, operation any, schemes map[string]any, g guard) {
	method := strings.ToUpper(key)
	if method == optionsMethod {
		return
	}
	if key == anyMethod {
		method = "ANY"
	}
	e := expectation{
		where: method + " " + path, property: "security", value: operation, must: g.must,
		absent: "anyone may call it", code: g.line, template: g.line,
	}
	declared, ok := cfn.Object(operation)
	if !ok {
		r.check(e)
		return
	}
	e.value = declared["security"]
	alternatives, ok := cfn.List(e.value)
	if !ok || len(alternatives) == 0 {
		r.check(e)
		return
	}
	for i, alternative := range alternatives {
		if unmet, found := unmetAlternative(alternative, schemes, g); unmet {
			e.property, e.value = fmt.Sprintf("security[%d]", i), found
			r.check(e)
		}
	}
}

// unmetAlternative says whether a caller gets in by this alternative without
// passing the guard, and what was found there instead.
func unmetAlternative(alternative any, schemes map[string]any, g guard) (unmet bool, found any) {
	required, ok := cfn.Object(alternative)
	if !ok {
		return true, alternative
	}
	found = "{} (no scheme at all)"
	for _, name := range slices.Sorted(maps.Keys(required)) {
		scheme := schemes[name]
		declared, ok := cfn.Object(scheme)
		if ok && g.accepts(declared) {
			return false, nil
		}
		if _, unknown := scheme.(cfn.Unknown); unknown {
			return true, scheme
		}
		if scheme == nil {
			found = name + " (a scheme that is not declared)"
		} else {
			found = name + " (a scheme of another kind)"
		}
	}
	return true, found
}
