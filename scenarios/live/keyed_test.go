package live

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeysAreNotForgotten(t *testing.T) {
	var k keyedWrites
	now := time.UnixMilli(0)
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	require.True(t, k.begin("a", 1, at(0), at(100), false))
	for range keyedWritesMax {
		require.True(t, k.begin("a", 2, at(10), at(20), false))
	}
	require.False(t, k.begin("a", 2, at(30), at(40), false), "the first may still be tried")
	require.True(t, k.begin("b", 2, at(30), at(40), false), "another path")
	require.True(t, k.begin("a", 2, at(30), at(40), true), "one that is told")
	k.tried(1, at(200))
	require.False(t, k.begin("a", 2, at(150), at(160), false))
	require.True(t, k.begin("a", 2, at(201), at(210), false))
}
