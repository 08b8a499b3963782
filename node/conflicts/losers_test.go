package conflicts

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
)

// mapStore is the least store that the machine can read.
type mapStore struct{ m map[string][]byte }

func (s *mapStore) Get(key string) ([]byte, bool, error) { v, ok := s.m[key]; return v, ok, nil }

func (s *mapStore) Scan(prefix, from string, fn func(string, []byte) bool) error {
	for _, k := range slices.Sorted(maps.Keys(s.m)) {
		if strings.HasPrefix(k, prefix) && k >= from && !fn(k, s.m[k]) {
			break
		}
	}
	return nil
}

// hermit is a machine alone with a store: what it changes is durable at once. It owns itself: members have no names.
type hermit struct {
	t       *testing.T
	store   *mapStore
	shared  *step.Shared
	machine *Machine
	time    contract.Time
}

func newHermit(t *testing.T) *hermit {
	h := &hermit{t: t, store: &mapStore{map[string][]byte{}},
		time: contract.Time{Wall: 1_700_000_000_000, Mono: time.Hour}}
	h.start()
	return h
}

func (h *hermit) MemberName(id slot.ID) string { return id.String() }

// start makes a machine that recovers from the store, as after a restart of the node.
func (h *hermit) start() {
	h.shared = &step.Shared{Self: 1, Store: h.store, Started: h.time.Mono, Now: h.time,
		Electorate: slot.NewElectorate([]slot.ID{1, 2})}
	h.machine = New(h.shared, h)
	h.step(func() { require.NoError(h.t, h.machine.Recover()) })
}

// step runs one step of the node, in which only this machine has something to do.
func (h *hermit) step(f func()) *contract.Effects {
	var eff contract.Effects
	h.shared.Now, h.shared.Eff = h.time, &eff
	f()
	for _, c := range h.shared.Changes {
		if c.Value == nil {
			delete(h.store.m, c.Key)
		} else {
			h.store.m[c.Key] = slices.Clone(c.Value)
		}
	}
	h.shared.Changes, h.shared.Eff = nil, nil
	return &eff
}

// conflict makes the machine take note of a conflict.
func (h *hermit) conflict(path string, ts slot.Timestamp, bytes int) {
	h.step(func() { h.machine.Changed(path, conflicting(ts, bytes)) })
}

func (h *hermit) pass(mono, wall time.Duration) {
	h.time.Mono += mono
	h.time.Wall += wall.Milliseconds()
	h.step(h.machine.Tick)
}

func (h *hermit) kept() (n int) {
	require.NoError(h.t, h.store.Scan(schema.PrefixConflict, "", func(key string, _ []byte) bool {
		if key != schema.KeyConflictClock {
			n++
		}
		return true
	}))
	require.Len(h.t, h.machine.entries, n)
	return n
}

// conflicting is a slot of two candidates of so many bytes.
func conflicting(ts slot.Timestamp, bytes int) *slot.Slot {
	return &slot.Slot{TS: ts, Candidates: []slot.Candidate{
		{UUID: slot.UUID{1}, Origin: 1, ContentType: "a/b", Value: make([]byte, bytes)},
		{UUID: slot.UUID{2}, Origin: 2, Tombstone: true},
	}, Votes: []slot.Vote{{Member: 1, UUID: slot.UUID{1}}, {Member: 2, UUID: slot.UUID{2}}}}
}

// Entries go when the node has been running for a day since, whatever the wall clock says; not while it is down, and
// not before.
func TestLosersExpire(t *testing.T) {
	h := newHermit(t)
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
	require.Equal(t, "new", h.machine.List("", 5)[0].Path)
	require.EqualValues(t, 1, h.machine.Counters.ConflictsExpired)
	require.Greater(t, h.machine.Due(), h.machine.Now.Mono)
	require.LessOrEqual(t, h.machine.Due(), h.machine.Now.Mono+clockInterval, "the clock is kept on disk")
	h.pass(2*time.Hour, 0)
	require.Zero(t, h.kept())
	require.Zero(t, h.machine.Due())
}

func TestLosersAreBounded(t *testing.T) {
	h := newHermit(t)
	for i := range KeptMax + 5 {
		h.conflict(fmt.Sprintf("p/%d", i), 1, 1)
	}
	require.Equal(t, KeptMax, h.kept())
	require.EqualValues(t, 5, h.machine.Counters.ConflictsDropped)
	require.Empty(t, h.machine.List("p/4", 1)[0].Slot.Candidates[0].Value, "the index holds no values")
	require.Len(t, h.machine.List("p/1", 3), 3)
	for i := range 80 {
		h.conflict(fmt.Sprintf("large/%d", i), 1, 1<<20)
		h.conflict(fmt.Sprintf("large/%d", i), 1, 1<<20) // more became known of it: it counts once.
	}
	require.LessOrEqual(t, h.machine.bytes, bytesMax)
	require.Equal(t, 63, h.kept())
	h.start()
	require.Equal(t, 63, h.kept())
	require.Equal(t, "large/79", h.machine.List("", 1)[0].Path)
}

func TestRottenLosersAreDropped(t *testing.T) {
	h := newHermit(t)
	h.conflict("a", 1, 10)
	h.conflict("b", 1, 10)
	key := keyOf("a", 1)
	rotten := slices.Clone(h.store.m[key])
	rotten[20] ^= 1
	h.store.m[key] = rotten
	_, _, err := Candidate(h.store, "a", slot.UUID{1})
	require.ErrorIs(t, err, codec.ErrCorrupt)
	h.start()
	require.Equal(t, 1, h.kept())
	require.Equal(t, "b", h.machine.List("", 5)[0].Path)
}

// The stored form is what it was: see testdata.
func TestConflictGolden(t *testing.T) {
	key := keyOf("some/path", 0x0102030405060708)
	s := conflicting(0x0102030405060708, 3)
	value := encode(key, 77, 1_700_000_000_000, slot.Encode("some/path", s))
	want, err := os.ReadFile("testdata/conflict-v1.hex")
	require.NoError(t, err)
	require.Equal(t, string(want), hex.EncodeToString([]byte(key))+"\n"+hex.EncodeToString(value)+"\n",
		"stores of former versions would not be understood")
	path, slot, age, seen, err := decode(key, value)
	require.NoError(t, err)
	require.Equal(t, "some/path", path)
	require.Equal(t, uint64(77), age)
	require.EqualValues(t, 1_700_000_000_000, seen)
	require.Equal(t, s.Votes, slot.Votes)
}

func FuzzDecodeConflict(f *testing.F) {
	key := keyOf("p", 9)
	f.Add(key, encode(key, 1, 2, slot.Encode("p", conflicting(9, 2))))
	f.Add(schema.PrefixConflict, []byte{format})
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		path, stored, age, seen, err := decode(key, b)
		if err == nil {
			require.Equal(t, b, encode(key, age, seen, slot.Encode(path, &stored)))
			require.Equal(t, key, keyOf(path, stored.TS))
		}
	})
}
