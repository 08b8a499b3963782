package linearize

// Promise is a promise of a run, by its name in scenarios.
type Promise struct {
	Name string
	Path string // prefix of the paths for which it holds; empty: all.
}

// The promises that Check can judge.
const (
	PromiseLinearizable    = "linearizable"
	PromiseNotLinearizable = "not-linearizable" // a planted fault shows.
)

// Expectation is the expected verdict on a history.
type Expectation uint8

// The expectations.
const (
	ExpectLinearizable Expectation = iota // that it is Linearizable.
	ExpectViolation                       // that it is a Violation.
	ExpectKnownValues                     // that it is Known: see Options.KnownValues.
)

var expectationNames = [...]string{PromiseLinearizable, PromiseNotLinearizable, "known-values"}

// String prints the word used in flags.
func (e Expectation) String() string { return expectationNames[e] }

// Met reports whether a verdict is what was expected.
func (e Expectation) Met(v Verdict) bool {
	return v == [...]Verdict{Linearizable, Violation, Known}[e]
}

// Expects returns the promise of the header, and the prefix of its paths. A header without promises, such as that of an
// old file, counts as one that promises that all is linearizable.
func (h *Header) Expects() (what Expectation, prefix string) {
	if len(h.Promises) == 0 {
		return ExpectLinearizable, ""
	}
	for _, p := range h.Promises {
		switch p.Name {
		case PromiseLinearizable:
			return ExpectLinearizable, p.Path
		case PromiseNotLinearizable:
			return ExpectViolation, p.Path
		}
	}
	return ExpectKnownValues, ""
}
