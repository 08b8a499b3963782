package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeyedWritesStayWithinTheBound(t *testing.T) {
	var k Keyed
	require.True(t, k.MayBegin("a", 0))
	k.Begin("a", 3, 10*time.Second, true) // nobody has to wait for it.
	k.Begin("a", 1, 10*time.Second, false)
	for i := range keyedWritesMax {
		require.True(t, k.MayBegin("a", time.Second))
		k.Begin("a", 2, 2*time.Second, i%2 == 0)
	}
	require.False(t, k.MayBegin("a", time.Second), "client 1 may try again")
	require.True(t, k.MayBegin("b", time.Second))
	require.False(t, k.MayBegin("a", 3*time.Second), "those of client 2 are over, that of client 1 is not")
	k.Tried(1, 20*time.Second)
	require.False(t, k.MayBegin("a", 11*time.Second))
	require.True(t, k.MayBegin("a", 21*time.Second))
}
