package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
)

func TestNewcomersJoinAndGoOn(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		res := runNamed(t, "bootstrap", seed, nil)
		require.Empty(t, res.Violations, "%s", res)
		require.Equal(t, 2, res.Joined, "n4 lost its disk twice")
		require.NotZero(t, res.Resumed, "it crashed in the middle")
	}
}

// A newcomer that serves before its time, one that forgets how far it was, and one that takes itself for one in step.
func TestJoinAlarms(t *testing.T) {
	got := sabotage(t, "bootstrap", "n4 log bootstrap: begins", func(w *world) {
		w.joins.answers(w, &w.replicas[1], "a", node.CodeOK)
		require.Empty(t, w.violations, "n1 serves")
		w.joins.answers(w, &w.replicas[4], "a", node.CodeOK)
	})
	requireBroken(t, got, promiseJoin, "although it has not got the data of the others yet")

	got = sabotage(t, "bootstrap", "fault wipe n4", func(w *world) {
		held := w.heldByOthers(&w.replicas[4])
		require.NotEmpty(t, held)
		w.replicas[4].before = held
		w.replicas[4].disk.store.Wipe()
		w.joins.stored(w, &w.replicas[4], nil)
	})
	requireBroken(t, got, promiseJoin, "but all others held")

	done := false
	sc, err := scenarios.Load("bootstrap")
	require.NoError(t, err)
	sc = Draw(1, sc)
	var w *world
	w = newWorld(Options{Seed: 1, Scenario: &sc, Trace: func(line string) {
		if !done && strings.Contains(line, "fault restart n4") && w.replicas[4].pulled > 0 {
			done = true
			require.NoError(t, w.replicas[4].disk.store.Apply([]node.Op{{Key: node.BootstrapKey}}))
		}
	}})
	w.live()
	requireBroken(t, w.violations, promiseJoin, "it begins with 0 keys pulled, its disk says")
}
