package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
)

func TestEndsFires(t *testing.T) {
	electorate := node.NewElectorate([]node.ID{1, 2, 3})
	replicas := []replica{{}, {number: 1, id: 1, electorate: electorate}, {number: 2, id: 2, electorate: electorate}, {number: 3, id: 3, electorate: electorate}}
	value := node.SlotOf(&node.Record{TS: 5, UUID: node.UUID{1}, Origin: 1, Value: []byte("x")})
	tombstone := node.SlotOf(&node.Record{TS: 7, UUID: node.UUID{2}, Origin: 1, Tombstone: true})

	c := newEndCheck(3)
	requireBroken(t, c.erased(&replicas[1], replicas, "p"), promiseEnds, "does not hold")
	c.stored(1, "p", &value)
	requireBroken(t, c.erased(&replicas[1], replicas, "p"), promiseEnds, "no tombstone")
	c.stored(1, "q", &node.Slot{Consensus: &node.Consensus{Promised: node.Ballot{Epoch: 1, TS: 3, Member: 2}}})
	require.Empty(t, c.erased(&replicas[1], replicas, "q"), "a mere promise is its own business")
	requireBroken(t, c.erased(&replicas[1], replicas, "q"), promiseEnds, "does not hold")
	c.stored(1, "p", &tombstone)
	c.stored(2, "p", &tombstone)
	c.stored(3, "p", &value)
	requireBroken(t, c.erased(&replicas[1], replicas, "p"), promiseEnds, "n3 has not had")
	c.stored(1, "p", &tombstone)
	c.stored(3, "p", &tombstone)
	require.Empty(t, c.erased(&replicas[1], replicas, "p"))
	require.Empty(t, c.erased(&replicas[3], replicas, "p"), "n1 has had it")
	require.True(t, c.hasEnded(3, "p", 7))
	require.False(t, c.hasEnded(3, "p", 8))
	require.False(t, c.hasEnded(2, "p", 7))
	c.wiped(3)
	requireBroken(t, c.erased(&replicas[2], replicas, "p"), promiseEnds, "n3 has not had")

	// One that joined after all had it need not have had it, but may hold nothing older.
	joined := node.NewElectorate([]node.ID{1, 2, 4})
	replicas[2].electorate, replicas[3].id = joined, 4
	c.stored(2, "p", &tombstone)
	require.Empty(t, c.erased(&replicas[2], replicas, "p"))
	c.stored(2, "p", &tombstone)
	c.stored(3, "p", &value)
	requireBroken(t, c.erased(&replicas[2], replicas, "p"), promiseEnds, "n3 has not had")
	later := node.SlotOf(&node.Record{TS: 9, UUID: node.UUID{3}, Origin: 1, Tombstone: true})
	c.stored(2, "p", &later)
	c.wiped(3)
	requireBroken(t, c.erased(&replicas[2], replicas, "p"), promiseEnds, "n3 has not had") // it was a member by then.
	last := node.SlotOf(&node.Record{TS: 11, UUID: node.UUID{4}, Origin: 1, Tombstone: true})
	c.stored(1, "p", &last)
	c.stored(2, "p", &last)
	c.decided(2, "p", electorate.Members())
	require.Empty(t, c.erased(&replicas[2], replicas, "p"), "n3 was met while the decision was on its way to the disk")
}

func TestTombstonesEndFires(t *testing.T) {
	tombstone := node.Record{TS: 7, UUID: node.UUID{2}, Tombstone: true}
	e := &Evidence{Nodes: []NodeEvidence{{Number: 1}, {Number: 2, noted: 1, Records: []PathRecord{{Path: "p", Record: tombstone}}}}}
	requireBroken(t, checkTombstonesEnd(e), scenarios.TombstonesEnd.String(), "n2 lists 1 paths")
	requireBroken(t, checkTombstonesEnd(e), scenarios.TombstonesEnd.String(), "still holds")
	require.Len(t, checkTombstonesEnd(e), 2)
	e.Nodes[0].promises = 3
	requireBroken(t, checkTombstonesEnd(e), scenarios.TombstonesEnd.String(), "n1 holds 3 paths with nothing but a promise")
}

// A tombstone that one member alone drops, and a value that comes back to where one was, are found by the whole of Run.
func TestTooEarlyEndIsFound(t *testing.T) {
	got := sabotage(t, "quiet", " recovery ", func(w *world) {
		top := someWrite(w, true)
		op := []node.Op{{Key: recordPrefix + top.path}}
		require.NoError(t, w.replicas[1].disk.store.Apply(op))
		for n := 2; n <= w.nodes; n++ {
			delete(w.ends.held[n], top.path)
		}
		w.durable(&w.replicas[1], node.Persist{ID: 1, Ops: op})
	})
	requireBroken(t, got, promiseEnds, "has not had")
}

// What a replica has shown may only vanish behind a tombstone that it dropped by the rule.
func TestVanishedValueIsFound(t *testing.T) {
	w, _ := lived(t)
	r := &w.replicas[1]
	r.shown["p"] = node.Version{TS: 9}
	w.ends.ended[1]["p"] = node.SlotOf(&node.Record{TS: 8, UUID: node.UUID{1}, Tombstone: true})
	w.session(r, "p", node.Version{})
	requireBroken(t, w.violations, promiseSession, "after")
	w.violations = nil
	w.ends.ended[1]["p"] = node.SlotOf(&node.Record{TS: 9, UUID: node.UUID{1}, Tombstone: true})
	w.session(r, "p", node.Version{})
	require.Empty(t, w.violations)
	w.session(r, "p", node.Version{TS: 5})
	requireBroken(t, w.violations, promiseSession, "after")
}
