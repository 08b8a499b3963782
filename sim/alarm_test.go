package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
)

// These runs are sabotaged from inside, and the whole of Run has to find out.

// sabotage lives a scenario and calls do once, in the moment in which the first trace line contains `when`.
func sabotage(t *testing.T, name, when string, do func(w *world)) []Violation {
	t.Helper()
	sc, err := scenarios.Load(name)
	require.NoError(t, err)
	sc = Draw(3, sc)
	var w *world
	done := false
	w = newWorld(Options{Seed: 3, Scenario: &sc, Trace: func(line string) {
		if !done && strings.Contains(line, when) {
			done = true
			do(w)
		}
	}})
	w.live()
	require.True(t, done)
	w.violate(w.evidence().judge()...)
	w.gather()
	return w.violations
}

// someWrite is an acknowledged put or delete that is the highest version of its path.
func someWrite(w *world, del bool) *write {
	for _, p := range w.ledger.paths {
		if top := w.ledger.highest(p.writes); top != nil && top.delete == del {
			return top
		}
	}
	panic("there is no such write")
}

// What is found in the middle of a run carries the time of that moment, whoever finds it.
func TestViolationsCarryTheirTime(t *testing.T) {
	var at time.Duration
	got := sabotage(t, "quiet", " recovery ", func(w *world) {
		at = w.now
		w.conflict.bad(1, "a", "planted")
		w.delivery.bad(1, "a", "planted")
		w.hlc.bad(1, "a", "planted")
		w.persistFirst.violations = append(w.persistFirst.violations, Violation{Promise: promisePersist, Node: 1, Detail: "planted"})
	})
	require.Len(t, got, 4)
	for _, v := range got {
		require.Equal(t, at, v.At, v)
	}
	require.NotZero(t, at)
}

func TestLostRecordIsFound(t *testing.T) {
	got := sabotage(t, "quiet", " recovery ", func(w *world) {
		for n := 1; n <= w.nodes; n++ {
			require.NoError(t, w.replicas[n].disk.store.Apply([]node.Op{{Key: recordPrefix + someWrite(w, false).path}}))
		}
	})
	requireBroken(t, got, scenarios.NoLostWrite.String(), "holds nothing")
}

func TestUndeletedRecordIsFound(t *testing.T) {
	got := sabotage(t, "quiet", " recovery ", func(w *world) {
		top := someWrite(w, true)
		var old *write
		for _, i := range w.ledger.of(top.path) {
			if wr := &w.ledger.writes[i]; !wr.delete && wr.fate == fateAcknowledged {
				old = wr
			}
		}
		rec := node.Record{TS: top.version.TS + 1, UUID: node.UUID{9}, Origin: old.origin, Value: old.value}
		for n := 1; n <= w.nodes; n++ {
			require.NoError(t, w.replicas[n].disk.store.Apply([]node.Op{{Key: recordPrefix + top.path, Value: encodeRecord(top.path, &rec)}}))
		}
	})
	requireBroken(t, got, scenarios.NoResurrection.String(), "although it was deleted")
}

// A disk that says it is done before it is: mutant 23, and the reason why crashes lose what is not synced.
func TestLyingDiskIsFound(t *testing.T) {
	got := sabotage(t, "single-node-linearizable", "fault crash", func(w *world) {
		store := w.replicas[1].disk.store
		var ops []node.Op
		require.NoError(t, store.Scan(recordPrefix, "", func(key string, _ []byte) bool {
			ops = append(ops, node.Op{Key: key})
			return true
		}))
		require.NotEmpty(t, ops)
		require.NoError(t, store.Apply(ops))
	})
	requireBroken(t, got, promiseSession, "after")
}

func TestSettleTimeIsAPromise(t *testing.T) {
	sc, err := scenarios.Load("quiet")
	require.NoError(t, err)
	sc = Draw(2, sc)
	sc.Settle = time.Millisecond
	res, err := Run(Options{Seed: 2, Scenario: &sc})
	require.NoError(t, err)
	requireBroken(t, res.Violations, scenarios.Finished.String(), "it is not over")
	require.Contains(t, res.String(), "settled=never")
	require.Equal(t, "finished", res.Verdict())
}

func TestPanicIsAFinding(t *testing.T) {
	sc, err := scenarios.Load("quiet")
	require.NoError(t, err)
	sc = Draw(1, sc)
	res, err := Run(Options{Seed: 1, Scenario: &sc, Trace: func(line string) {
		if strings.Contains(line, "put") {
			panic("planted")
		}
	}})
	require.NoError(t, err)
	require.Equal(t, "no-panic", res.Verdict())
	require.Contains(t, res.Stack, "planted")
	require.Contains(t, res.Stack, "alarm_test.go")
	require.NotEmpty(t, res.History.Ops)
}

// porcupine is asked, believed, and its opposite answer is a failure.
func TestLinearizabilityIsJudged(t *testing.T) {
	for name, wrong := range map[string]scenarios.Promise{
		"single-node-linearizable":     scenarios.NotLinearizable,
		"eventual-is-not-linearizable": scenarios.Linearizable,
	} {
		sc, err := scenarios.Load(name)
		require.NoError(t, err)
		sc = Draw(2, sc)
		res, err := Run(Options{Seed: 2, Scenario: &sc})
		require.NoError(t, err)
		require.Empty(t, res.Violations, name)
		sc.Expect = []scenarios.Promise{wrong}
		res, err = Run(Options{Seed: 2, Scenario: &sc})
		require.NoError(t, err)
		require.Equal(t, wrong.String(), res.Verdict(), name)
	}
}

func TestUndrawnScenarioIsRefused(t *testing.T) {
	sc, err := scenarios.Load("swarm")
	require.NoError(t, err)
	_, err = Run(Options{Seed: 1, Scenario: &sc})
	require.ErrorContains(t, err, "Draw")
}
