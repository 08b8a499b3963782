package linearize

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// load is what clients do to real registers, with a few unknown outcomes.
type load struct {
	ops, keys, clients int
	kinds              int // of Get, Put, Delete: the first so many.
	twice              int // of 100 values: one of the ten that others write as well.
}

func (l load) String() string {
	return fmt.Sprintf("ops=%d/keys=%d/clients=%d/kinds=%d/twice=%d", l.ops, l.keys, l.clients, l.kinds, l.twice)
}

// history is what the clients saw. It is linearizable.
func (l load) history() *History {
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
	all := make([]client, l.clients)
	for i := range all {
		all[i].process = r.NewProcess()
	}
	values := make(map[string]string)
	busy := 0
	for now := int64(0); r.Len() < l.ops || busy > 0; now++ {
		switch c := &all[rng.IntN(l.clients)]; {
		case !c.busy && r.Len() < l.ops:
			c.op = Op{Kind: Kind(rng.IntN(l.kinds)), Path: fmt.Sprint("k", rng.IntN(l.keys))}
			if c.op.Kind == Put {
				if c.op.Input = fmt.Sprint("v", r.Len()); rng.IntN(100) < l.twice {
					c.op.Input = fmt.Sprint("v", r.Len()/10)
				}
			}
			busy++
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
			busy--
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
	for _, l := range []load{
		{1000, 10, 10, 3, 0}, {10_000, 100, 10, 3, 0}, {2000, 1, 5, 3, 0}, // as the simulator makes them.
		{100_000, 1, 1, 2, 0}, {100_000, 1, 50, 2, 0}, {1_000_000, 1, 50, 2, 0}, // decided by zones.
		{100_000, 1, 1, 3, 50}, {100_000, 1, 50, 2, 1}, {100_000, 1, 10, 3, 0}, {20_000, 1, 10, 3, 50}, // searched.
	} {
		b.Run(l.String(), func(b *testing.B) {
			h := l.history()
			b.ReportAllocs()
			for b.Loop() {
				if res := Check(h, Options{}); res.Verdict != Linearizable {
					b.Fatal(res.Summary())
				}
			}
		})
	}
}

// The benchmark's histories are judged under go test, too, small. None takes much work.
func TestBenchmarkHistories(t *testing.T) {
	for _, l := range []load{{500, 5, 6, 3, 0}, {4000, 1, 50, 2, 0}, {4000, 1, 50, 2, 1}, {4000, 1, 10, 3, 0},
		{4000, 1, 10, 3, 50}} {
		if res := Check(l.history(), Options{Work: 200_000}); res.Verdict != Linearizable {
			t.Fatal(l, res.Summary())
		}
	}
}
