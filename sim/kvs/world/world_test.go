package world

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node/wire"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/scenario"
)

// unjudgedSystem is kvs without checkers.
type unjudgedSystem struct{}

func (unjudgedSystem) Name() string { return "kvs" }

func (unjudgedSystem) New(of *sim.World) sim.Cluster { return &unjudgedCluster{New(of)} }

type unjudgedCluster struct{ *World }

func (unjudgedCluster) Checkers() []sim.Checker { return nil }

// start makes a world in which nothing has happened yet.
func start(o sim.Options) *World {
	o.System = unjudgedSystem{}
	return sim.NewWorld(o).Cluster().(*unjudgedCluster).World
}

// unjudged is a world of three members in which nothing happens by itself.
func unjudged(t *testing.T) *World {
	t.Helper()
	sc := scenarios.Default()
	sc.Name, sc.Expect = "still", []scenario.Promise{scenarios.Finished}
	sc.Network = chaos.Link{Delay: time.Millisecond, DelayMax: 50 * time.Millisecond}
	require.NoError(t, sc.Validate())
	w := start(sim.Options{Seed: 1, Scenario: &sc})
	w.Still()
	return w
}

func TestMessageKindIsThatOfTheNode(t *testing.T) {
	require.Equal(t, "leaf-ask", MessageKind([]byte{wire.Version, byte(wire.KindLeafAsk)}))
	require.Equal(t, "kind 99", MessageKind([]byte{wire.Version, 99}))
	require.Equal(t, "cut short", MessageKind(nil))
}
