package cfn

import (
	"slices"
	"strings"
)

// Reference is a value that stands for another resource: an ARN, an id, a URL
// or a name.
type Reference struct {
	ids     []string
	text    string
	unknown *Unknown
}

// AnyProperty is the key in Resource.Depends of what the properties as a whole
// are made of, where they are given in one piece.
const AnyProperty = ""

// Reference reads value, which stands at or below the given property of r.
func (r Resource) Reference(property string, value any) Reference {
	f := Reference{ids: slices.Concat(r.Depends[property], r.Depends[AnyProperty])}
	if u, ok := value.(Unknown); ok {
		f.unknown = &u
		f.ids = append(f.ids, u.From...)
	} else if text, ok := Text(value); ok {
		f.text = text
	}
	return f
}

// Means says whether f stands for target. In doubt the first result means
// nothing.
func (f Reference) Means(target Resource) (bool, *Unknown) {
	if f.unknown == nil {
		for _, identity := range target.Identities {
			// An ARN or a URL that is written by hand ends in the name.
			if f.text == identity || strings.HasSuffix(f.text, ":"+identity) || strings.HasSuffix(f.text, "/"+identity) {
				return true, nil
			}
		}
	}
	for _, id := range f.ids {
		// A stack that holds a template hands out its resources' names as its
		// own outputs.
		if id == target.ID() || strings.HasPrefix(target.ID(), id+pathMark) {
			return true, nil
		}
	}
	return false, f.unknown
}

// Same says whether both stand for the same resource. In doubt the first
// result means nothing.
func (f Reference) Same(other Reference) (bool, *Unknown) {
	if f.unknown == nil && other.unknown == nil {
		return f.text != "" && f.text == other.text, nil
	}
	for _, id := range f.ids {
		if slices.Contains(other.ids, id) {
			return true, nil
		}
	}
	if f.unknown != nil {
		return false, f.unknown
	}
	return false, other.unknown
}
