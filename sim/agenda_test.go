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
		var h agenda
		var want []entry
		seq := uint64(0)
		now := time.Duration(0)
		for range 300 {
			if h.len() > 0 && rng.IntN(3) == 0 {
				slices.SortFunc(want, func(a, b entry) int {
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
			e := entry{at: now + time.Duration(rng.IntN(10)), seq: seq, slot: int32(seq)} // many of one moment.
			h.push(e)
			want = append(want, e)
		}
	}
}

// Every byte and its place count.
func TestTraceTellsApart(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, fill func(*Hash)) {
		tr := newHash(1)
		fill(&tr)
		require.Empty(t, seen[tr.String()], what)
		seen[tr.String()] = what
	}
	add("nothing", func(*Hash) {})
	add("zero", func(t *Hash) { t.Word(0) })
	add("one", func(t *Hash) { t.Word(1) })
	add("one, zero", func(t *Hash) { t.Word(1); t.Word(0) })
	add("zero, one", func(t *Hash) { t.Word(0); t.Word(1) })
	base := []byte("a text of more than two words")
	add("text", func(t *Hash) { t.Bytes(base) })
	for i := range base {
		for bit := range 8 {
			b := slices.Clone(base)
			b[i] ^= 1 << bit
			add(string(b), func(t *Hash) { t.Bytes(b) })
		}
	}
	a, b := newHash(1), newHash(1)
	a.Bytes(base)
	b.Text(string(base))
	require.Equal(t, a, b)
	require.NotEqual(t, newHash(1).String(), newHash(2).String())
}

func BenchmarkHeap(b *testing.B) {
	var h agenda
	for i := range 1000 {
		h.push(entry{at: time.Duration(i * 7919 % 1000), seq: uint64(i)})
	}
	seq := uint64(1000)
	b.ReportAllocs()
	for b.Loop() {
		e := h.pop()
		seq++
		e.at, e.seq = e.at+time.Duration(seq*7919%1000), seq
		h.push(e)
	}
}
