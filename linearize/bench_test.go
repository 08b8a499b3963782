package linearize

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// registerHistory is what clients saw of keys real registers, with a few unknown outcomes. It is linearizable.
func registerHistory(ops, keys, clients int) *History {
	rng := rand.New(rand.NewPCG(1, 2))
	r := NewRecorder(Header{World: "sim"})
	type client struct {
		process int
		busy    bool
		op      Op
		handle  Handle
		done    bool
		answer  Answer
	}
	all := make([]client, clients)
	for i := range all {
		all[i].process = r.NewProcess()
	}
	values := make(map[string]string)
	for now := int64(0); r.Len() < ops || slices.ContainsFunc(all, func(c client) bool { return c.busy }); now++ {
		switch c := &all[rng.IntN(clients)]; {
		case !c.busy && r.Len() < ops:
			c.op = Op{Kind: Kind(rng.IntN(3)), Path: fmt.Sprint("k", rng.IntN(keys))}
			if c.op.Kind == Put {
				c.op.Input = fmt.Sprint("v", r.Len())
			}
			c.handle, c.busy, c.done, c.answer = r.Invoke(now, c.process, c.op), true, false, Answer{}
		case !c.busy:
		case !c.done:
			c.done = true
			held, found := values[c.op.Path]
			switch c.op.Kind {
			case Get:
				c.answer = Answer{Found: found, Output: held}
			case Put:
				values[c.op.Path] = c.op.Input
			case Delete:
				delete(values, c.op.Path)
			}
		default:
			c.busy = false
			if rng.IntN(50) == 0 {
				c.process = r.Info(c.handle, now, "timeout")
			} else {
				r.OK(c.handle, now, c.answer)
			}
		}
	}
	return r.Finish(1 << 40)
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []struct{ ops, keys, clients int }{{1000, 10, 10}, {10000, 100, 10}, {2000, 1, 5}} {
		b.Run(fmt.Sprintf("ops=%d/keys=%d/clients=%d", size.ops, size.keys, size.clients), func(b *testing.B) {
			h := registerHistory(size.ops, size.keys, size.clients)
			b.ReportAllocs()
			for b.Loop() {
				if res := Check(h, Options{}); res.Verdict != Linearizable {
					b.Fatal(res.Summary())
				}
			}
		})
	}
}

// The benchmark's histories are judged under go test, too, small.
func TestBenchmarkHistories(t *testing.T) {
	if res := Check(registerHistory(500, 5, 6), Options{}); res.Verdict != Linearizable {
		t.Fatal(res.Summary())
	}
}
