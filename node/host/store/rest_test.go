package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The flushing rests in proportion to its work, and not when writes would have to wait for it.
func TestTheFlushingRests(t *testing.T) {
	s := &Store{opts: Options{MemoryBytes: 100, JournalBytes: 200}, active: &memory{bytes: 49}}
	require.Equal(t, restTimes*time.Millisecond, s.restFor(time.Millisecond, 0))
	require.Equal(t, restMax, s.restFor(time.Hour, 0))
	require.Zero(t, s.restFor(time.Millisecond, 300), "the journal has half of the room left that it may take besides")
	s.active.bytes = 50
	require.Zero(t, s.restFor(time.Millisecond, 0), "the next table is half full")
}
