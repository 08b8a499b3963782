package linearize

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// possible is the second implementation: it tries every order of the operations on one path, and every choice of
// unknown ones that never happened. It shares nothing with the first but Op; it knows no rules, reductions or
// porcupine.
func possible(ops []Op) bool {
	return tryOrders(ops, make([]bool, len(ops)), nil)
}

// tryOrders extends an order that left the register holding held (nil: absent) by the operations not yet used.
func tryOrders(ops []Op, used []bool, held *string) bool {
	done := true
	for i := range ops {
		if ops[i].Status == OK && !used[i] {
			done = false
		}
	}
	if done {
		return true // what is left is unknown or failed and need not have happened.
	}
next:
	for i := range ops {
		if used[i] || ops[i].Status == Fail {
			continue
		}
		for j := range ops {
			if !used[j] && ops[j].Status == OK && ops[j].Return < ops[i].Invoke {
				continue next // j comes first.
			}
		}
		used[i] = true
		for _, after := range outcomes(ops[i], held) {
			if tryOrders(ops, used, after) {
				return true
			}
		}
		used[i] = false
	}
	return false
}

// outcomes lists what the register can hold after o, none if o cannot have gone as it did.
func outcomes(o Op, held *string) []*string {
	after := held
	met := held == nil && o.ExpectAbsent || held != nil && !o.ExpectAbsent && *held == o.Expect
	switch o.Kind {
	case Put:
		after = &o.Input
	case Delete:
		after = nil
	case Append:
		s := o.Input
		if held != nil {
			s = *held + s
		}
		after = &s
	case CAS, CASDelete:
		if o.Status == OK && met != o.Applied {
			return nil
		}
		if met && o.Kind == CAS {
			after = &o.Input
		} else if met {
			after = nil
		}
	}
	if o.Status == OK && (o.Kind == Get || o.Shown) {
		if o.Found != (held != nil) || held != nil && *held != o.Output {
			return nil
		}
	}
	return []*string{after}
}

// flavour says what a random history contains.
type flavour struct {
	name     string
	kinds    []Kind
	unique   bool // values.
	twice    int  // of 100 values, if not all or none are unique.
	blind    bool // refused compare-and-sets show nothing.
	unknown  int  // of 100 writes.
	opsMax   int
	spanMax  int // of times.
	tampered int // of 100 answers.
}

var flavours = []flavour{
	{name: "put and get", kinds: []Kind{Get, Get, Put}, unique: true, unknown: 25, opsMax: 8, spanMax: 30,
		tampered: 40},
	{name: "deletes", kinds: []Kind{Get, Get, Put, Delete}, unique: true, unknown: 25, opsMax: 8, spanMax: 30,
		tampered: 40},
	{name: "unknown deletes", kinds: []Kind{Get, Get, Get, Put, Delete, Delete}, unique: true, unknown: 60, opsMax: 8,
		spanMax: 20, tampered: 40},
	{name: "cas", kinds: []Kind{Get, Put, CAS, CAS, Delete}, unique: true, unknown: 25, opsMax: 8, spanMax: 30,
		tampered: 40},
	{name: "unknown cas", kinds: []Kind{Get, Put, CAS, CAS, CASDelete, Delete}, unique: true, unknown: 60, opsMax: 8,
		spanMax: 20, tampered: 40},
	{name: "cas delete", kinds: []Kind{Get, Get, Put, CASDelete, CASDelete, CAS}, unique: true, unknown: 50, opsMax: 8,
		spanMax: 20, tampered: 40},
	{name: "blind cas", kinds: []Kind{Get, Put, CAS, CASDelete, Delete}, unique: true, blind: true, unknown: 40,
		opsMax: 7, spanMax: 20, tampered: 40},
	{name: "values twice", kinds: []Kind{Get, Put, CAS, CASDelete, Delete}, blind: true, unknown: 30, opsMax: 7,
		spanMax: 20, tampered: 40},
	{name: "values twice, all shown", kinds: []Kind{Get, Get, Put, Put, CAS, CASDelete, Delete}, unknown: 40, opsMax: 8,
		spanMax: 25, tampered: 30},
	{name: "puts twice", kinds: []Kind{Get, Get, Put}, unknown: 40, opsMax: 9, spanMax: 30, tampered: 30},
	{name: "some values twice", kinds: []Kind{Get, Get, Put, Put, Delete, CAS}, twice: 30, blind: true, unknown: 30,
		opsMax: 8, spanMax: 30, tampered: 30},
	{name: "some appends", kinds: []Kind{Get, Get, Get, Put, Put, CAS, Append}, unique: true, unknown: 30, opsMax: 7,
		spanMax: 25, tampered: 30},
	{name: "append", kinds: []Kind{Get, Put, Append, Delete}, unique: true, unknown: 30, opsMax: 6, spanMax: 20,
		tampered: 40},
}

// randomOps runs random operations on a real register, each at one moment of its interval, and then tampers with
// answers as often as the flavour says. Without tampering the result is linearizable.
func randomOps(rng *rand.Rand, f flavour, tamper bool) []Op {
	type event struct {
		at int
		i  int
	}
	n := 1 + rng.IntN(f.opsMax/2) + rng.IntN(f.opsMax/2+1)
	ops := make([]Op, n)
	var events []event
	for i := range ops {
		o := &ops[i]
		o.Path, o.Process, o.Kind = "k", i, f.kinds[rng.IntN(len(f.kinds))]
		inv := rng.IntN(f.spanMax)
		ret := inv + rng.IntN(1+rng.IntN(f.spanMax/2))
		o.Invoke, o.Return, o.Status = int64(inv), int64(ret), OK
		if o.Kind.takesInput() {
			o.Input = fmt.Sprint("v", i)
			if !f.unique && (f.twice == 0 || rng.IntN(100) < f.twice) {
				o.Input = fmt.Sprint("v", rng.IntN(3))
			}
		}
		if o.Kind.isConditional() {
			if o.Kind == CAS && rng.IntN(3) == 0 {
				o.ExpectAbsent = true
			} else {
				o.Expect = fmt.Sprint("v", rng.IntN(n))
			}
		}
		switch roll := rng.IntN(100); {
		case roll < f.unknown && (o.Kind.isWrite() || roll < 5):
			o.Status, o.Return = Info, Never
			if rng.IntN(2) == 0 {
				events = append(events, event{inv + rng.IntN(2*f.spanMax), i}) // it happens later than anybody waits.
			}
			continue
		case roll >= 95:
			o.Status = Fail
			continue
		}
		events = append(events, event{inv + rng.IntN(ret-inv+1), i})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at - b.at })
	var held *string
	for _, e := range events {
		o := &ops[e.i]
		before := held
		met := o.Kind.isConditional() &&
			(held == nil && o.ExpectAbsent || held != nil && !o.ExpectAbsent && *held == o.Expect)
		if o.Status == OK {
			o.Applied = met
			o.Shown = o.Kind.isConditional() && !met && (!f.blind || rng.IntN(3) == 0)
			if o.Kind == Get || o.Shown {
				o.Found = before != nil
				if o.Found {
					o.Output = *before
				}
			}
		}
		switch {
		case o.Kind == Put, o.Kind == CAS && met:
			held = &o.Input
		case o.Kind == Delete, o.Kind == CASDelete && met:
			held = nil
		case o.Kind == Append:
			s := o.Input
			if held != nil {
				s = *held + s
			}
			held = &s
		}
	}
	if tamper {
		for i := range ops {
			if rng.IntN(100) < f.tampered {
				tamperWith(rng, ops, i)
			}
		}
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return int(a.Invoke - b.Invoke) })
	return ops
}

// tamperWith changes the answer to operation i: to something that somebody wrote, or nothing, seldom to something else.
func tamperWith(rng *rand.Rand, ops []Op, i int) {
	o := &ops[i]
	switch {
	case o.Status != OK:
	case o.Kind == Get || o.Shown:
		other := ops[rng.IntN(len(ops))]
		o.Found, o.Output = other.Kind.takesInput(), other.Input
		if rng.IntN(50) == 0 {
			o.Found, o.Output = true, "nobody wrote this"
		}
	case o.Kind.isConditional():
		o.Applied, o.Shown = !o.Applied, false
	default:
		o.Return = o.Invoke + (o.Return-o.Invoke)/2
	}
}

// histories is how many random histories of each flavour and model a test judges.
var histories = flag.Int("histories", 3000, "random histories of each kind that are compared with the brute force")

func TestBruteForceAgrees(t *testing.T) {
	for n, f := range flavours {
		t.Run(f.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, uint64(n)))
			rules := make(map[Rule]int)
			good, spares, dropped, forced, implied := 0, 0, 0, 0, 0
			for i := range *histories {
				h := &History{Ops: randomOps(rng, f, true)}
				want := Linearizable
				if !possible(h.Ops) {
					want = Violation
				}
				res := Check(h, Options{})
				if res.Verdict != want {
					for _, o := range h.Ops {
						t.Logf("[%d,%d] %s", o.Invoke, o.Return, o.String())
					}
					require.Equal(t, want, res.Verdict, "history %d: %s", i, res.Summary())
				}
				if want == Linearizable {
					good++
				} else {
					rules[res.Keys[0].Evidence.Rule]++
				}
				a := analyse(split(h, Register, Options{})[0])
				for i, m := range a.mattering() {
					if c := &a.p.calls[i]; !m && c.status == Info && c.writes() {
						if a.forced[i] != Never {
							forced++
						} else {
							dropped++
						}
					}
				}
				for _, i := range a.implied {
					if i {
						implied++
					}
				}
				for _, s := range a.reduce() {
					if s.outcome == spare {
						spares++
					}
				}
			}
			t.Logf("%d of %d linearizable, violations %v, unknown writes: %d forced, %d left out, %d spare deletes, "+
				"%d refusals implied",
				good, *histories, rules, forced, dropped, spares, implied)
			require.True(t, !f.blind || f.twice > 0 || implied > *histories/20,
				"of refusals that do not show what they found")
			require.Greater(t, good, *histories/10)
			require.Greater(t, *histories-good, *histories/20)
		})
	}
}

func TestHistoriesOfARealRegisterAreLinearizable(t *testing.T) {
	for n, f := range flavours {
		f.opsMax, f.spanMax = 40, 400
		if !f.unique || f.blind || slices.Contains(f.kinds, Append) {
			f.opsMax = 15 // unknown writes stay open here.
		}
		rng := rand.New(rand.NewPCG(8, uint64(n)))
		for i := range 200 {
			h := &History{Ops: randomOps(rng, f, false)}
			res := Check(h, Options{})
			require.Equal(t, Linearizable, res.Verdict, "%s, history %d: %s", f.name, i, res.Summary())
		}
	}
}
