package node

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An acknowledged write that lost to the conflict rule can be fetched, also after a later write and after a restart.
func TestLosersAreKept(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.run(2*time.Second, nil)
	collide(b, "a", 0, 1)
	b.cut = nil
	b.run(time.Minute, b.same)
	s := b.slot(0, "a")
	require.True(t, s.Conflict())
	b.do(0, OpPut, "a", "a later write ends it")
	b.run(time.Minute, func() bool { return b.same() && b.shows(1, "a") == "a later write ends it" })
	for range 2 {
		for i, m := range b.machine {
			for _, c := range s.Candidates {
				r, found, err := NewView(m.store, m.electorate).Candidate("a", c.UUID)
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, s.TS, r.TS)
				require.Equal(t, c.Value, r.Value)
			}
			list := m.node.Conflicts("", 10)
			require.Len(t, list, 1)
			require.Equal(t, "a", list[0].Path)
			require.Equal(t, []int{5, 5}, list[0].Bytes)
			require.Equal(t, s.Votes, list[0].Slot.Votes)
			require.Equal(t, RuleOldest, list[0].Decision.Rule)
			require.True(t, list[0].Decision.Final)
			b.crash(i)
			b.start(i)
		}
		b.run(10*time.Second, nil)
	}
	_, found, err := NewView(b.machine[0].store, b.machine[0].electorate).Candidate("a", UUID{1})
	require.NoError(t, err)
	require.False(t, found)
}

// hermit is a node alone with a store, stepped by hand.
type hermit struct {
	t     *testing.T
	store *mapStore
	node  *Node
	time  Time
	runs  int
}

func (h *hermit) start() {
	h.runs++
	var eff Effects
	n, err := New(h.time, Options{Name: "n", Addr: "n", Cluster: "test", Store: h.store, Rand: rand.New(rand.NewPCG(7, uint64(h.runs))), LogLevel: LogError}, &eff)
	require.NoError(h.t, err)
	h.node = n
	h.carryOut(&eff)
}

func (h *hermit) carryOut(eff *Effects) {
	for eff.Persist.ID != 0 {
		require.NoError(h.t, h.store.Apply(eff.Persist.Ops))
		id := eff.Persist.ID
		eff.Reset()
		h.node.Step(h.time, &Persisted{UpTo: id}, eff)
	}
}

// conflict makes the node take note of a conflict.
func (h *hermit) conflict(path string, ts Timestamp, bytes int) {
	var eff Effects
	h.node.now, h.node.eff = h.time, &eff
	h.node.conflictChanged(path, conflicting(ts, bytes))
	h.node.finish()
	h.carryOut(&eff)
}

func (h *hermit) pass(mono, wall time.Duration) {
	h.time.Mono += mono
	h.time.Wall += wall.Milliseconds()
	var eff Effects
	h.node.Step(h.time, Tick{}, &eff)
	h.carryOut(&eff)
}

func (h *hermit) kept() (n int) {
	require.NoError(h.t, h.store.Scan(prefixConflict, "", func(key string, _ []byte) bool {
		if key != keyConflictClock {
			n++
		}
		return true
	}))
	require.Len(h.t, h.node.conflicts.entries, n)
	return n
}

// conflicting is a slot of two candidates of so many bytes.
func conflicting(ts Timestamp, bytes int) *Slot {
	return &Slot{TS: ts, Candidates: []Candidate{
		{UUID: UUID{1}, Origin: 1, ContentType: "a/b", Value: make([]byte, bytes)}, {UUID: UUID{2}, Origin: 2, Tombstone: true},
	}, Votes: []Vote{{1, UUID{1}}, {2, UUID{2}}}}
}

// Entries go when the node has been running for a day since, whatever the wall clock says; not while it is down, and not
// before.
func TestLosersExpire(t *testing.T) {
	h := &hermit{t: t, store: newMapStore(), time: Time{Wall: 1_700_000_000_000, Mono: time.Hour}}
	h.start()
	h.conflict("old", 1, 10)
	h.pass(time.Hour, 1000*time.Hour)
	require.Equal(t, 1, h.kept())
	h.pass(time.Hour, -5000*time.Hour)
	h.conflict("new", 1, 10)
	h.pass(13*time.Hour, 0)
	h.time.Mono = time.Minute // the machine starts anew.
	h.start()
	require.Equal(t, 2, h.kept())
	h.pass(9*time.Hour-time.Second, 0)
	require.Equal(t, 2, h.kept(), "23:59:59")
	h.pass(time.Second, 0)
	require.Equal(t, 1, h.kept())
	require.Equal(t, "new", h.node.Conflicts("", 5)[0].Path)
	require.EqualValues(t, 1, h.node.counters.ConflictsExpired)
	require.Greater(t, h.node.conflictsDue(), h.node.now.Mono)
	require.LessOrEqual(t, h.node.conflictsDue(), h.node.now.Mono+conflictClockInterval, "the clock is kept on disk")
	h.pass(2*time.Hour, 0)
	require.Zero(t, h.kept())
	require.Zero(t, h.node.conflictsDue())
}

func TestLosersAreBounded(t *testing.T) {
	h := &hermit{t: t, store: newMapStore(), time: Time{Wall: 1_700_000_000_000, Mono: time.Hour}}
	h.start()
	for i := range ConflictsKeptMax + 5 {
		h.conflict(fmt.Sprintf("p/%d", i), 1, 1)
	}
	require.Equal(t, ConflictsKeptMax, h.kept())
	require.EqualValues(t, 5, h.node.counters.ConflictsDropped)
	require.Empty(t, h.node.Conflicts("p/4", 1)[0].Slot.Candidates[0].Value, "the index holds no values")
	require.Len(t, h.node.Conflicts("p/1", 3), 3)
	for i := range 80 {
		h.conflict(fmt.Sprintf("large/%d", i), 1, 1<<20)
		h.conflict(fmt.Sprintf("large/%d", i), 1, 1<<20) // more became known of it: it counts once.
	}
	require.LessOrEqual(t, h.node.conflicts.bytes, conflictBytesMax)
	require.Equal(t, 63, h.kept())
	h.start()
	require.Equal(t, 63, h.kept())
	require.Equal(t, "large/79", h.node.Conflicts("", 1)[0].Path)
}

func TestRottenLosersAreDropped(t *testing.T) {
	h := &hermit{t: t, store: newMapStore(), time: Time{Wall: 1_700_000_000_000, Mono: time.Hour}}
	h.start()
	h.conflict("a", 1, 10)
	h.conflict("b", 1, 10)
	key := conflictKey("a", 1)
	rotten := slices.Clone(h.store.m[key])
	rotten[20] ^= 1
	require.NoError(t, h.store.Apply([]Op{{Key: key, Value: rotten}}))
	_, _, err := NewView(h.store, h.node.electorate).Candidate("a", UUID{1})
	require.ErrorIs(t, err, ErrCorrupt)
	h.start()
	require.Equal(t, 1, h.kept())
	require.Equal(t, "b", h.node.Conflicts("", 5)[0].Path)
}

// The stored form is what it was: see testdata.
func TestConflictGolden(t *testing.T) {
	key := conflictKey("some/path", 0x0102030405060708)
	s := conflicting(0x0102030405060708, 3)
	value := encodeConflict(key, 77, 1_700_000_000_000, EncodeSlot("some/path", s))
	golden(t, "conflict-v1.hex", []byte(hex.EncodeToString([]byte(key))+"\n"+hex.EncodeToString(value)+"\n"))
	path, slot, age, seen, err := decodeConflict(key, value)
	require.NoError(t, err)
	require.Equal(t, "some/path", path)
	require.Equal(t, uint64(77), age)
	require.EqualValues(t, 1_700_000_000_000, seen)
	require.Equal(t, s.Votes, slot.Votes)
}

func FuzzDecodeConflict(f *testing.F) {
	key := conflictKey("p", 9)
	f.Add(key, encodeConflict(key, 1, 2, EncodeSlot("p", conflicting(9, 2))))
	f.Add(prefixConflict, []byte{conflictFormat})
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		path, slot, age, seen, err := decodeConflict(key, b)
		if err == nil {
			require.Equal(t, b, encodeConflict(key, age, seen, EncodeSlot(path, &slot)))
			require.Equal(t, key, conflictKey(path, slot.TS))
		}
	})
}
