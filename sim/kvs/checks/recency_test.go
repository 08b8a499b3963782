package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/hlc"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
	"kvs/sim/scenario"
)

func TestRecencyFires(t *testing.T) {
	w := bare(t)
	r := newRecencyCheck(w)
	answer := func(kind scenarios.OpKind, floor, ts node.Timestamp) []sim.Violation {
		w.TakeViolations()
		r.answered(&world.Client{Op: scenarios.Op{Kind: kind, Path: "a", Node: 1}, Floor: floor},
			&world.Answer{Version: node.Version{TS: ts}})
		return w.Violations()
	}
	require.Empty(t, answer(scenarios.OpGet, 0, hlc.Make(3, 0)), "nothing had been answered before it began")
	requireBroken(t, answer(scenarios.OpPut, hlc.Make(5, 0), hlc.Make(4, 0)), promised(scenarios.QuorumRecency),
		"a write has timestamp")
	require.Empty(t, answer(scenarios.OpDelete, hlc.Make(5, 0), 0), "there was nothing to delete")
	requireBroken(t, answer(scenarios.OpGet, hlc.Make(5, 0), hlc.Make(4, 9)), promised(scenarios.QuorumRecency),
		"had been answered")
	requireBroken(t, answer(scenarios.OpGet, hlc.Make(5, 0), 0), promised(scenarios.QuorumRecency), "had been answered")
	require.Empty(t, answer(scenarios.OpGet, hlc.Make(5, 0), hlc.Make(5, 0)))
	w.Disks.Highest["a"] = hlc.Make(5, 0)
	require.Empty(t, answer(scenarios.OpGet, hlc.Make(5, 0), 0), "the tombstone is gone from all members")
}

// The eventual level does not keep that promise, and the checker sees it.
func TestRecencySeesEventualReads(t *testing.T) {
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Expect = append([]scenario.Promise{}, scenarios.QuorumRecency)
	d := sim.Draw(1, s)
	res, err := sim.Run(sim.Options{System: judgedSystem{}, Seed: 1, Scenario: &d})
	require.NoError(t, err)
	requireBroken(t, res.Violations, scenarios.QuorumRecency.String(), "had been answered")
}
