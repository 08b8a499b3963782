package sim

import (
	"slices"
	"strings"
)

// Ways names the ways in which a run failed, the first one first: the promises, and for a panic its message as well,
// without the numbers in it. Two runs that fail in the same way probably show the same bug; shrinking relies on this.
func (r *Result) Ways() (out []string) {
	for _, v := range r.Violations {
		way := v.Promise
		if way == PromisePanic {
			words, _, _ := strings.Cut(v.Detail, "\n")
			way += ": " + strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return -1
				}
				return r
			}, words)
		}
		if !slices.Contains(out, way) {
			out = append(out, way)
		}
	}
	return out
}
