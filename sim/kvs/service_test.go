package kvs

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
)

// When a node is killed the clients of the others notice nothing, because there is no leader: all voters are asked
// at once, and the first majority decides, long before anybody knows of the death. The clients of the killed node
// lose what they had asked it, for one time-out at the most. All times are virtual.
func TestKilledNodeIsNotMissed(t *testing.T) {
	s, err := scenarios.Load("node-killed")
	require.NoError(t, err)
	// In a quiet cluster an operation takes 10 ms, and about 30 ms when it meets another one; here every lost race
	// may be followed by a wait for the dead. Asking again for lack of an answer, which would be waiting for the
	// dead indeed, takes longer than this.
	const survivors = 120 * time.Millisecond
	require.Less(t, survivors, node.DefaultTuning().AckTimeout/4)
	for run := range uint64(4) {
		seed, forward := run/2+1, run%2 == 1
		t.Run(fmt.Sprint(seed, " forward=", forward), func(t *testing.T) {
			d := sim.Draw(seed, s)
			scenarios.Of(&d).Tuning.Forward = forward
			res, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &d})
			require.NoError(t, err)
			require.Empty(t, res.Violations, "%s\n%s", res, res.Stack)
			killed := 0
			for i, e := range d.Plan.Events {
				if e.Kind != chaos.Crash {
					continue
				}
				back := d.Plan.Events[i+1]
				require.Equal(t, chaos.Restart, back.Kind)
				for _, n := range linearize.Service(res.History, int64(e.At), int64(back.At)) {
					if n.Node == sim.NodeName(e.Nodes[0]) {
						require.LessOrEqual(t, n.Slowest, scenarios.Of(&d).Workload.Timeout, "%+v", n)
						require.Zero(t, n.OK)
						killed++
						continue
					}
					require.LessOrEqual(t, n.Slowest, survivors, "after %s: %+v", e, n)
					require.LessOrEqual(t, n.Gap, survivors, "after %s: %+v", e, n)
					require.Greater(t, n.OK, 500)
					require.Zero(t, n.Fail)
				}
				// Back again, it serves at once, and again nobody else notices.
				for _, n := range linearize.Service(res.History, int64(back.At), int64(back.At+3*time.Second)) {
					limit := survivors
					if n.Node == sim.NodeName(e.Nodes[0]) {
						limit = scenarios.Of(&d).Workload.Timeout + survivors
					}
					require.LessOrEqual(t, n.Gap, limit, "after %s: %+v", back, n)
				}
			}
			require.Equal(t, 3, killed)
		})
	}
}
