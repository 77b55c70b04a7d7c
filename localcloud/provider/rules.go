package provider

import (
	"fmt"
	"regexp"
	"slices"
)

// rule is what the real provider checks about one input before anything is created.
type rule struct {
	accepts func(value any) bool
	// wants completes "must …".
	wants string
}

func lengthBetween(shortest, longest int) rule {
	return rule{
		accepts: func(value any) bool {
			text, ok := value.(string)
			return ok && len(text) >= shortest && len(text) <= longest
		},
		wants: fmt.Sprintf("have %d to %d characters", shortest, longest),
	}
}

func oneOf(allowed ...any) rule {
	return rule{
		accepts: func(value any) bool { return slices.Contains(allowed, value) },
		wants:   fmt.Sprintf("be one of %v", allowed),
	}
}

func matching(pattern string, longest int) rule {
	expression := regexp.MustCompile(pattern)
	return rule{
		accepts: func(value any) bool {
			text, ok := value.(string)
			return ok && len(text) <= longest && expression.MatchString(text)
		},
		wants: fmt.Sprintf("match %s and have at most %d characters", pattern, longest),
	}
}

func between(lowest, highest float64) rule {
	return rule{
		accepts: func(value any) bool {
			n, ok := value.(float64)
			return ok && n >= lowest && n <= highest
		},
		wants: fmt.Sprintf("be from %v to %v", int(lowest), int(highest)),
	}
}
