package linearize

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// state is what porcupine knows about a register in the middle of an order. It is compared with ==.
type state struct {
	content
	spare int // unknown deletes that may be used from now on.
}

// apply does s on the register and reports whether s could have gone like that.
func (st state) apply(s *step) (state, bool) {
	op := s.op
	switch {
	case s.outcome == spare:
		st.spare++
		return st, true
	case op.Kind == Get:
		return st.have(content{op.Found, op.Output})
	case op.Kind == Append:
		st.content = content{true, st.value + op.Input}
		return st, true
	case !op.Kind.isConditional():
		st.content = s.leaves()
		return st, true
	case s.outcome == maybe:
		if st.content == s.needs() {
			st.content = s.leaves()
		}
		return st, true
	case !s.refused():
		st, ok := st.have(s.needs())
		st.content = s.leaves()
		return st, ok
	case op.Shown:
		shown := content{op.Found, op.Output}
		st, ok := st.have(shown)
		return st, ok && shown != s.needs()
	}
	return st, st.content != s.needs()
}

// have reports whether the register can hold want at this moment, using a spare delete if that is what it takes.
func (st state) have(want content) (state, bool) {
	if st.content != want && want == absent && st.spare > 0 {
		return state{absent, st.spare - 1}, true
	}
	return st, st.content == want
}

// hash is FNV-1a over the value and the rest.
func (st state) hash() uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(st.value); i++ {
		h = (h ^ uint64(st.value[i])) * 1099511628211
	}
	h = (h ^ uint64(st.spare)) * 1099511628211
	if st.found {
		h = ^h
	}
	return h
}

func (st state) String() string {
	if st.spare > 0 {
		return fmt.Sprintf("%s, %d unknown deletes", st.content, st.spare)
	}
	return st.content.String()
}

// model is one register; steps come in as inputs with everything they carry, outputs are not used.
var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(st, input, _ any) (bool, any) {
		next, ok := st.(state).apply(input.(*step))
		return ok, next
	},
	Hash:                      func(st any) uint64 { return st.(state).hash() },
	DescribeOperation:         func(input, _ any) string { return input.(*step).String() },
	DescribeState:             func(st any) string { return st.(state).String() },
	DescribeOperationMetadata: func(m any) string { return m.(string) },
}

// operations puts steps into porcupine's form. Open ones end after everything else; Never itself would do, but looks odd in
// a picture.
func operations(steps []step) []porcupine.Operation {
	horizon := int64(0)
	for i := range steps {
		if horizon = max(horizon, steps[i].op.Invoke); steps[i].end != Never {
			horizon = max(horizon, steps[i].end)
		}
	}
	rows := rowsOf(steps)
	ops := make([]porcupine.Operation, len(steps))
	for i := range steps {
		s := &steps[i]
		end := s.end
		if end == Never {
			end = horizon + 1
		}
		ops[i] = porcupine.Operation{ClientId: rows[i], Input: s, Call: s.op.Invoke, Return: end, Metadata: ""}
	}
	return ops
}

// search asks porcupine. It is the only place of this package where the result depends on how fast the machine is.
func search(steps []step, timeout time.Duration) Verdict {
	switch porcupine.CheckOperationsTimeout(model, operations(steps), timeout) {
	case porcupine.Ok:
		return Linearizable
	case porcupine.Illegal:
		return Violation
	}
	return Undecided
}
