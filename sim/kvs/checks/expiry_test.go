package checks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/hlc"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/world"
)

func TestExpiryFires(t *testing.T) {
	w, _ := lived(t)
	c := newExpiryCheck(w.World)
	path := "expiring"
	value := node.Record{TS: 9, UUID: node.UUID{1}, Origin: 1, Value: []byte("x")}
	end := slot.Of(&node.Record{TS: 10, UUID: endOf(node.UUID{1}), Origin: 1, Tombstone: true})
	require.True(t, world.IsEnding(&end, 0))
	i := w.Ledger.Begin(path, false, "x", value.Value, 1, 1)
	w.Ledger.Acknowledge(i, value.Version(), 1)
	c.ended(&w.Replicas[1], path, &end)
	requireBroken(t, w.Violations(), promiseExpiry, "lives for ever")
	require.False(t, w.Ledger.MayEnd(path, 9))

	w.TakeViolations()
	wr := &w.Ledger.Writes[i]
	wr.TTL, wr.Begun = 2*time.Second, w.Now()-time.Second
	c.ended(&w.Replicas[1], path, &end)
	requireBroken(t, w.Violations(), promiseExpiry, "of 2s")
	require.True(t, w.Ledger.MayEnd(path, 9))
	require.False(t, w.Ledger.MayEnd(path, 8))

	w.TakeViolations()
	wr.Begun = w.Now() - 2*time.Second
	c.ended(&w.Replicas[1], path, &end)
	require.Empty(t, w.Violations())
}

// An end beside a write, in its place, or above one that it does not end, is seen.
func TestHiddenWritesAreSeen(t *testing.T) {
	w, _ := lived(t)
	path := "expiring"
	end := node.Record{TS: 10, UUID: endOf(node.UUID{1}), Origin: 1, Tombstone: true}
	write := node.Record{TS: 10, UUID: node.UUID{2}, Origin: 1, Value: []byte("y")}
	ended, written := slot.Of(&end), slot.Of(&write)
	c, r := newExpiryCheck(w.World), &w.Replicas[1]
	hides := func(path string, s *node.Slot) {
		stored := world.StoredSlot{Path: path, Slot: *s}
		stored.Before, stored.Held = w.Disks.At(1, path)
		c.hidesWrite(r, &stored)
	}
	w.Disks.Stored(1, path, &ended)
	hides(path, &written)
	require.Empty(t, w.Violations())
	w.Disks.Stored(1, path, &written)
	hides(path, &ended)
	requireBroken(t, w.Violations(), promiseExpiry, "takes the place")
	w.TakeViolations()
	both := node.Slot{TS: 10, Candidates: []node.Candidate{written.Candidates[0], ended.Candidates[0]}}
	w.Disks.Stored(1, "another", &written)
	hides("yet another", &both)
	requireBroken(t, w.Violations(), promiseExpiry, "one of 2 candidates")

	e := &world.Evidence{Scenario: w.Scenario(), Ledger: &w.Ledger,
		Nodes: []world.NodeEvidence{{Number: 1, Records: []world.PathRecord{{Path: path, Record: end, Slot: both}}}}}
	require.Empty(t, checkHidden(e))
	w.Ledger.Acknowledge(w.Ledger.Begin(path, true, "", nil, 1, 1), end.Version(), 1)
	require.Empty(t, checkHidden(e), "a delete that found it")
	i := w.Ledger.Begin(path, false, "y", write.Value, 1, 1)
	w.Ledger.Acknowledge(i, write.Version(), 1)
	requireBroken(t, checkHidden(e), promiseExpiry, "hides version")
}

// A value that lives otherwise than its client asked for is seen.
func TestLivesAreCompared(t *testing.T) {
	w, _ := lived(t)
	value := node.Record{TS: hlc.Make(10, 0), UUID: node.UUID{1}, Origin: 1, Value: []byte("x")}
	e := &world.Evidence{Scenario: w.Scenario(), Ledger: &w.Ledger,
		Nodes: []world.NodeEvidence{{Number: 1, Records: []world.PathRecord{{Path: "expiring", Record: value}}}}}
	i := w.Ledger.Begin("expiring", false, "x", value.Value, 1, 1)
	require.Empty(t, checkLives(e))
	w.Ledger.Writes[i].TTL = 2*time.Second + time.Microsecond
	requireBroken(t, checkLives(e), promiseExpiry, "lives for 0s, and client 1 asked for 2s")
	e.Nodes[0].Records[0].Record.Expires = value.TS.Wall() + 2000
	require.Empty(t, checkLives(e))
	w.Ledger.Writes[i].TTL = 0
	requireBroken(t, checkLives(e), promiseExpiry, "lives for 2s, and client 1 asked for 0s")
}

// What linearizable operations write in the end of a value, or in place of nothing, is known; what none of them can
// have written is not.
func TestChosenTombstonesAreKnown(t *testing.T) {
	w, _ := lived(t)
	end := node.Record{TS: 20, UUID: node.UUID{2}, Origin: 1, Tombstone: true}
	r := world.PathRecord{Path: "deleted", Record: end, Slot: node.Slot{Consensus: &node.Consensus{Record: end}}}
	i := w.Ledger.Begin(r.Path, false, "x", []byte("x"), 1, 1)
	w.Ledger.Acknowledge(i, node.Version{TS: 10}, 1)
	require.False(t, deleteIsKnown(&w.Ledger, r))
	w.Ledger.Writes[i].TTL = time.Second
	require.True(t, deleteIsKnown(&w.Ledger, r))
	eventual := world.PathRecord{Path: r.Path, Record: end, Slot: slot.Of(&end)}
	require.False(t, deleteIsKnown(&w.Ledger, eventual), "its end has a UUID that says so")
	w.Ledger.Acknowledge(i, node.Version{TS: 30}, 1)
	require.False(t, deleteIsKnown(&w.Ledger, r), "it is older than the value")

	cas := w.Ledger.Begin(r.Path, false, "y", []byte("y"), 1, 1)
	w.Ledger.Writes[cas].Fate = ledger.Refused
	require.False(t, deleteIsKnown(&w.Ledger, r))
	w.Ledger.Writes[cas].WantsValue = true
	require.True(t, deleteIsKnown(&w.Ledger, r))
	require.False(t, deleteIsKnown(&w.Ledger, eventual))
}

// A value that nobody ends is what a run waits for in vain.
func TestUnendedValueIsFound(t *testing.T) {
	w, _ := lived(t)
	w.Own.Workload.TTLMax = time.Second
	require.Empty(t, w.Missing())
	require.NoError(t, w.Replicas[1].Store().Apply([]node.Change{{Key: schema.PrefixExpiry + "a", Value: []byte{1}}}))
	require.Contains(t, w.Missing(), "waits for the end")
}

// endOf is the UUID of the tombstone that ends a value: all bits turned, but for those that say what kind of UUID
// it is.
func endOf(u node.UUID) node.UUID {
	for i := range u {
		u[i] = ^u[i]
	}
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return u
}
