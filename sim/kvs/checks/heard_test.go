package checks

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// speaker seals messages in the name of a member.
func speaker(id node.ID) *step.Shared {
	s := &step.Shared{}
	s.Self, s.Cluster, s.Boots = id, wire.ClusterHash(world.ClusterName), 1
	return s
}

// pingOf is a ping with one rumour, in the encoding of node/swim.
func pingOf(by node.ID, m *swim.Member) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{1, 1}, uint64(by))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.ID))
	b = append(binary.AppendUvarint(b, 1), 1)
	b = append(binary.LittleEndian.AppendUint64(b, uint64(m.ID)), byte(m.State))
	b = binary.AppendUvarint(binary.AppendUvarint(b, m.Born), m.Incarnation)
	b = append(binary.AppendUvarint(b, uint64(len(m.Name))), m.Name...)
	return append(binary.AppendUvarint(b, uint64(len(m.Addr))), m.Addr...)
}

// A death that a member has heard of and not taken in, and one that it has forgotten.
func TestDeathsFire(t *testing.T) {
	w, _ := lived(t)
	c, viewer := newDeathCheck(w.World), &w.Replicas[1]
	by := w.Replicas[2].ID
	hear := func(change func(m *swim.Member)) []sim.Violation {
		w.TakeViolations()
		m := viewer.Node.Status().Members[0]
		for _, other := range viewer.Node.Status().Members {
			if other.ID == w.Replicas[3].ID {
				m = other
			}
		}
		m.State = swim.Dead
		change(&m)
		data := speaker(by).Frame(wire.KindGossip, &wire.Gossip{Swim: pingOf(by, &m)})
		c.heard(viewer, &sim.Input{Kind: sim.InputDatagram, Data: data})
		return w.Violations()
	}
	requireBroken(t, hear(func(*swim.Member) {}), promiseHeard, "holds it for alive")
	requireBroken(t, hear(func(m *swim.Member) { m.Incarnation++ }), promiseHeard, "is dead at incarnation")
	require.Empty(t, hear(func(m *swim.Member) { m.State = swim.Suspect }))
	require.Empty(t, hear(func(m *swim.Member) { m.Incarnation-- }), "it has refuted that")
	require.Empty(t, hear(func(m *swim.Member) { m.Incarnation += 1 << 40 }), "another run: it asks first")
	require.Empty(t, hear(func(m *swim.Member) { m.Addr = "elsewhere:1" }), "another address: it asks first")
	require.Empty(t, hear(func(m *swim.Member) { m.ID = viewer.ID }), "it knows better")

	c.members[1] = map[node.ID]uint64{7: 5}
	c.look(viewer, []swim.Member{{ID: 7, Incarnation: 6}, {ID: 8}})
	require.Empty(t, w.Violations())
	c.look(viewer, []swim.Member{{ID: 7, Incarnation: 5}})
	requireBroken(t, w.Violations(), promiseHeard, "it was dead at 5")
}

// Two candidates of which the stored slot forgets who has voted for them.
func TestForgottenVotesAreFound(t *testing.T) {
	w := bare(t)
	c, r := newVoteCheck(w), &w.Replicas[1]
	r.ID = 1
	mine := node.Record{TS: 7, UUID: node.UUID{1}, Origin: 1}
	w.Disks.Stored(1, "a", &node.Slot{TS: 7, Candidates: []node.Candidate{mine.AsCandidate()}})
	store := func(kind wire.Kind, votes ...node.Vote) []sim.Violation {
		w.TakeViolations()
		s := node.Slot{TS: 7, Candidates: []node.Candidate{{UUID: node.UUID{1}, Origin: 1},
			{UUID: node.UUID{2}, Origin: 3}}, Votes: votes}
		change := node.Change{Key: schema.PrefixRecord + "a", Value: slot.Encode("a", &s)}
		frame := speaker(2).Frame(kind, &wire.Replicate{})
		c.Observe(&sim.Event{Kind: sim.EventStepped, Replica: r.Replica,
			Input:   &sim.Input{Kind: sim.InputFrame, Data: frame},
			Effects: &sim.Effects{Persist: sim.Persist{Changes: []sim.Change{change}}}})
		return w.Violations()
	}
	vote := func(member, u byte) node.Vote { return node.Vote{Member: node.ID(member), UUID: node.UUID{u}} }
	all := []node.Vote{vote(1, 1), vote(2, 2), vote(3, 2)}
	require.Empty(t, store(wire.KindReplicate, all...))
	requireBroken(t, store(wire.KindReplicate, all[0], all[2]), promiseHeard, "has been told by")
	requireBroken(t, store(wire.KindReplicate, all[:2]...), promiseHeard, "without that member's vote")
	require.Empty(t, store(wire.KindReplicateAck, all[0], all[2]), "that brings nothing")

	known := node.Slot{TS: 7, Candidates: []node.Candidate{{UUID: node.UUID{1}}, {UUID: node.UUID{2}}}}
	w.Disks.Stored(1, "a", &known)
	require.Empty(t, store(wire.KindReplicate, all[0], all[2]), "it knew of the conflict")
}
