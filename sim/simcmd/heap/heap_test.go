package heap

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

var kept []byte // what is stored here is allocated on the heap.

func TestCollectsAfterEnoughWasAllocated(t *testing.T) {
	var before, after debug.GCStats
	c := NewCollector()
	require.False(t, c.RunOver(), "nothing was allocated")
	for range 3 {
		debug.ReadGCStats(&before)
		for range 2 * collectAfter >> 16 {
			kept = make([]byte, 1<<16)
		}
		require.True(t, c.RunOver())
		debug.ReadGCStats(&after)
		require.Greater(t, after.NumGC, before.NumGC)
		require.False(t, c.RunOver(), "nothing was allocated since")
	}
}
