package kvs

import (
	"kvs/sim"
	"kvs/sim/kvs/checks"
	"kvs/sim/kvs/world"
)

// System is kvs as the simulator runs it.
type System struct {
	// Recorded says how members are recorded; nil: they are not.
	Recorded *world.Recorded
}

// Name implements sim.System.
func (System) Name() string { return "kvs" }

// New implements sim.System.
func (s System) New(of *sim.World) sim.Cluster {
	w := world.New(of)
	w.Recorded = s.Recorded
	return &cluster{w, checks.New(w)}
}

// cluster is one run: its world, and the checkers that judge it.
type cluster struct {
	*world.World
	*checks.Set
}
