package kvs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/slot"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/scenario"
)

// shapes are all partitions of the nodes 1 to n into groups: Bell numbers of them, 2, 5, 15, 52. Which node is in
// which group matters, because the oldest one's writes win without a majority; so none is left out for symmetry.
func shapes(n int) [][][]int {
	if n == 0 {
		return [][][]int{nil}
	}
	var out [][][]int
	for _, s := range shapes(n - 1) {
		for g := range s { // n joins a group,
			with := slices.Clone(s)
			with[g] = append(slices.Clone(s[g]), n)
			out = append(out, with)
		}
		out = append(out, append(slices.Clone(s), []int{n})) // or is alone.
	}
	return out
}

func shapeText(s [][]int) string {
	var groups []string
	for _, g := range s {
		var names []string
		for _, n := range g {
			names = append(names, sim.NodeName(n))
		}
		groups = append(groups, strings.Join(names, ","))
	}
	return strings.Join(groups, " | ")
}

// equalClocks is a scenario in which all clocks stand still while the cluster is cut into groups, and then heals;
// with a crash one member, the oldest as often as not, is down for a while and comes back with its votes.
func equalClocks(t *testing.T, shape [][]int, nodes, crash int) scenario.Scenario {
	t.Helper()
	all := make([]string, nodes)
	for i := range all {
		all[i] = sim.NodeName(i + 1)
	}
	plan := "  at 1s freeze-clock " + strings.Join(all, ",") + "\n"
	if len(shape) > 1 { // one group is no partition: the delays alone make conflicts.
		plan += "  at 1200ms partition " + shapeText(shape) + "\n  at 3300ms heal\n"
	}
	if crash != 0 {
		plan += fmt.Sprintf("  at 2s crash %s\n  at 3500ms restart %s\n", sim.NodeName(crash), sim.NodeName(crash))
	}
	sc, err := scenarios.Parse(fmt.Sprintf(`scenario equal-clocks-shape
about    clocks stand still while the cluster is cut
nodes    %d
clients  %d
duration 4s
settle   60s
workload keys=8 get=30 put=60 delete=10 list=0 hot=0%% think=10ms..80ms value=16..32 `+
		`level=eventual attach=own timeout=2s
network  delay=5ms..30ms
clocks   skew=0s..0s
expect   converged, no-lost-write, no-resurrection, hlc-monotone, membership-agreed, finished
plan
%s`, nodes, 2*nodes, plan))
	require.NoError(t, err)
	return sc
}

// Two to five members with equal clocks, cut in every way there is: the oracle agrees with every decision, all
// members end with the same, and every loser can be fetched.
func TestEqualClocksInEveryShape(t *testing.T) {
	var majority, oldest, provisional int
	for nodes := 2; nodes <= 5; nodes++ {
		list := shapes(nodes)
		require.Len(t, list, map[int]int{2: 2, 3: 5, 4: 15, 5: 52}[nodes])
		for i, shape := range list {
			conflicts := 0
			for seed := uint64(1); seed <= 4; seed++ {
				crash := 0
				if seed%2 == 0 {
					crash = 1 + i%nodes
				}
				sc := equalClocks(t, shape, nodes, crash)
				what := fmt.Sprintf("%s, crash of %d, seed %d", shapeText(shape), crash, seed)
				w := testWorld(sim.Options{Seed: seed, Scenario: &sc})
				res := w.Run()
				require.True(t, w.Settled(), what)
				require.Empty(t, w.Violations(), what)
				conflicts += res.Count("conflicts")
				for n := 1; n <= nodes; n++ {
					for _, r := range w.Replicas[n].Node.Conflicts("", 1<<20) {
						switch {
						case !r.Decision.Final:
							provisional++
						case r.Decision.Rule == slot.RuleMajority:
							majority++
						default:
							oldest++
						}
					}
				}
			}
			require.Positive(t, conflicts, shapeText(shape))
		}
	}
	t.Logf("of the conflicts known at the end %d were settled by majority, %d by the oldest, "+
		"and %d overtaken by a later write before", majority, oldest, provisional)
	require.Greater(t, majority, 200)
	require.Greater(t, oldest, 50)
}
