package checks

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/slot"
	"kvs/scenarios"
	"kvs/sim"
)

func TestNewcomersJoinAndGoOn(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		sc, err := scenarios.Load("bootstrap")
		require.NoError(t, err)
		sc = sim.Draw(seed, sc)
		w := judge(sim.Options{Seed: seed, Scenario: &sc})
		res := w.Run()
		require.Empty(t, res.Violations, "%s", res)
		// n4 lost its disk twice. A first member that had got a write before it served pulled as well, once.
		require.GreaterOrEqual(t, w.joins.joined[4], 2)
		require.LessOrEqual(t, w.joins.joined[4], 3)
		require.LessOrEqual(t, slices.Max(w.joins.joined[:4]), 1)
		require.GreaterOrEqual(t, res.Count("joined"), w.joins.joined[4])
		require.NotZero(t, w.joins.resumed, "it crashed in the middle")
	}
}

// A newcomer that serves before its time, one that forgets how far it was, and one that takes itself for one in step.
func TestJoinAlarms(t *testing.T) {
	got := sabotage(t, "bootstrap", "n4 log bootstrap: begins", func(w *judged) {
		w.joins.answers(&w.Replicas[1], "a", node.CodeOK)
		require.Empty(t, w.Violations(), "n1 serves")
		w.joins.answers(&w.Replicas[4], "a", node.CodeOK)
	})
	requireBroken(t, got, promiseJoin, "although it has not got the data of the others yet")

	got = sabotage(t, "bootstrap", "fault wipe n4", func(w *judged) {
		held := w.joins.heldByOthers(&w.Replicas[4])
		require.NotEmpty(t, held)
		w.joins.members[4].heldFirst = held
		w.Replicas[4].Store().Wipe()
		w.joins.stored(&w.Replicas[4], nil)
	})
	requireBroken(t, got, promiseJoin, "but all others held")

	sabotage(t, "bootstrap", "fault wipe n4", func(w *judged) {
		held := w.joins.heldByOthers(&w.Replicas[4])
		for _, b := range held {
			w.Disks.Ended[4][b.path] = slot.Of(&node.Record{TS: b.ts, UUID: node.UUID{1}, Origin: 1, Tombstone: true})
		}
		w.joins.members[4].heldFirst = held
		w.Replicas[4].Store().Wipe()
		w.joins.inStep(&w.Replicas[4])
		require.Empty(t, w.Violations(), "it was the first that dropped these tombstones")
	})

	done := false
	sc, err := scenarios.Load("bootstrap")
	require.NoError(t, err)
	sc = sim.Draw(1, sc)
	var w *judged
	w = judge(sim.Options{Seed: 1, Scenario: &sc, Trace: func(line string) {
		if !done && strings.Contains(line, "fault restart n4") && w.joins.members[4].pulled > 0 {
			done = true
			require.NoError(t, w.Replicas[4].Store().Apply([]node.Change{{Key: node.BootstrapKey}}))
		}
	}})
	w.Run()
	requireBroken(t, w.Violations(), promiseJoin, "it begins with 0 keys pulled, its disk says")
}

// A copy of a disk may have been made in the middle of a bootstrap. The member that is put back on it goes on there.
func TestAnOlderCopyOfANewcomer(t *testing.T) {
	sc, err := scenarios.Load("bootstrap")
	require.NoError(t, err)
	sc = sim.Draw(1, sc)
	pulled := uint64(0)
	var w *judged
	w = judge(sim.Options{Seed: 1, Scenario: &sc, Trace: func(line string) {
		n4 := &w.Replicas[4]
		if pulled == 0 && strings.Contains(line, "fault restart n4") && w.joins.members[4].pulled > 0 {
			pulled = w.joins.members[4].pulled
			w.joins.Observe(&sim.Event{Kind: sim.EventWiped, Replica: n4.Replica})
			require.Zero(t, w.joins.members[4].pulled)
			w.joins.Observe(&sim.Event{Kind: sim.EventPutBack, Replica: n4.Replica})
			require.Equal(t, pulled, w.joins.members[4].pulled)
		}
	}})
	require.Empty(t, w.Run().Violations)
	require.NotZero(t, pulled)
}
