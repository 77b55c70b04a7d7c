//go:build unix

package lambda

import (
	"fmt"
	"net/http"
	"strings"
)

// SplitName takes what names a function apart: its name alone, or the name in an
// ARN or a partial one (ACCOUNT:function:NAME), each with or without a qualifier
// behind it. The qualifier is an alias or a version; it is empty where there is
// none.
func SplitName(nameOrARN string) (name, qualifier string) {
	if i := strings.LastIndex(nameOrARN, ":function:"); i >= 0 {
		nameOrARN = nameOrARN[i+len(":function:"):]
	}
	name, qualifier, _ = strings.Cut(nameOrARN, ":")
	return name, qualifier
}

// ApplyAlias creates an alias of a function or has it name another version. What
// is kept ahead for it is started anew, with the other version; until it is
// there, invocations get environments as if nothing were kept.
//
// Errors: there is no such function or version; $LATEST, for an alias that keeps
// environments.
func (r *Runtime) ApplyAlias(functionName, alias, version string) error {
	r.mu.Lock()
	f := r.functions[functionName]
	var err error
	var stale []*environment
	switch {
	case f == nil:
		err = fmt.Errorf("ResourceNotFoundException: Function not found: %s", functionName)
	case f.versions[version] == nil:
		err = fmt.Errorf("ResourceNotFoundException: Function not found: %s:%s: localcloud keeps $LATEST, the newest version, "+
			"and those that an alias names", f.spec.ARN, version)
	case version == Latest && f.pools[alias] != nil:
		err = errUnpublished
	default:
		f.aliases[alias] = version
		stale = r.repool(f)
	}
	r.mu.Unlock()
	end(stale)
	return err
}

// DeleteAlias removes an alias and what is kept ahead for it. Deleting what does
// not exist does nothing.
func (r *Runtime) DeleteAlias(functionName, alias string) {
	r.mu.Lock()
	var stale []*environment
	if f := r.functions[functionName]; f != nil {
		delete(f.aliases, alias)
		stale = r.repool(f)
	}
	r.mu.Unlock()
	end(stale)
}

// named is the version that a qualifier stands for, or nil. The caller holds the
// runtime's mu.
func (f *function) named(qualifier string) *version {
	if qualifier == "" {
		return f.versions[Latest]
	}
	if number, isAlias := f.aliases[qualifier]; isAlias {
		return f.versions[number]
	}
	return f.versions[qualifier]
}

// find returns what a caller names: the function, and the version that the
// qualifier stands for. The caller holds mu.
func (r *Runtime) find(nameOrARN, qualifier string) (*version, error) {
	f := r.functions[nameOf(nameOrARN)]
	notFound := &Error{Status: http.StatusNotFound, Type: "ResourceNotFoundException", Message: "Function not found: " + nameOrARN}
	if f == nil {
		return nil, notFound
	}
	v := f.named(qualifier)
	if v == nil {
		notFound.Message = "Function not found: " + f.spec.ARN + ":" + qualifier
		return nil, notFound
	}
	return v, nil
}

func nameOf(nameOrARN string) string {
	name, _ := SplitName(nameOrARN)
	return name
}

// qualify joins the qualifier behind a function's name and the one of the request,
// which must not contradict each other.
func qualify(nameOrARN, requested string) (qualifier string, err error) {
	_, own := SplitName(nameOrARN)
	if own != "" && requested != "" && own != requested {
		return "", &Error{
			Status: http.StatusBadRequest, Type: "InvalidParameterValueException",
			Message: "The derived qualifier from the function name does not match the specified qualifier.",
		}
	}
	if own == "" {
		return requested, nil
	}
	return own, nil
}
