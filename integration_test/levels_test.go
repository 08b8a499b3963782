package integration_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/scenarios/live"
	"kvs/sim/scenario"
)

// liveScenario lives a scenario in containers. A failure leaves everything behind that it takes to look into it: see go
// help test about -artifacts.
func liveScenario(t *testing.T, s scenario.Scenario) *live.Result {
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
	for level, promise := range map[node.Level]scenario.Promise{
		node.Quorum:       scenarios.QuorumRecency,
		node.Linearizable: scenarios.Linearizable,
	} {
		t.Run(level.String(), func(t *testing.T) {
			s, err := scenarios.Load("minorities")
			require.NoError(t, err)
			scenarios.Of(&s).Workload.Level = level
			if level != node.Linearizable {
				scenarios.Of(&s).Workload.CAS = 0 // which is linearizable always.
			}
			s.Expect = append(slices.DeleteFunc(s.Expect, func(p scenario.Promise) bool {
				return p == scenarios.Linearizable
			}), promise)
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

// A node that ends by itself is not forgotten because the plan, or the recovery after it, starts it again.
func TestAccidentsAreSeen(t *testing.T) {
	s, err := scenarios.Load("quiet")
	require.NoError(t, err)
	s.Nodes, s.Duration = 2, 2*time.Second
	c := newClusterWith(t, docker.Options{Nodes: s.Nodes})
	c.accident = true
	_, err = live.Run(within(t, 5*time.Minute), live.Options{
		World: "docker", Seed: 1, Scenario: s, Target: c.Cluster, Progress: func(line string) {
			if strings.Contains(line, "clients work") {
				assert.NoError(t, c.Signal(2, syscall.SIGSEGV))
			}
		},
	})
	require.NoError(t, err)
	require.ErrorContains(t, c.Failures(), "n2 ended by itself with 2")
	require.NotContains(t, c.Failures().Error(), "n1")

	require.NoError(t, c.Signal(1, syscall.SIGSEGV))
	c.await("n1 is gone", func() bool { return c.door(1).Live(t.Context()) != nil })
	c.do("crash n1", "restart n1")
	c.awaitAlive(1, 2)
	require.ErrorContains(t, c.Failures(), "n1 ended by itself with 2", "a plan crashes what is gone already")
}
