package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPoolUsesSlotsAgain(t *testing.T) {
	var p Pool[string]
	a, b := p.Put("a"), p.Put("b")
	require.Equal(t, "a", p.Take(a))
	require.Equal(t, a, p.Put("c"))
	require.Equal(t, "b", *p.At(b))
	require.Equal(t, 2, p.Used())
}

func TestSlabsShareMemoryAndNothingElse(t *testing.T) {
	var s Slab[int]
	a, b := s.New(), s.New()
	*a, *b = 1, 2
	require.Equal(t, []int{1, 2}, []int{*a, *b})
	list := append(s.Take(2), 3, 4)
	next := s.New()
	list = append(list, 5) // there is no room for it: it moves.
	require.Equal(t, 0, *next)
	require.Equal(t, []int{3, 4, 5}, list)
	require.Equal(t, 1000, cap(s.Take(1000)))
	seen := map[*int]bool{}
	for range 10 * piece {
		seen[s.New()] = true
	}
	require.Len(t, seen, 10*piece)

	var text Text
	from := []byte("abc")
	c, d := text.Copy(from), text.Copy([]byte("def"))
	from[0] = 'x'
	require.Equal(t, "abcg def", string(append(c, 'g'))+" "+string(d))
	require.Len(t, text.Copy(make([]byte, textPiece)), textPiece)
	require.Empty(t, text.Copy(nil))
}

func TestQueueKeepsTheOrder(t *testing.T) {
	var q Queue[int]
	in, out := 0, 0
	for _, n := range []int{1, 5, 3, 40, 2, 100, 7} {
		for range n {
			q.Push(in)
			require.Equal(t, in, *q.Last())
			in++
		}
		for q.Len() > n/2 {
			require.Equal(t, out, *q.First())
			require.Equal(t, out, q.Pop())
			out++
		}
	}
	require.Equal(t, in-out, q.Len())
	require.Less(t, cap(q.items), 2*120)
}
