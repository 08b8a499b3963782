package transport

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func queued(l Lane, b byte, n int) waiting {
	return waiting{frame: bytes.Repeat([]byte{b}, n), lane: l, since: time.Now()}
}

func TestQueuesDropTheOldestOfTheLeastUrgent(t *testing.T) {
	q := queues{bytesMax: 45, framesMax: 100}
	dropped := 0
	for i := range byte(10) {
		dropped += q.push(queued(Prompt, i, 10))
	}
	require.Equal(t, 6, dropped)
	require.Equal(t, 4, q.len())
	require.Equal(t, 40, q.bytes())
	require.EqualValues(t, 6, q.lane[Prompt].pop().frame[0])
	q.bytesMax, q.framesMax = 1000, 3
	require.Equal(t, 1, q.push(queued(Bulk, 20, 10)), "bounded in frames as well: itself is the least urgent")
	require.Zero(t, q.lane[Bulk].len())

	q.framesMax = 5
	require.Zero(t, q.push(queued(Bulk, 21, 10)))
	require.Zero(t, q.push(queued(Records, 22, 10)))
	require.Equal(t, 1, q.push(queued(Prompt, 10, 10)))
	require.Zero(t, q.lane[Bulk].len(), "bulk gives way to records")
	require.Equal(t, 1, q.push(queued(Prompt, 11, 10)))
	require.Zero(t, q.lane[Records].len(), "and they to what is prompt")
	require.EqualValues(t, 7, q.lane[Prompt].first().frame[0])
}

func TestWhatWasTakenGoesBackInFront(t *testing.T) {
	q := queues{bytesMax: 1000, framesMax: 100}
	for i := range byte(3) {
		q.push(queued(Prompt, i, 10))
		q.push(queued(Bulk, 10+i, 10))
	}
	taken := []waiting{q.lane[Prompt].pop(), q.lane[Prompt].pop(), q.lane[Bulk].pop()}
	q.push(queued(Prompt, 3, 10))
	q.bytesMax = 60
	require.Equal(t, 1, q.unpop(taken))
	for i := range byte(4) {
		require.Equal(t, i, q.lane[Prompt].pop().frame[0])
	}
	require.EqualValues(t, 11, q.lane[Bulk].pop().frame[0], "the oldest of the least urgent had to go")
	require.EqualValues(t, 12, q.lane[Bulk].pop().frame[0])
	require.Zero(t, q.len())
	require.Zero(t, q.bytes())
}

func TestFramesThatWaitedTooLongAreDropped(t *testing.T) {
	q := queues{bytesMax: 1000, framesMax: 100}
	now := time.Now()
	for i := range 5 {
		q.push(waiting{frame: []byte{byte(i)}, since: now.Add(time.Duration(i) * time.Second)})
	}
	require.Equal(t, 2, q.dropOlder(Prompt, now.Add(2*time.Second)))
	require.EqualValues(t, 2, q.lane[Prompt].first().frame[0])
	require.Zero(t, q.dropOlder(Bulk, now.Add(time.Hour)))
}
