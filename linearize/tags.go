package linearize

import (
	"fmt"
	"strings"
)

// tagsMax bounds what Tags returns.
const tagsMax = 20

// Tags looks for versions (ETags) that contradict each other, on paths that begin with prefix: one version of a path
// that stands for two values, or two versions of a value that was written once. A client that names a version in a
// condition relies on both. They are no violation of linearizability, which is about values, and Check does not look
// at them. At most tagsMax are returned.
func Tags(h *History, prefix string) []Evidence {
	t := tagger{values: make(map[tagged]sighted), versions: make(map[tagged]sighted), writes: make(map[tagged]int)}
	for i := range h.Ops {
		o := &h.Ops[i]
		switch {
		case o.Status == Fail:
		case o.Kind == Append: // makes values that are not in the history.
			t.writes[tagged{o.Path, ""}]++
		case o.Kind.takesInput():
			t.writes[tagged{o.Path, "v" + o.Input}]++
		}
	}
	for i := range h.Ops {
		if o := &h.Ops[i]; o.Status == OK && o.Version != "" && strings.HasPrefix(o.Path, prefix) &&
			len(t.found) < tagsMax {
			t.look(i, o)
		}
	}
	return t.found
}

// tagged is a version, or a value behind a v, of a path.
type tagged struct{ path, what string }

// sighted is its first sighting, and the operation of it.
type sighted struct {
	what string
	op   int
}

type tagger struct {
	values   map[tagged]sighted // by version.
	versions map[tagged]sighted // by value.
	writes   map[tagged]int     // by value; by "": appends.
	found    []Evidence
}

func (t *tagger) look(i int, o *Op) {
	value := o.Input
	switch {
	case o.Kind == Get && o.Found, o.Shown && o.Found:
		value = o.Output
	case o.Kind == Put, o.Kind == CAS && o.Applied:
	default:
		return // the version of a tombstone, or of a value that no answer showed.
	}
	report := func(before sighted, format string, args ...any) {
		t.found = append(t.found, Evidence{RuleTag, []int{before.op, i}, fmt.Sprintf(format, args...)})
	}
	version := tagged{o.Path, o.Version}
	if before, known := t.values[version]; !known {
		t.values[version] = sighted{value, i}
	} else if before.what != value {
		report(before, "version %q of %q is %s in operation %d, and %s in operation %d",
			o.Version, o.Path, quoted(before.what), before.op, quoted(value), i)
		return
	}
	key := tagged{o.Path, "v" + value}
	if t.writes[key] > 1 || t.writes[tagged{o.Path, ""}] > 0 {
		return
	}
	if before, known := t.versions[key]; !known {
		t.versions[key] = sighted{o.Version, i}
	} else if before.what != o.Version {
		report(before, "%s on %q, which was written once, has version %q in operation %d, and %q in operation %d",
			quoted(value), o.Path, before.what, before.op, o.Version, i)
	}
}
