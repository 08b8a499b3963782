package linearize

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainModel is the second implementation of a model: it does one operation after another in the plainest way, and
// knows nothing of unknown outcomes. state is what the operations before have left; luck is the token that a lock
// grants, and counts for nothing else.
type plainModel struct {
	model Model
	kinds []Kind
	do    func(state any, o *Op, luck int64) (after any)
	begin any
}

// plainLock is a lock as plainModel keeps it.
type plainLock struct{ holder, highest, let int64 }

var plainModels = []plainModel{
	{model: CASRegister, kinds: []Kind{Get, Get, Put, CAS, CAS}, begin: []string(nil),
		do: func(state any, o *Op, _ int64) any {
			held := state.([]string) // nothing, or one value.
			switch o.Kind {
			case Get:
				if o.Found = held != nil; o.Found {
					o.Output = held[0]
				}
			case Put:
				return []string{o.Input}
			default:
				if o.ExpectAbsent && held == nil || !o.ExpectAbsent && held != nil && held[0] == o.Expect {
					o.Applied = true
					return []string{o.Input}
				}
			}
			return held
		}},
	{model: Counter, kinds: []Kind{Get, Get, Increment, Increment}, begin: int64(0),
		do: func(state any, o *Op, _ int64) any {
			sum := state.(int64)
			if o.Kind == Increment {
				sum += o.Amount
			}
			if o.Kind == Get || o.Shown {
				o.Number = sum
			}
			return sum
		}},
	{model: List, kinds: []Kind{Get, Get, Append}, begin: []string(nil), do: func(state any, o *Op, _ int64) any {
		list := slices.Clone(state.([]string))
		if o.Kind == Append {
			return append(list, o.Input)
		}
		o.List = list
		return list
	}},
	{model: Queue, kinds: []Kind{Enqueue, Enqueue, Dequeue, Dequeue}, begin: []string(nil),
		do: func(state any, o *Op, _ int64) any {
			list := slices.Clone(state.([]string))
			switch {
			case o.Kind == Enqueue:
				return append(list, o.Input)
			case len(list) == 0:
				return list
			}
			o.Found, o.Output = true, list[0]
			return list[1:]
		}},
	{model: Set, kinds: []Kind{Get, Add, Add, Remove, Contains}, begin: []string(nil),
		do: func(state any, o *Op, _ int64) any {
			list := slices.Clone(state.([]string))
			at := slices.Index(list, o.Input)
			switch {
			case o.Kind == Get && len(list) > 0:
				o.List = list
			case o.Kind == Contains:
				o.Found = at >= 0
			case o.Kind == Add && at < 0:
				list = append(list, o.Input)
				slices.Sort(list)
			case o.Kind == Remove && at >= 0:
				list = slices.Delete(list, at, at+1)
			}
			return list
		}},
	{model: Lock, kinds: []Kind{Acquire, Acquire, Release, Release, Use}, begin: plainLock{},
		do: func(state any, o *Op, luck int64) any {
			l := state.(plainLock)
			switch o.Kind {
			case Acquire:
				if o.Applied = l.holder == 0 && luck > l.highest; o.Applied {
					l.holder, l.highest, o.Number = luck, luck, luck
				}
			case Release:
				if o.Applied = l.holder > 0 && l.holder == o.Amount; o.Applied {
					l.holder = 0
				}
			case Use:
				if o.Applied = o.Amount > 0 && o.Amount >= l.let && o.Amount <= l.highest; o.Applied {
					l.let = o.Amount
				}
			}
			return l
		}},
}

// luckMax bounds the tokens of locks in the tests.
const luckMax = 9

// lucks are the tokens that o may have been granted.
func lucks(o *Op) []int64 {
	switch {
	case o.Kind != Acquire:
		return []int64{0}
	case o.Status == OK && o.Applied:
		return []int64{o.Number}
	case o.Status == OK:
		return []int64{luckMax + 10} // enough to be granted if the lock is free.
	}
	var all []int64
	for luck := range int64(luckMax + 2) {
		all = append(all, luck+1)
	}
	return all
}

// outcomes lists what the operations up to o can leave.
func (p *plainModel) outcomes(state any, o *Op) (after []any) {
	for _, luck := range lucks(o) {
		did := asOpen(o)
		left := p.do(state, &did, luck)
		if o.Status != OK || sameAnswer(&did, o) {
			after = append(after, left)
		}
	}
	return after
}

// asOpen is o without its answer.
func asOpen(o *Op) Op {
	return Op{
		Path: o.Path, Process: o.Process, Kind: o.Kind, Input: o.Input, Expect: o.Expect, ExpectAbsent: o.ExpectAbsent,
		Amount: o.Amount,
		Shown:  o.Kind == Increment && o.Shown,
	}
}

func sameAnswer(a, b *Op) bool {
	return a.Applied == b.Applied && a.Found == b.Found && a.Output == b.Output && a.Number == b.Number &&
		slices.Equal(a.List, b.List)
}

// possible tries every order of the operations, and every choice of unknown ones that never happened.
func (p *plainModel) possible(ops []Op, used []bool, state any) bool {
	done := true
	for i := range ops {
		done = done && (ops[i].Status != OK || used[i])
	}
	if done {
		return true
	}
next:
	for i := range ops {
		if used[i] || ops[i].Status == Fail {
			continue
		}
		for j := range ops {
			if !used[j] && ops[j].Status == OK && ops[j].Return < ops[i].Invoke {
				continue next
			}
		}
		used[i] = true
		for _, after := range p.outcomes(state, &ops[i]) {
			if p.possible(ops, used, after) {
				return true
			}
		}
		used[i] = false
	}
	return false
}

// random runs random operations one after another, each at one moment of its interval, and tampers with some answers.
func (p *plainModel) random(rng *rand.Rand, opsMax int, tamper bool) []Op {
	n := 2 + rng.IntN(opsMax-1)
	times := 30 * max(1, n/8)
	ops := make([]Op, n)
	type event struct {
		at int
		i  int
	}
	var events []event
	for i := range ops {
		o := &ops[i]
		o.Path, o.Process, o.Kind = "x", i, p.kinds[rng.IntN(len(p.kinds))]
		shape, err := shapeOf(p.model, o.Kind)
		if err != nil {
			panic(err)
		}
		if shape.Asks&FieldInput != 0 {
			o.Input = fmt.Sprint("v", rng.IntN(n))
		}
		if shape.Asks&FieldExpect != 0 {
			if o.ExpectAbsent = rng.IntN(4) == 0; !o.ExpectAbsent {
				o.Expect = fmt.Sprint("v", rng.IntN(n))
			}
		}
		if shape.Asks&FieldAmount != 0 {
			o.Amount = int64(1 + rng.IntN(luckMax/2))
		}
		at, span := rng.IntN(times), 1+rng.IntN(12)
		o.Invoke, o.Return, o.Status = int64(at), int64(at+span), OK
		switch roll := rng.IntN(100); {
		case roll < 25 && o.Kind.isWrite(), roll < 3:
			o.Status, o.Return = Info, Never
			if rng.IntN(2) == 0 {
				continue
			}
			span = 30
		case roll > 96:
			o.Status = Fail
			continue
		default:
			o.Shown = o.Kind == Increment && rng.IntN(2) == 0
		}
		events = append(events, event{at + rng.IntN(span+1), i})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at - b.at })
	state, token := p.begin, int64(0)
	for _, e := range events {
		o := &ops[e.i]
		did := asOpen(o)
		if o.Kind == Acquire {
			token++
		}
		state = p.do(state, &did, min(token, luckMax))
		if o.Status == OK {
			o.Applied, o.Found, o.Output, o.List, o.Number = did.Applied, did.Found, did.Output, did.List, did.Number
		}
	}
	for i := range ops {
		if tamper && ops[i].Status == OK && rng.IntN(100) < 20 {
			p.tamper(rng, ops, i)
		}
		if len(ops[i].List) == 0 {
			ops[i].List = nil
		}
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return int(a.Invoke - b.Invoke) })
	return ops
}

// tamper changes the answer of operation i.
func (p *plainModel) tamper(rng *rand.Rand, ops []Op, i int) {
	o := &ops[i]
	other := fmt.Sprint("v", rng.IntN(len(ops)+1))
	switch {
	case o.Kind == Acquire:
		if o.Applied = !o.Applied; o.Applied {
			o.Number = int64(1 + rng.IntN(luckMax))
		} else {
			o.Number = 0
		}
	case o.Kind == Release, o.Kind == Use, o.Kind == CAS:
		o.Applied = !o.Applied
	case o.Kind == Contains:
		o.Found = !o.Found
	case p.model.Name() == "counter" && (o.Kind == Get || o.Shown):
		o.Number += int64(rng.IntN(5) - 2)
	case p.model.Name() == "list" && o.Kind == Get, p.model.Name() == "set" && o.Kind == Get:
		if o.List = slices.Clone(o.List); len(o.List) > 0 && rng.IntN(2) == 0 {
			at := rng.IntN(len(o.List))
			o.List = slices.Delete(o.List, at, at+1)
		} else if p.model.Name() == "list" || !slices.Contains(o.List, other) {
			o.List = append(o.List, other)
		}
		if p.model.Name() == "set" {
			slices.Sort(o.List)
		}
	case o.Kind == Get, o.Kind == Dequeue:
		if o.Found = rng.IntN(3) > 0; o.Found {
			o.Output = other
		} else {
			o.Output = ""
		}
	default:
		o.Return = o.Invoke + (o.Return-o.Invoke)/2
	}
}

// Every model agrees with its second implementation, which tries all orders.
func TestModelsAgreeWithBruteForce(t *testing.T) {
	for n, p := range plainModels {
		t.Run(p.model.Name(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, uint64(n)))
			good, rules := 0, make(map[Rule]int)
			for i := range *histories {
				h := &History{Header: Header{Model: p.model.Name()}, Ops: p.random(rng, 7, true)}
				want := Violation
				if p.possible(h.Ops, make([]bool, len(h.Ops)), p.begin) {
					want = Linearizable
					good++
				}
				res := Check(h, Options{})
				if res.Verdict != want {
					for _, o := range h.Ops {
						t.Logf("[%d,%d] %s", o.Invoke, o.Return, o.String())
					}
					require.Equal(t, want, res.Verdict, "history %d: %s", i, res.Summary())
				}
				if want == Violation {
					rules[res.Keys[0].Evidence.Rule]++
				}
			}
			t.Logf("%d of %d linearizable, violations %v", good, *histories, rules)
			require.Greater(t, good, *histories/10)
			require.Greater(t, *histories-good, *histories/10)
		})
	}
}

// A history of a real object is linearizable, however long, with many clients and unknown outcomes.
func TestHistoriesOfRealObjectsAreLinearizable(t *testing.T) {
	for n, p := range plainModels {
		rng := rand.New(rand.NewPCG(12, uint64(n)))
		for i := range 100 {
			h := &History{Header: Header{Model: p.model.Name()}, Ops: p.random(rng, 40, false)}
			res := Check(h, Options{})
			require.Equal(t, Linearizable, res.Verdict, "%s, history %d: %s", p.model.Name(), i, res.Summary())
		}
	}
}

// Every model is one of Models, has a second implementation, and says what it is.
func TestModelsAreListed(t *testing.T) {
	var names []string
	for _, m := range Models() {
		found, err := ModelByName(m.Name())
		require.NoError(t, err)
		require.Equal(t, m.Name(), found.Name())
		names = append(names, m.Name())
		require.True(t, m.Name() == "register" || slices.ContainsFunc(plainModels, func(p plainModel) bool {
			return p.model.Name() == m.Name()
		}))
		require.Equal(t, m.New().Init(), m.New().Init(), "states are compared with ==")
		require.NotEmpty(t, m.New().Describe(m.New().Init()))
	}
	require.True(t, slices.IsSorted(names))
	_, err := ModelByName("heap")
	require.ErrorContains(t, err,
		`model "heap" is unknown: use one of cas-register, counter, list, lock, queue, register, set`)
}

// A model of one's own is judged like those of this package.
func TestOwnModel(t *testing.T) {
	put := func(at int64, value string) Op {
		return Op{Kind: Put, Path: "x", Input: value, Invoke: at, Return: at + 1, Status: OK}
	}
	get := func(at int64, value string) Op {
		return Op{Kind: Get, Path: "x", Found: true, Output: value, Invoke: at, Return: at + 1, Status: OK}
	}
	h := &History{Ops: []Op{put(0, "b"), put(10, "a"), get(20, "b")}}
	require.Equal(t, Violation, Check(h, Options{}).Verdict, "not a register")
	require.Equal(t, Linearizable, Check(h, Options{Model: highest{}}).Verdict)
	h.Ops = append(h.Ops, get(30, "a"))
	res := Check(h, Options{Model: highest{}})
	require.Equal(t, Violation, res.Verdict)
	require.Equal(t, []int{3}, res.Keys[0].Evidence.Ops)
	h.Ops = append(h.Ops, Op{Kind: Delete, Path: "x", Invoke: 40, Return: 41, Status: OK})
	require.Contains(t, Check(h, Options{Model: highest{}}).Problem, "operation 4: a highest has no operation delete")
}

// highest keeps the highest value that was put.
type highest struct{}

func (highest) Name() string { return "highest" }
func (highest) Shapes() []Shape {
	return []Shape{{Kind: Put, Asks: FieldInput}, {Kind: Get, Answers: FieldOutput}}
}
func (highest) New() Object               { return highest{} }
func (highest) Init() any                 { return "" }
func (highest) Describe(state any) string { return state.(string) + "!" }
func (highest) Step(state any, o *Op) (any, bool) {
	if o.Kind == Put {
		return max(state.(string), o.Input), true
	}
	return state, o.Status == Info || o.Found && o.Output == state
}
