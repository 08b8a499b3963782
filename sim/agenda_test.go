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
			if rng.IntN(3) == 0 {
				e.kind = entryGiveUp
				if rng.IntN(8) > 0 { // as most are: equally far ahead.
					e.at = now + 10
				}
			}
			h.push(e)
			want = append(want, e)
		}
	}
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
