package linearize

import (
	"math/rand/v2"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// porcupineSays asks porcupine about the operations of one path as they are, without a rule, a reduction or a zone.
func porcupineSays(m Model, ops []Op) Verdict {
	object := m.New()
	model := porcupine.Model{
		Init: object.Init,
		Step: func(state, input, _ any) (bool, any) {
			next, ok := object.Step(state, input.(*Op))
			return ok, next
		},
	}
	var list []porcupine.Operation
	for i := range ops {
		o := &ops[i]
		switch {
		case o.Status == OK:
			list = append(list, porcupine.Operation{Input: o, Call: o.Invoke, Return: o.Return})
		case o.Status == Info && o.Kind.isWrite():
			list = append(list, porcupine.Operation{Input: o, Call: o.Invoke, Return: Never})
		}
	}
	if porcupine.CheckOperations(model, list) {
		return Linearizable
	}
	return Violation
}

// The judge agrees with porcupine on histories that are too long for the brute force. An operation of unknown outcome
// that never ends may come after all others, so porcupine need not know that it may never happen.
func TestPorcupineAgrees(t *testing.T) {
	count := func(t *testing.T, verdicts map[Verdict]int) {
		t.Logf("%d linearizable, %d violations", verdicts[Linearizable], verdicts[Violation])
		require.Greater(t, verdicts[Linearizable], *histories/100)
		require.Greater(t, verdicts[Violation], *histories/100)
	}
	for n, f := range flavours {
		f.opsMax, f.spanMax, f.tampered = 14, 50, 8
		t.Run(f.name, func(t *testing.T) {
			rng, verdicts := rand.New(rand.NewPCG(13, uint64(n))), map[Verdict]int{}
			for range *histories / 3 {
				ops := randomOps(rng, f, true)
				res := Check(&History{Ops: ops}, Options{})
				require.Equal(t, porcupineSays(Register, ops), res.Verdict, res.Summary())
				verdicts[res.Verdict]++
			}
			count(t, verdicts)
		})
	}
	for n, p := range plainModels {
		if p.model.Name() == "lock" {
			// its step narrows what an unknown token can be, so the end of a path is not the place for one that never
			// happened.
			continue
		}
		t.Run(p.model.Name(), func(t *testing.T) {
			rng, verdicts := rand.New(rand.NewPCG(14, uint64(n))), map[Verdict]int{}
			for range *histories / 3 {
				ops := p.random(rng, 12, true)
				res := Check(&History{Header: Header{Model: p.model.Name()}, Ops: ops}, Options{})
				require.Equal(t, porcupineSays(p.model, ops), res.Verdict, res.Summary())
				verdicts[res.Verdict]++
			}
			count(t, verdicts)
		})
	}
}

// Registers with unique values are decided without a search, both ways, and as porcupine decides them.
func TestZonesDecide(t *testing.T) {
	f := flavour{kinds: []Kind{Get, Get, Put}, unique: true, unknown: 25, opsMax: 12, spanMax: 40, tampered: 4}
	rng, verdicts, rules := rand.New(rand.NewPCG(15, 1)), map[Verdict]int{}, map[Rule]int{}
	for i := range *histories {
		f.opsMax = 8 + i%12
		ops := randomOps(rng, f, true)
		if i%4 > 0 { // stale values more often than any.
			stale(rng, ops)
		}
		res := Check(&History{Ops: ops}, Options{Work: 1})
		require.Equal(t, porcupineSays(Register, ops), res.Verdict, res.Summary())
		require.Zero(t, res.Keys[0].Searched)
		verdicts[res.Verdict]++
		rules[res.Keys[0].Evidence.Rule]++
	}
	t.Logf("%v %v", verdicts, rules)
	require.Greater(t, verdicts[Linearizable], *histories/10)
	require.Greater(t, verdicts[Violation], *histories/10)
	require.Zero(t, rules[RuleNoOrder])
}

// stale makes gets show values that were written before they returned.
func stale(rng *rand.Rand, ops []Op) {
	for i := range ops {
		w := &ops[rng.IntN(len(ops))]
		if o := &ops[i]; o.Kind == Get && o.Status == OK && w.Kind == Put && w.Status != Fail && w.Invoke <= o.Return &&
			rng.IntN(8) > 0 {
			o.Found, o.Output = true, w.Input
		}
	}
}
