package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/hlc"
	"kvs/scenarios"
)

func TestRecencyFires(t *testing.T) {
	r := newRecency()
	require.Zero(t, r.floor("a"))
	require.Empty(t, r.seen("a", false, 0, hlc.Make(5, 0)))
	require.Equal(t, hlc.Make(5, 0), r.floor("a"))
	require.Zero(t, r.floor("b"))
	require.Empty(t, r.seen("a", true, 0, hlc.Make(3, 0)), "it began before the write was answered")
	require.Empty(t, r.seen("a", false, hlc.Make(5, 0), hlc.Make(4, 0)), "a write by a slow clock loses; it is no read")
	require.Contains(t, r.seen("a", true, r.floor("a"), hlc.Make(4, 9)), "had been answered")
	require.Empty(t, r.seen("a", true, r.floor("a"), hlc.Make(5, 0)))
}

// The eventual level does not keep that promise, and the checker sees it.
func TestRecencySeesEventualReads(t *testing.T) {
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Expect = append([]scenarios.Promise{}, scenarios.QuorumRecency)
	d := Draw(1, s)
	res, err := Run(Options{Seed: 1, Scenario: &d})
	require.NoError(t, err)
	requireBroken(t, res.Violations, scenarios.QuorumRecency.String(), "had been answered")
}
