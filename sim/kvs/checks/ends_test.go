package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

func TestEndsFires(t *testing.T) {
	electorate := slot.NewElectorate([]node.ID{1, 2, 3})
	replicas := []world.Replica{{}, {Replica: &sim.Replica{Number: 1}, ID: 1, Electorate: electorate},
		{Replica: &sim.Replica{Number: 2}, ID: 2, Electorate: electorate}, {Replica: &sim.Replica{Number: 3}, ID: 3,
			Electorate: electorate}}
	value := slot.Of(&node.Record{TS: 5, UUID: node.UUID{1}, Origin: 1, Value: []byte("x")})
	tombstone := slot.Of(&node.Record{TS: 7, UUID: node.UUID{2}, Origin: 1, Tombstone: true})

	c := newEndCheck(bare(t))
	on := &c.w.Disks
	erased := func(n int, path string) []sim.Violation {
		out := c.erased(&replicas[n], replicas, path)
		on.Erased(n, path)
		return out
	}
	requireBroken(t, erased(1, "p"), promiseEnds, "does not hold")
	on.Stored(1, "p", &value)
	requireBroken(t, erased(1, "p"), promiseEnds, "no tombstone")
	on.Stored(1, "q", &node.Slot{Consensus: &node.Consensus{Promised: node.Ballot{Epoch: 1, TS: 3, Member: 2}}})
	require.Empty(t, erased(1, "q"), "a mere promise is its own business")
	requireBroken(t, erased(1, "q"), promiseEnds, "does not hold")
	on.Stored(1, "p", &tombstone)
	on.Stored(2, "p", &tombstone)
	on.Stored(3, "p", &value)
	requireBroken(t, erased(1, "p"), promiseEnds, "n3 has not had")
	on.Stored(1, "p", &tombstone)
	on.Stored(3, "p", &tombstone)
	require.Empty(t, erased(1, "p"))
	require.Empty(t, erased(3, "p"), "n1 has had it")
	require.True(t, on.HasEnded(3, "p", 7))
	require.False(t, on.HasEnded(3, "p", 8))
	require.False(t, on.HasEnded(2, "p", 7))
	on.Wiped(3)
	requireBroken(t, erased(2, "p"), promiseEnds, "n3 has not had")

	// One that joined after all had it need not have had it, but may hold nothing older.
	joined := slot.NewElectorate([]node.ID{1, 2, 4})
	replicas[2].Electorate, replicas[3].ID = joined, 4
	on.Stored(2, "p", &tombstone)
	require.Empty(t, erased(2, "p"))
	on.Stored(2, "p", &tombstone)
	on.Stored(3, "p", &value)
	requireBroken(t, erased(2, "p"), promiseEnds, "n3 has not had")
	later := slot.Of(&node.Record{TS: 9, UUID: node.UUID{3}, Origin: 1, Tombstone: true})
	on.Stored(2, "p", &later)
	on.Wiped(3)
	requireBroken(t, erased(2, "p"), promiseEnds, "n3 has not had") // it was a member by then.
	last := slot.Of(&node.Record{TS: 11, UUID: node.UUID{4}, Origin: 1, Tombstone: true})
	on.Stored(1, "p", &last)
	on.Stored(2, "p", &last)
	c.decided(2, "p", electorate.Members())
	require.Empty(t, erased(2, "p"), "n3 was met while the decision was on its way to the disk")
}

func TestTombstonesEndFires(t *testing.T) {
	tombstone := node.Record{TS: 7, UUID: node.UUID{2}, Tombstone: true}
	e := &world.Evidence{Nodes: []world.NodeEvidence{{Number: 1},
		{Number: 2, Noted: 1, Records: []world.PathRecord{{Path: "p", Record: tombstone}}}}}
	requireBroken(t, checkTombstonesEnd(e), scenarios.TombstonesEnd.String(), "n2 lists 1 paths")
	requireBroken(t, checkTombstonesEnd(e), scenarios.TombstonesEnd.String(), "still holds")
	require.Len(t, checkTombstonesEnd(e), 2)
	e.Nodes[0].Promises = 3
	requireBroken(t, checkTombstonesEnd(e), scenarios.TombstonesEnd.String(),
		"n1 holds 3 paths with nothing but a promise")
}

// A tombstone that one member alone drops, and a value that comes back to where one was, are found by the whole of Run.
// It is dropped as well when a mark that the member is blind takes its place.
func TestTooEarlyEndIsFound(t *testing.T) {
	blind := &node.Slot{Consensus: &node.Consensus{Blind: true, Promised: node.Ballot{Epoch: 1, TS: 3, Member: 2}}}
	for _, left := range []*node.Slot{nil, blind} {
		for _, del := range []bool{true, false} {
			got := sabotage(t, "quiet", " recovery ", func(w *judged) {
				top := someWrite(w, del)
				changes := []node.Change{{Key: schema.PrefixRecord + top.Path}}
				if left != nil {
					changes[0].Value = slot.Encode(top.Path, left)
				}
				require.NoError(t, w.Replicas[1].Store().Apply(changes))
				for n := 2; n <= w.Nodes(); n++ {
					delete(w.Disks.Held[n], top.Path)
				}
				w.Durable(w.Replicas[1].Replica, &node.Persist{ID: 1, Changes: changes})
			})
			what := "has not had"
			if !del {
				what = "which is no tombstone"
			}
			requireBroken(t, got, promiseEnds, what)
		}
	}
}

// What a replica has shown may only vanish behind a tombstone that it dropped by the rule.
func TestVanishedValueIsFound(t *testing.T) {
	w, _ := lived(t)
	c := newSessionCheck(w.World)
	c.shown[1]["p"] = shownHighest{Version: node.Version{TS: 9}}
	w.Disks.Ended[1]["p"] = slot.Of(&node.Record{TS: 8, UUID: node.UUID{1}, Tombstone: true})
	c.shows(1, "p", node.Version{})
	requireBroken(t, w.Violations(), promiseSession, "after")
	w.TakeViolations()
	w.Disks.Ended[1]["p"] = slot.Of(&node.Record{TS: 9, UUID: node.UUID{1}, Tombstone: true})
	c.shows(1, "p", node.Version{})
	require.Empty(t, w.Violations())
	c.shows(1, "p", node.Version{TS: 5})
	requireBroken(t, w.Violations(), promiseSession, "after")
}
