package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/swim"
	"kvs/scenarios"
)

// encodeRecord is a stored slot with one candidate.
func encodeRecord(path string, r *node.Record) []byte {
	s := node.SlotOf(r)
	return node.EncodeSlot(path, &s)
}

func TestConflictFires(t *testing.T) {
	a, b := node.UUID{1}, node.UUID{2}
	slot := node.Slot{TS: 9, Candidates: []node.Candidate{{UUID: a, Origin: 1}, {UUID: b, Origin: 2}}}
	members := []swim.Member{{ID: 1, Born: 7}, {ID: 2, Born: 6}, {ID: 3, Born: 5}, {ID: 4, Born: 10}}
	shown := func(winner node.UUID, votes ...node.Vote) []Violation {
		s := slot
		s.Votes = votes
		return checkConflicts(&Evidence{Nodes: []NodeEvidence{{Number: 1, Members: members, Records: []PathRecord{
			{Path: "p", Record: node.Record{TS: 9, UUID: winner}, Slot: s},
		}}}})
	}
	require.Empty(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 2, UUID: b}), "no majority: the oldest origin")
	requireBroken(t, shown(a, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 2, UUID: b}), promiseConflict, "oldest")
	require.Empty(t, shown(a, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 3, UUID: a}), "two of three")
	requireBroken(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 3, UUID: a}), promiseConflict, "2 of 3 votes")
	require.Empty(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 4, UUID: a}), "who joined later does not count")

	members[3] = swim.Member{ID: 4, Born: 4, State: swim.Left, GoneAt: 100}
	requireBroken(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 3, UUID: a}, node.Vote{Member: 4, UUID: a}), promiseConflict, "3 of 4 votes")
	slot.TS = node.Timestamp(101 << 16)
	require.Empty(t, shown(b, node.Vote{Member: 1, UUID: a}, node.Vote{Member: 4, UUID: a}), "who had left before does not count")
}

func TestVotesStick(t *testing.T) {
	a, b := node.UUID{1}, node.UUID{2}
	slot := func(votes ...node.Vote) *node.Slot {
		return &node.Slot{TS: 9, Candidates: []node.Candidate{{UUID: a, Origin: 1}, {UUID: b, Origin: 2}}, Votes: votes}
	}
	c := newConflictCheck()
	c.stored(1, 1, "p", slot(node.Vote{Member: 1, UUID: a}), nil)
	c.stored(2, 2, "p", slot(node.Vote{Member: 1, UUID: a}, node.Vote{Member: 2, UUID: b}), nil)
	require.Empty(t, c.violations)
	c.stored(2, 2, "p", slot(node.Vote{Member: 1, UUID: b}, node.Vote{Member: 2, UUID: b}), nil)
	requireBroken(t, c.violations, promiseConflict, "voted for")

	c = newConflictCheck()
	c.stored(3, 3, "p", slot(node.Vote{Member: 1, UUID: a}), nil)
	requireBroken(t, c.violations, promiseConflict, "without a vote of its own")

	c = newConflictCheck()
	single := node.SlotOf(&node.Record{TS: 9, UUID: a, Origin: 1})
	c.stored(3, 3, "p", &single, nil)
	c.stored(3, 3, "p", slot(node.Vote{Member: 3, UUID: b}), nil)
	requireBroken(t, c.violations, promiseConflict, "voted for") // what it held alone was its vote.
}

func TestDecisionsAreChecked(t *testing.T) {
	a, b := node.UUID{1}, node.UUID{2}
	members := []voter{{1, 1, 0}, {2, 2, 0}, {3, 3, 0}}
	slot := node.Slot{TS: 9, Candidates: []node.Candidate{{UUID: a, Origin: 1}, {UUID: b, Origin: 2}}, Votes: []node.Vote{{Member: 2, UUID: b}}}
	decided := func(d node.Decision) []Violation {
		c := newConflictCheck()
		c.decided(1, &node.ConflictRecord{Path: "p", Slot: slot, Decision: d}, members, members)
		return c.violations
	}
	require.Empty(t, decided(node.Decision{Winner: a, Rule: node.RuleOldest}))
	requireBroken(t, decided(node.Decision{Winner: b, Rule: node.RuleMajority, Final: true}), promiseConflict, "no majority among the 1 of 3 votes")
	requireBroken(t, decided(node.Decision{Winner: a, Rule: node.RuleOldest, Final: true}), promiseConflict, "settled: false")

	settled := func(votes ...node.Vote) *node.Slot {
		s := slot
		s.Votes = votes
		return &s
	}
	all := []node.Vote{{Member: 1, UUID: a}, {Member: 2, UUID: b}, {Member: 3, UUID: a}}
	c := newConflictCheck()
	c.settle(1, 1, "p", settled(all...), members)
	c.settle(2, 2, "p", settled(all[:2]...), members)
	require.Empty(t, c.violations, "another member may know less")
	c.settle(1, 1, "p", settled(all[:2]...), members)
	requireBroken(t, c.violations, promiseConflict, "does not any more")
	c = newConflictCheck()
	c.settle(1, 1, "p", settled(all...), members)
	c.settle(2, 2, "p", settled(node.Vote{Member: 2, UUID: b}, node.Vote{Member: 3, UUID: b}), members)
	requireBroken(t, c.violations, promiseConflict, "it was settled for")
	c = newConflictCheck()
	c.settle(1, 1, "p", settled(all...), members)
	c.settle(2, 2, "p", settled(node.Vote{Member: 2, UUID: b}, node.Vote{Member: 3, UUID: b}), members[1:])
	require.Empty(t, c.violations, "other voters")
}

// In a whole run the oracle sees decisions, and losers that are gone are missed.
func TestLosersAreMissed(t *testing.T) {
	sc, err := scenarios.Load("equal-clocks")
	require.NoError(t, err)
	sc = Draw(1, sc)
	w := newWorld(Options{Seed: 1, Scenario: &sc})
	w.live()
	require.Greater(t, w.conflict.decisions, 100)
	require.Empty(t, w.violations)
	require.Empty(t, w.checkLosers())
	var ops []node.Op
	store := w.replicas[2].disk.store
	require.NoError(t, store.Scan("c/", "", func(key string, _ []byte) bool {
		ops = append(ops, node.Op{Key: key})
		return true
	}))
	require.NoError(t, store.Apply(ops))
	requireBroken(t, w.checkLosers(), promiseLosers, "n2")
}
