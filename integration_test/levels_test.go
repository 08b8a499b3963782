package integration_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/scenarios/live"
)

// liveScenario lives a scenario in containers. A failure leaves everything behind that it takes to look into it: see go help test
// about -artifacts.
func liveScenario(t *testing.T, s scenarios.Scenario) *live.Result {
	t.Helper()
	c := newClusterWith(t, docker.Options{Nodes: s.Nodes, Base: s.Network})
	res, err := live.Run(within(t, 5*time.Minute), live.Options{
		World: "docker", Seed: 1, Scenario: s, Target: c.Cluster, Progress: func(line string) { t.Log(line) },
	})
	require.NoError(t, err)
	t.Log(res)
	t.Cleanup(func() {
		if t.Failed() {
			require.NoError(t, live.Keep(t.ArtifactDir(), s, res, c.Log))
		}
	})
	require.NoError(t, c.Failures())
	return res
}

// Each level keeps its promise under the same faults. A new level is one line.
func TestLevelsUnderMinorityFaults(t *testing.T) {
	for level, promise := range map[node.Level]scenarios.Promise{
		node.Quorum:       scenarios.QuorumRecency,
		node.Linearizable: scenarios.Linearizable,
	} {
		t.Run(level.String(), func(t *testing.T) {
			s, err := scenarios.Load("minorities")
			require.NoError(t, err)
			s.Workload.Level = level
			if level != node.Linearizable {
				s.Workload.CAS = 0 // which is linearizable always.
			}
			s.Expect = append(slices.DeleteFunc(s.Expect, func(p scenarios.Promise) bool { return p == scenarios.Linearizable }), promise)
			res := liveScenario(t, s)
			require.Empty(t, res.Violations)
			require.Greater(t, res.OK, 100)
			require.Greater(t, res.Failed+res.Unknown, 0, "a minority has to refuse somebody")
		})
	}
}

// The alarm rings: what is eventual is not linearizable, and the harness sees it in containers, too.
func TestHarnessSeesStaleReads(t *testing.T) {
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Duration = 3 * time.Second
	res := liveScenario(t, s)
	require.Empty(t, res.Violations)
	require.Equal(t, linearize.Violation, res.Linearized.Verdict)
	require.NotEmpty(t, strings.TrimSpace(res.Linearized.Keys[res.Linearized.Offending].Evidence.Text))
}
