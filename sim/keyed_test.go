package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeyedWritesStayWithinTheBound(t *testing.T) {
	var k keyedWrites
	require.True(t, k.mayBegin("a", 0))
	k.begin("a", 3, 10*time.Second, true) // nobody has to wait for it.
	k.begin("a", 1, 10*time.Second, false)
	for i := range keyedWritesMax {
		require.True(t, k.mayBegin("a", time.Second))
		k.begin("a", 2, 2*time.Second, i%2 == 0)
	}
	require.False(t, k.mayBegin("a", time.Second), "client 1 may try again")
	require.True(t, k.mayBegin("b", time.Second))
	require.False(t, k.mayBegin("a", 3*time.Second), "those of client 2 are over, that of client 1 is not")
	k.tried(1, 20*time.Second)
	require.False(t, k.mayBegin("a", 11*time.Second))
	require.True(t, k.mayBegin("a", 21*time.Second))
}
