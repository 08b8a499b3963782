package linearize

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// load is what clients saw of one object, with unknown outcomes of so many in 1,000 operations. It is linearizable.
func (p *plainModel) load(ops, clients int, unknown int) *History {
	rng := rand.New(rand.NewPCG(3, 4))
	r := NewRecorder(Header{Model: p.model.Name()})
	type client struct {
		process    int
		busy, done bool
		h          Handle
		op, did    Op
	}
	all := make([]client, clients)
	for i := range all {
		all[i].process = r.NewProcess()
	}
	state, token, busy := p.begin, int64(0), 0
	for now := int64(0); r.Len() < ops || busy > 0; now++ {
		c := &all[rng.IntN(clients)]
		switch {
		case !c.busy && r.Len() < ops:
			o := Op{Path: "x", Kind: p.kinds[rng.IntN(len(p.kinds))]}
			shape, err := shapeOf(p.model, o.Kind)
			if err != nil {
				panic(err)
			}
			if shape.Asks&FieldInput != 0 {
				o.Input = fmt.Sprint("v", r.Len())
			}
			if shape.Asks&FieldAmount != 0 {
				o.Amount = max(1, token) // of locks: the newest token, mostly.
			}
			if shape.Asks&FieldExpect != 0 {
				if held := state.([]string); held != nil {
					o.Expect = held[0]
				} else {
					o.ExpectAbsent = true
				}
			}
			c.h, c.op, c.busy, c.done = r.Invoke(now, c.process, o), o, true, false
			busy++
		case !c.busy:
		case !c.done:
			c.done = true
			c.did = asOpen(&c.op)
			if c.op.Kind == Acquire {
				token++
			}
			state = p.do(state, &c.did, token)
		default:
			c.busy = false
			busy--
			if rng.IntN(1000) < unknown && c.op.Kind.isWrite() {
				c.process = r.Info(c.h, now, "")
			} else {
				d := &c.did
				r.OK(c.h, now, Answer{Applied: d.Applied, Found: d.Found, Output: d.Output, List: d.List,
					Number: d.Number})
			}
		}
	}
	return r.Finish(1 << 40)
}

// Histories of real objects that are far too long for an order by trial alone are judged with little work.
func TestLongHistoriesOfObjects(t *testing.T) {
	for _, p := range plainModels {
		h := p.load(1000, 5, 20)
		res := Check(h, Options{Work: 1_000_000})
		require.Equal(t, Linearizable, res.Verdict, "%s: %s", p.model.Name(), res.Summary())
		if p.model.Name() == "set" {
			continue // its looks make the test slow, not the search.
		}
		res = Check(p.load(3000, 10, 10), Options{Work: 1_000_000})
		require.Equal(t, Linearizable, res.Verdict, "%s: %s", p.model.Name(), res.Summary())
	}
}
