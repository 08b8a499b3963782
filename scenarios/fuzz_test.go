package scenarios

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"kvs/sim/scenario"
)

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		text, err := Library.Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(whole)
	f.Add(swarming)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil {
			t.Fatalf("what was printed does not parse: %v\n%s", err, s)
		}
		if !reflect.DeepEqual(s, again) {
			t.Fatalf("printed and parsed again it is another scenario:\n%s\n%s", s, again)
		}
		drawn := scenario.Draw(rand.New(rand.NewPCG(1, 2)), s)
		if err := drawn.Validate(); err != nil || !drawn.Drawn() {
			t.Fatalf("drawn from a valid scenario: %v\n%s", err, drawn)
		}
	})
}
