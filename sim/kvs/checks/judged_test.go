package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
	"kvs/sim/scenario"
)

// judgedSystem is kvs with all its checkers, as package kvs has it.
type judgedSystem struct{}

func (judgedSystem) Name() string { return "kvs" }

func (judgedSystem) New(of *sim.World) sim.Cluster {
	w := world.New(of)
	return &judged{w, New(w)}
}

// judged is one run.
type judged struct {
	*world.World
	*Set
}

// judge makes a run in which nothing has happened yet.
func judge(o sim.Options) *judged {
	o.System = judgedSystem{}
	return sim.NewWorld(o).Cluster().(*judged)
}

// bare is a world of three members in which nothing happens by itself.
func bare(t *testing.T) *world.World {
	t.Helper()
	sc := scenarios.Default()
	sc.Name, sc.Expect = "still", []scenario.Promise{scenarios.Finished}
	sc.Network = chaos.Link{Delay: time.Millisecond, DelayMax: 50 * time.Millisecond}
	require.NoError(t, sc.Validate())
	w := judge(sim.Options{Seed: 1, Scenario: &sc})
	w.Still()
	return w.World
}

// lived returns what a quiet run of three nodes leaves behind, which every checker finds in order.
func lived(t *testing.T) (*judged, *world.Evidence) {
	t.Helper()
	sc, err := scenarios.Load("quiet")
	require.NoError(t, err)
	sc = sim.Draw(5, sc)
	w := judge(sim.Options{Seed: 5, Scenario: &sc})
	w.Run()
	e := w.Evidence()
	require.Empty(t, w.Violations())
	require.True(t, w.Settled())
	require.Greater(t, len(e.Nodes[0].Records), 10)
	return w, e
}

func requireBroken(t *testing.T, got []sim.Violation, promise, detail string) {
	t.Helper()
	for _, v := range got {
		if v.Promise == promise && strings.Contains(v.String(), detail) {
			return
		}
	}
	require.Failf(t, "the checker saw nothing", "want %s with %q, got %v", promise, detail, got)
}

func promised(p scenario.Promise) string { return p.String() }
