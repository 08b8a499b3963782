package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/scenario"
)

// These runs are sabotaged from inside, and the whole of Run has to find out.

// sabotage lives a scenario and calls do once, in the moment in which the first trace line contains `when`.
func sabotage(t *testing.T, name, when string, do func(w *judged)) []sim.Violation {
	t.Helper()
	return sabotageSeed(t, 3, name, when, do)
}

func sabotageSeed(t *testing.T, seed uint64, name, when string, do func(w *judged)) []sim.Violation {
	t.Helper()
	sc, err := scenarios.Load(name)
	require.NoError(t, err)
	sc = sim.Draw(seed, sc)
	var w *judged
	done := false
	w = judge(sim.Options{Seed: seed, Scenario: &sc, Trace: func(line string) {
		if !done && strings.Contains(line, when) {
			done = true
			do(w)
		}
	}})
	w.Run()
	require.True(t, done)
	return w.Violations()
}

// someWrite is an acknowledged put or delete that is the highest version of its path.
func someWrite(w *judged, del bool) *ledger.Write {
	for _, p := range w.Ledger.Paths {
		if top := w.Ledger.Highest(p.Writes); top != nil && top.Delete == del {
			return top
		}
	}
	panic("there is no such write")
}

// What is found in the middle of a run carries the time of that moment, whoever finds it.
func TestViolationsCarryTheirTime(t *testing.T) {
	var at time.Duration
	got := sabotage(t, "quiet", " recovery ", func(w *judged) {
		at = w.Now()
		for _, c := range w.all {
			switch c := c.(type) {
			case *conflictCheck:
				c.bad(1, "a", "planted")
			case *deliveryCheck:
				c.bad(1, "a", "planted")
			case *hlcCheck:
				c.bad(1, "a", "planted")
			case *persistCheck:
				c.bad(1, "a", "planted")
			}
		}
	})
	require.Len(t, got, 4)
	for _, v := range got {
		require.Equal(t, at, v.At, v)
	}
	require.NotZero(t, at)
}

func TestLostRecordIsFound(t *testing.T) {
	got := sabotage(t, "quiet", " recovery ", func(w *judged) {
		for n := 1; n <= w.Nodes(); n++ {
			change := node.Change{Key: schema.PrefixRecord + someWrite(w, false).Path}
			require.NoError(t, w.Replicas[n].Store().Apply([]node.Change{change}))
		}
	})
	requireBroken(t, got, scenarios.NoLostWrite.String(), "holds nothing")
}

func TestUndeletedRecordIsFound(t *testing.T) {
	got := sabotage(t, "quiet", " recovery ", func(w *judged) {
		top := someWrite(w, true)
		var old *ledger.Write
		for _, i := range w.Ledger.Of(top.Path) {
			if wr := &w.Ledger.Writes[i]; !wr.Delete && wr.Fate == ledger.Acknowledged {
				old = wr
			}
		}
		rec := node.Record{TS: top.Version.TS + 1, UUID: node.UUID{9}, Origin: old.Origin, Value: old.Value}
		for n := 1; n <= w.Nodes(); n++ {
			require.NoError(t, w.Replicas[n].Store().Apply([]node.Change{{Key: schema.PrefixRecord + top.Path,
				Value: encodeRecord(top.Path, &rec)}}))
		}
	})
	requireBroken(t, got, scenarios.NoResurrection.String(), "although it was deleted")
}

// A disk that says it is done before it is: mutant 23, and the reason why crashes lose what is not synced.
func TestLyingDiskIsFound(t *testing.T) {
	got := sabotage(t, "single-node-linearizable", "fault crash", func(w *judged) {
		store := w.Replicas[1].Store()
		var changes []node.Change
		require.NoError(t, store.Scan(schema.PrefixRecord, "", func(key string, _ []byte) bool {
			changes = append(changes, node.Change{Key: key})
			return true
		}))
		require.NotEmpty(t, changes)
		require.NoError(t, store.Apply(changes))
	})
	requireBroken(t, got, promiseSession, "after")
}

func TestSettleTimeIsAPromise(t *testing.T) {
	sc, err := scenarios.Load("quiet")
	require.NoError(t, err)
	sc = sim.Draw(2, sc)
	sc.Settle = time.Millisecond
	res, err := sim.Run(sim.Options{System: judgedSystem{}, Seed: 2, Scenario: &sc})
	require.NoError(t, err)
	requireBroken(t, res.Violations, scenarios.Finished.String(), "it is not over")
	require.Contains(t, res.String(), "settled=never")
	require.Equal(t, "finished", res.Verdict())
}

func TestPanicIsAFinding(t *testing.T) {
	sc, err := scenarios.Load("quiet")
	require.NoError(t, err)
	sc = sim.Draw(1, sc)
	res, err := sim.Run(sim.Options{System: judgedSystem{}, Seed: 1, Scenario: &sc, Trace: func(line string) {
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
	for name, wrong := range map[string]scenario.Promise{
		"single-node-linearizable":     scenarios.NotLinearizable,
		"eventual-is-not-linearizable": scenarios.Linearizable,
	} {
		sc, err := scenarios.Load(name)
		require.NoError(t, err)
		sc = sim.Draw(2, sc)
		res, err := sim.Run(sim.Options{System: judgedSystem{}, Seed: 2, Scenario: &sc})
		require.NoError(t, err)
		require.Empty(t, res.Violations, name)
		sc.Expect = []scenario.Promise{wrong}
		res, err = sim.Run(sim.Options{System: judgedSystem{}, Seed: 2, Scenario: &sc})
		require.NoError(t, err)
		require.Equal(t, wrong.String(), res.Verdict(), name)
	}
}

func TestUndrawnScenarioIsRefused(t *testing.T) {
	sc, err := scenarios.Load("swarm")
	require.NoError(t, err)
	_, err = sim.Run(sim.Options{System: judgedSystem{}, Seed: 1, Scenario: &sc})
	require.ErrorContains(t, err, "Draw")
}
