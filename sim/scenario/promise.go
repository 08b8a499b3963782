package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// Promise names one property that has to hold in a run, with the word that scenario files use. A scenario is judged by
// the promises that it names; checks of every run, without a name in scenarios, are no promises in this sense.
type Promise string

// The promises that the framework itself judges. Every system chooses among them and adds its own: see Sections.
const (
	// every operation ends, and the final state is reached in time.
	Finished        Promise = "finished"
	Linearizable    Promise = "linearizable"     // the history is linearizable.
	NotLinearizable Promise = "not-linearizable" // the judge finds a violation: this proves that it can.
)

// String prints the word.
func (p Promise) String() string { return string(p) }

// Expects reports whether s names p.
func (s *Scenario) Expects(p Promise) bool { return slices.Contains(s.Expect, p) }

func formatPromises(list []Promise) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}

// parsePromises reads a list with commas; the result is in the order of known.
func parsePromises(s string, known []Promise) ([]Promise, error) {
	named := make([]bool, len(known))
	for word := range strings.SplitSeq(s, ",") {
		p := Promise(strings.TrimSpace(word))
		i := slices.Index(known, p)
		if i < 0 {
			return nil, fmt.Errorf("unknown promise %q: use some of %s", p, formatPromises(known))
		}
		if named[i] {
			return nil, fmt.Errorf("%s is named twice: take one out", p)
		}
		named[i] = true
	}
	var out []Promise
	for i, p := range known {
		if named[i] {
			out = append(out, p)
		}
	}
	return out, nil
}

func (s *Scenario) checkExpect() error {
	known, last := s.Own.Promises(), -1
	for _, p := range s.Expect {
		at := slices.Index(known, p)
		if at <= last {
			return fmt.Errorf("%s: name promises once and in this order: %s", p, formatPromises(known))
		}
		last = at
	}
	switch {
	case len(s.Expect) == 0:
		return fmt.Errorf("a scenario that expects nothing cannot fail: name at least one promise")
	case s.Expects(Linearizable) && s.Expects(NotLinearizable):
		return fmt.Errorf("linearizable and not-linearizable cannot both hold")
	}
	return nil
}
