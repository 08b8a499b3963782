// Package invariant holds the one assertion of the core, which is always on.
package invariant

import "fmt"

// That panics when cond is false: a broken invariant is a bug, and to continue would spread wrong data. Attrs alternate
// names and values.
func That(cond bool, msg string, attrs ...any) {
	if cond {
		return
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		msg += fmt.Sprintf(" %v=%v", attrs[i], attrs[i+1])
	}
	panic("kvs: broken invariant: " + msg)
}
