package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeapComesOutInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var h eventHeap
		var want []event
		seq := uint64(0)
		now := time.Duration(0)
		for range 300 {
			if h.len() > 0 && rng.IntN(3) == 0 {
				slices.SortFunc(want, func(a, b event) int {
					if a.before(&b) {
						return -1
					}
					return 1
				})
				got := h.pop()
				require.Equal(t, want[0], got, "round %d", round)
				want = want[1:]
				now = got.at
				continue
			}
			seq++
			e := event{at: now + time.Duration(rng.IntN(10)), seq: seq, slot: int32(seq)} // many of one moment.
			h.push(e)
			want = append(want, e)
		}
	}
}

func TestPoolUsesSlotsAgain(t *testing.T) {
	var p pool[string]
	a, b := p.put("a"), p.put("b")
	require.Equal(t, "a", p.take(a))
	require.Equal(t, a, p.put("c"))
	require.Equal(t, "b", *p.at(b))
	require.Equal(t, 2, p.used())
}

// Every byte and its place count.
func TestTraceTellsApart(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, fill func(*trace)) {
		tr := newTrace(1)
		fill(&tr)
		require.Empty(t, seen[tr.String()], what)
		seen[tr.String()] = what
	}
	add("nothing", func(*trace) {})
	add("zero", func(t *trace) { t.word(0) })
	add("one", func(t *trace) { t.word(1) })
	add("one, zero", func(t *trace) { t.word(1); t.word(0) })
	add("zero, one", func(t *trace) { t.word(0); t.word(1) })
	base := []byte("a text of more than two words")
	add("text", func(t *trace) { t.bytes(base) })
	for i := range base {
		for bit := range 8 {
			b := slices.Clone(base)
			b[i] ^= 1 << bit
			add(string(b), func(t *trace) { t.bytes(b) })
		}
	}
	a, b := newTrace(1), newTrace(1)
	a.bytes(base)
	b.text(string(base))
	require.Equal(t, a, b)
	require.NotEqual(t, newTrace(1).String(), newTrace(2).String())
}
