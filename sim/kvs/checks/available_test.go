package checks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

func TestAvailableFires(t *testing.T) {
	w, _ := lived(t)
	r := &w.Replicas[1]
	late := false
	answer := func(level node.Level, mode node.Mode, code node.Code, outcome node.Outcome,
		after time.Duration) []sim.Violation {
		w.TakeViolations()
		c := world.Call{Mode: mode, AskedAt: w.Now() - after, Write: 1,
			Request: scenarios.Op{Kind: scenarios.OpPut, Path: "a", Level: level}}
		newAvailableCheck(w.World).replied(r, &c, late, &node.Response{Code: code, Outcome: outcome, Detail: "because"})
		return w.Violations()
	}
	requireBroken(t, answer(node.Eventual, node.ModeNormal, node.CodeNoQuorum, node.OutcomeNotApplied, time.Second),
		promiseAvailable, "no_quorum (because)")
	requireBroken(t, answer(node.Eventual, node.ModeNormal, node.CodeReadOnly, node.OutcomeNotApplied, 0),
		promiseAvailable, "read_only")
	requireBroken(t, answer(node.Eventual, node.ModeNormal, node.CodeCorrupt, node.OutcomeNotApplied, 0),
		promiseAvailable, "corrupt")
	require.Empty(t, answer(node.Eventual, node.ModeReadOnly, node.CodeReadOnly, node.OutcomeNotApplied, 0))
	require.Empty(t, answer(node.Eventual, node.ModeNormal, node.CodeCreated, node.OutcomeApplied, 0))
	r.Rotten["a"] = true
	require.Empty(t, answer(node.Eventual, node.ModeNormal, node.CodeCorrupt, node.OutcomeNotApplied, 0))

	for _, level := range []node.Level{node.Quorum, node.Linearizable} {
		requireBroken(t, answer(level, node.ModeNormal, node.CodeNoQuorum, node.OutcomeNotApplied, 0),
			promiseAvailable, "takes 3 of 3 voters for alive")
		require.Empty(t, answer(level, node.ModeNormal, node.CodeNoQuorum, node.OutcomeNotApplied, time.Second),
			"it has waited for them")
		require.Empty(t, answer(level, node.ModeNormal, node.CodeNoQuorum, node.OutcomeUnknown, 0))
		require.Empty(t, answer(level, node.ModeSyncing, node.CodeNoQuorum, node.OutcomeNotApplied, 0))
	}
	requireBroken(t, answer(node.Eventual, node.ModeNormal, node.CodeOverloaded, node.OutcomeNotApplied, 0),
		promiseAvailable, "overloaded")
	late = true
	require.Empty(t, answer(node.Eventual, node.ModeNormal, node.CodeOverloaded, node.OutcomeNotApplied, 0))
	for _, level := range []node.Level{node.Eventual, node.Quorum, node.Linearizable} {
		requireBroken(t, answer(level, node.ModeNormal, node.CodeCreated, node.OutcomeApplied, 0),
			promiseAvailable, "after its deadline with created")
		requireBroken(t, answer(level, node.ModeNormal, node.CodeOverloaded, node.OutcomeUnknown, 0),
			promiseAvailable, "after its deadline with overloaded")
	}
	require.True(t, strong(&node.Config{Strong: []string{"a/"}}, w.Own, "a/b"))
	require.True(t, strong(&node.Config{Strong: []string{"/"}}, w.Own, "b"))
	require.False(t, strong(&node.Config{Strong: []string{"a/"}}, w.Own, "a"))
}
