package provider

import "github.com/pulumi/pulumi/sdk/v3/go/common/resource"

// Properties are the properties of a resource as JSON values: strings, float64, bool, maps and slices.
type Properties map[string]any

// plain strips unknown values, nulls and the bridge's own "__defaults" from a property map without secrets.
func plain(m resource.PropertyMap) Properties {
	out := Properties{}
	for key, value := range m {
		switch {
		case resource.IsInternalPropertyKey(key) || value.IsNull() || value.ContainsUnknowns():
		case value.IsArchive():
			// As it is in the state file and on the wire.
			out[string(key)] = value.ArchiveValue().Serialize()
		default:
			out[string(key)] = value.Mappable()
		}
	}
	return out
}

// propertyMap is the reverse of plain.
func (p Properties) propertyMap() resource.PropertyMap {
	return resource.NewPropertyMapFromMap(p)
}

// text returns a string property, "" if it is not there.
func (p Properties) text(key string) string {
	s, _ := p[key].(string)
	return s
}

// flag returns a bool property, false if it is not there.
func (p Properties) flag(key string) bool {
	b, _ := p[key].(bool)
	return b
}

// number returns a number property, 0 if it is not there.
func (p Properties) number(key string) float64 {
	n, _ := p[key].(float64)
	return n
}

// object returns a nested object, empty if it is not there.
func (p Properties) object(key string) Properties {
	m, _ := p[key].(map[string]any)
	return m
}

// objects returns a list of nested objects.
func (p Properties) objects(key string) []Properties {
	list, _ := p[key].([]any)
	var out []Properties
	for _, element := range list {
		if m, ok := element.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// texts returns an object of strings.
func (p Properties) texts(key string) map[string]string {
	out := map[string]string{}
	for k := range p.object(key) {
		out[k] = p.object(key).text(k)
	}
	return out
}

// list returns a list of strings.
func (p Properties) list(key string) []string {
	list, _ := p[key].([]any)
	var out []string
	for _, element := range list {
		if text, ok := element.(string); ok {
			out = append(out, text)
		}
	}
	return out
}
