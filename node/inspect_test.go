package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
)

// Each operation under way is listed once, also one that waits for another of its path, in the order in which they
// began.
func TestOpenOperations(t *testing.T) {
	b := founded(t, 3)
	b.cut = func(from, to string) bool { return true }
	ids := []uint64{
		b.linear(0, contract.OpPut, "a", "one", always),
		b.linear(0, contract.OpPut, "a", "two", always),
		b.quorum(0, contract.OpPut, "a", "three"),
	}
	b.run(10*time.Millisecond, nil)
	open := b.machine[0].node.OpenOperations()
	require.Len(t, open, len(ids))
	for i, o := range open {
		require.Equal(t, ids[i], o.Request)
		require.Equal(t, "a", o.Path)
	}
	require.Equal(t, "promises", open[0].Waits)
	require.Len(t, open[0].Members, 2)
	require.Equal(t, "another operation of this member on the path", open[1].Waits)
	require.Equal(t, contract.Quorum, open[2].Level)
	require.Len(t, open[2].Members, 2)
}
