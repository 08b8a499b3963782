package node

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExpiryGolden(t *testing.T) {
	r := sampleRecord()
	e := expiryEntry{path: "a", version: r.Version(), since: 1000, life: 90_000}
	golden(t, "expiry-v1.hex", []byte(hex.EncodeToString(e.encode())+"\n"))
	got, ok := decodeExpiry("a", e.encode())
	require.True(t, ok)
	require.Equal(t, e, got)
	for i := range expiryBytes {
		_, ok := decodeExpiry("a", e.encode()[:i])
		require.False(t, ok)
	}
}

func (b *bench) putFor(i int, level Level, path, value string, ttl time.Duration) Response {
	b.t.Helper()
	b.nextReq++
	id := b.nextReq
	b.step(i, &Request{ID: id, Op: OpPut, Level: level, Path: path, Value: []byte(value), TTL: ttl})
	b.run(5*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

func (b *bench) showsAll(path, value string) bool {
	for i, m := range b.machine {
		if m.up && b.shows(i, path) != value {
			return false
		}
	}
	return true
}

// A value lives as long as it says and not much longer, on all members alike, whatever their wall clocks do meanwhile; then its
// space is given back.
func TestValuesExpire(t *testing.T) {
	for name, jump := range map[string]time.Duration{"clocks that are right": 0, "forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newBenchWith(t, 3, grace(time.Second))
			b.run(5*time.Second, func() bool { return b.members(3) && b.machine[2].node.config != nil })
			for _, level := range []Level{Eventual, Quorum, Linearizable} {
				begun := b.now
				put := b.putFor(0, level, "a", "one", 10*time.Second)
				require.Equal(t, CodeCreated, put.Code)
				require.Equal(t, put.Record.TS.Wall()+10_000, put.Record.Expires)
				b.run(2*time.Second, func() bool { return b.showsAll("a", "one") })
				for i := range b.machine {
					b.machine[i].wall += jump.Milliseconds()
				}
				b.do(1, OpPut, "other", "x") // carries the clocks around.
				b.run(10*time.Second-(b.now-begun)-time.Millisecond, nil)
				require.True(t, b.showsAll("a", "one"), "%s: not a moment too early", level)
				b.run(2*time.Second, func() bool { return b.showsAll("a", "") })
				b.run(30*time.Second, func() bool {
					return b.machine[0].keysWith(prefixRecord) == 1 && b.same() && b.machine[1].keysWith(prefixExpiry) == 0
				})
			}
		})
	}
}

func TestWrittenOverBeforeItsEnd(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.putFor(0, Eventual, "a", "short", 5*time.Second)
	b.run(2*time.Second, b.same)
	b.do(1, OpPut, "a", "long")
	b.run(30*time.Second, nil)
	require.True(t, b.showsAll("a", "long"))
	for i := range b.machine {
		require.Zero(t, b.machine[i].keysWith(prefixExpiry))
	}
}

// A write that meets the end of what it replaces wins, though nobody had heard of it: the end is just above its own value.
func TestNewValueWinsOverALateEnd(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.putFor(0, Eventual, "a", "old", 3*time.Second)
	b.run(2*time.Second, b.same)
	b.cut = func(from, to string) bool { return true }
	b.do(1, OpPut, "a", "new")
	b.run(10*time.Second, nil)
	require.Equal(t, "", b.shows(0, "a"))
	b.cut = nil
	b.run(time.Minute, func() bool { return b.showsAll("a", "new") })
}

// The others end what a dead member made, restarts of theirs notwithstanding.
func TestValuesOfTheDeadExpire(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.putFor(0, Eventual, "a", "one", 20*time.Second)
	b.run(2*time.Second, b.same)
	b.crash(0)
	begun := b.now
	b.run(12*time.Second, nil)
	b.crash(1)
	b.start(1)
	b.crash(2)
	b.start(2)
	b.run(6*time.Second, nil)
	require.True(t, b.showsAll("a", "one"))
	b.run(30*time.Second, func() bool { return b.showsAll("a", "") })
	require.Less(t, b.now-begun, 20*time.Second+expiryPatience+expiryClockInterval+2*expirySweep)
	b.start(0)
	b.run(time.Minute, b.same)
	require.True(t, b.showsAll("a", ""))
}
