package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// encodeRecord is a stored slot with one candidate.
func encodeRecord(path string, r *node.Record) []byte {
	s := slot.Of(r)
	return slot.Encode(path, &s)
}

func TestConflictFires(t *testing.T) {
	a, b := node.UUID{1}, node.UUID{2}
	slot := node.Slot{TS: 9, Candidates: []node.Candidate{{UUID: a, Origin: 1}, {UUID: b, Origin: 2}}}
	members := []swim.Member{{ID: 1, Born: 7}, {ID: 2, Born: 6}, {ID: 3, Born: 5}, {ID: 4, Born: 10}}
	shown := func(winner node.UUID, votes ...node.Vote) []sim.Violation {
		s := slot
		s.Votes = votes
		e := evidenceOf(nil, world.PathRecord{Path: "p", Record: node.Record{TS: 9, UUID: winner}, Slot: s})
		e.Nodes[0].Members = members
		return checkConflicts(e)
	}
	require.Empty(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 2, UUID: b}),
		"no majority: the oldest origin")
	requireBroken(t, shown(a, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 2, UUID: b}), promiseConflict, "oldest")
	require.Empty(t, shown(a, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 3, UUID: a}), "two of three")
	requireBroken(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 3, UUID: a}), promiseConflict,
		"2 of 3 votes")
	require.Empty(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 4, UUID: a}),
		"who joined later does not count")

	members[3] = swim.Member{ID: 4, Born: 4, State: swim.Left, GoneAt: 100}
	requireBroken(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 3, UUID: a},
		node.Vote{Member: 4, UUID: a}), promiseConflict, "3 of 4 votes")
	slot.TS = node.Timestamp(101 << 16)
	require.Empty(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 4, UUID: a}),
		"who had left before does not count")
}

func TestVotesStick(t *testing.T) {
	a, b := node.UUID{1}, node.UUID{2}
	stored := func(votes ...node.Vote) *node.Slot {
		return &node.Slot{TS: 9, Candidates: []node.Candidate{{UUID: a, Origin: 1}, {UUID: b, Origin: 2}}, Votes: votes}
	}
	c := newConflictCheck(bare(t))
	c.stored(1, 1, "p", stored(node.Vote{Member: 1, UUID: a}), nil)
	c.stored(2, 2, "p", stored(node.Vote{Member: 1, UUID: a}, node.Vote{Member: 2, UUID: b}), nil)
	require.Empty(t, c.w.Violations())
	c.stored(2, 2, "p", stored(node.Vote{Member: 1, UUID: b}, node.Vote{Member: 2, UUID: b}), nil)
	requireBroken(t, c.w.Violations(), promiseConflict, "voted for")

	c = newConflictCheck(bare(t))
	c.stored(3, 3, "p", stored(node.Vote{Member: 1, UUID: a}), nil)
	requireBroken(t, c.w.Violations(), promiseConflict, "without a vote of its own")

	c = newConflictCheck(bare(t))
	single := slot.Of(&node.Record{TS: 9, UUID: a, Origin: 1})
	c.stored(3, 3, "p", &single, nil)
	c.stored(3, 3, "p", stored(node.Vote{Member: 3, UUID: b}), nil)
	requireBroken(t, c.w.Violations(), promiseConflict, "voted for") // what it held alone was its vote.
}

func TestDecisionsAreChecked(t *testing.T) {
	a, b := node.UUID{1}, node.UUID{2}
	members := []voter{{1, 1, 0}, {2, 2, 0}, {3, 3, 0}}
	stored := node.Slot{TS: 9, Candidates: []node.Candidate{{UUID: a, Origin: 1}, {UUID: b, Origin: 2}},
		Votes: []node.Vote{{Member: 2, UUID: b}}}
	decided := func(d node.Decision) []sim.Violation {
		c := newConflictCheck(bare(t))
		c.decided(1, &node.ConflictRecord{Path: "p", Slot: stored, Decision: d}, members, members)
		return c.w.Violations()
	}
	require.Empty(t, decided(node.Decision{Winner: a, Rule: slot.RuleOldest}))
	requireBroken(t, decided(node.Decision{Winner: b, Rule: slot.RuleMajority, Final: true}), promiseConflict,
		"no majority among the 1 of 3 votes")
	requireBroken(t, decided(node.Decision{Winner: a, Rule: slot.RuleOldest, Final: true}), promiseConflict,
		"settled: false")

	settled := func(votes ...node.Vote) *node.Slot {
		s := stored
		s.Votes = votes
		return &s
	}
	all := []node.Vote{{Member: 1, UUID: a}, {Member: 2, UUID: b}, {Member: 3, UUID: a}}
	c := newConflictCheck(bare(t))
	c.settle(1, 1, "p", settled(all...), members)
	c.settle(2, 2, "p", settled(all[:2]...), members)
	require.Empty(t, c.w.Violations(), "another member may know less")
	c.settle(1, 1, "p", settled(all[:2]...), members)
	requireBroken(t, c.w.Violations(), promiseConflict, "does not any more")
	c = newConflictCheck(bare(t))
	c.settle(1, 1, "p", settled(all...), members)
	c.settle(2, 2, "p", settled(node.Vote{Member: 2, UUID: b}, node.Vote{Member: 3, UUID: b}), members)
	requireBroken(t, c.w.Violations(), promiseConflict, "it was settled for")
	c = newConflictCheck(bare(t))
	c.settle(1, 1, "p", settled(all...), members)
	c.settle(2, 2, "p", settled(node.Vote{Member: 2, UUID: b}, node.Vote{Member: 3, UUID: b}), members[1:])
	require.Empty(t, c.w.Violations(), "other voters")
}

// In a whole run the oracle sees decisions, and losers that are gone are missed.
func TestLosersAreMissed(t *testing.T) {
	sc, err := scenarios.Load("equal-clocks")
	require.NoError(t, err)
	sc = sim.Draw(1, sc)
	w := judge(sim.Options{Seed: 1, Scenario: &sc})
	w.Run()
	require.Greater(t, w.conflict.decisions, 100)
	require.Empty(t, w.Violations())
	require.Empty(t, w.conflict.checkLosers())
	var changes []node.Change
	store := w.Replicas[2].Store()
	require.NoError(t, store.Scan(schema.PrefixConflict, "", func(key string, _ []byte) bool {
		changes = append(changes, node.Change{Key: key})
		return true
	}))
	require.NoError(t, store.Apply(changes))
	requireBroken(t, w.conflict.checkLosers(), promiseLosers, "n2")
}
