package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
)

func TestAvailableFires(t *testing.T) {
	w, _ := lived(t)
	r := &w.replicas[1]
	answer := func(level node.Level, mode node.Mode, code node.Code, outcome node.Outcome, after time.Duration) []Violation {
		w.violations = nil
		c := call{mode: mode, askedAt: w.now - after, write: 1, request: scenarios.Op{Kind: scenarios.OpPut, Path: "a", Level: level}}
		w.checkAvailable(r, &c, &node.Response{Code: code, Outcome: outcome, Detail: "because"})
		return w.violations
	}
	requireBroken(t, answer(node.Eventual, node.ModeNormal, node.CodeNoQuorum, node.OutcomeNotApplied, time.Second), promiseAvailable, "no_quorum (because)")
	requireBroken(t, answer(node.Eventual, node.ModeNormal, node.CodeReadOnly, node.OutcomeNotApplied, 0), promiseAvailable, "read_only")
	requireBroken(t, answer(node.Eventual, node.ModeNormal, node.CodeCorrupt, node.OutcomeNotApplied, 0), promiseAvailable, "corrupt")
	require.Empty(t, answer(node.Eventual, node.ModeReadOnly, node.CodeReadOnly, node.OutcomeNotApplied, 0))
	require.Empty(t, answer(node.Eventual, node.ModeNormal, node.CodeCreated, node.OutcomeApplied, 0))
	r.rotten["a"] = true
	require.Empty(t, answer(node.Eventual, node.ModeNormal, node.CodeCorrupt, node.OutcomeNotApplied, 0))

	for _, level := range []node.Level{node.Quorum, node.Linearizable} {
		requireBroken(t, answer(level, node.ModeNormal, node.CodeNoQuorum, node.OutcomeNotApplied, 0), promiseAvailable, "takes 3 of 3 voters for alive")
		require.Empty(t, answer(level, node.ModeNormal, node.CodeNoQuorum, node.OutcomeNotApplied, time.Second), "it has waited for them")
		require.Empty(t, answer(level, node.ModeNormal, node.CodeNoQuorum, node.OutcomeUnknown, 0))
		require.Empty(t, answer(level, node.ModeSyncing, node.CodeNoQuorum, node.OutcomeNotApplied, 0))
	}
	require.True(t, strong(&node.Config{Strong: []string{"a/"}}, w.sc, "a/b"))
	require.True(t, strong(&node.Config{Strong: []string{"/"}}, w.sc, "b"))
	require.False(t, strong(&node.Config{Strong: []string{"a/"}}, w.sc, "a"))
}
