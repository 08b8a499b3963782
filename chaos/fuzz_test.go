package chaos

import (
	"reflect"
	"testing"
)

func FuzzParsePlan(f *testing.F) {
	for _, c := range faults {
		f.Add("at 2s " + c.text)
	}
	f.Add("# nothing\n\nat 1h heal\nat 1ns heal")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePlan(text)
		if err != nil {
			return
		}
		again, err := ParsePlan(p.String())
		if err != nil {
			t.Fatalf("what was printed does not parse: %v\n%s", err, p)
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("printed and parsed again it is another plan:\n%s\n%s", p, again)
		}
		_ = Validate(p, 3)
		l := NewLinks(NodesMax, Link{})
		for _, e := range p.Events {
			l.Apply(e.Fault)
		}
	})
}
