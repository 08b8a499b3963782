package live

import (
	"fmt"
	"math/rand/v2"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim/scenario"
)

// The seed's streams of random numbers: clients have 1 to scenario.ClientsMax.
const (
	streamOperator = 0
	streamClocks   = 1 << 32
	streamRetries  = 2 << 32 // and the client.
)

// Settings are the lines of a node's configuration that the scenario asks for.
func Settings(s *scenario.Scenario) string {
	t := &scenarios.Of(s).Tuning
	if *t == scenarios.NewSections().Tuning {
		return ""
	}
	return fmt.Sprintf("max_clock_offset: %s\nreplication:\n  sync_interval: %s\n  hint_ttl: %s\n  bootstrap_rate: "+
		"%d\n  tombstone_grace: %s\nlinearizable:\n  forward: %t\n",
		t.Clock, t.Sync, t.Hints, t.Rate, t.Grace, t.Forward)
}

// Needs is what a target has to be prepared for before it starts: wrong clocks, full disks.
func Needs(s *scenario.Scenario) (clocks, disks bool) {
	clocks = s.Clocks != scenario.Clocks{}
	for _, e := range s.Plan.Events {
		clocks = clocks || e.Kind.Class() == chaos.Clock
		disks = disks || e.Kind == chaos.DiskFull
	}
	return clocks, disks
}

// Clocks draws the error of each node's clock without faults, from the line `clocks`; now is in milliseconds since the
// Unix epoch.
func Clocks(s *scenario.Scenario, seed uint64, now int64) (all []chaos.ClockError) {
	rng := rand.New(rand.NewPCG(seed, streamClocks))
	sign := func() int64 { return 1 - 2*rng.Int64N(2) }
	for range s.Nodes {
		c := &s.Clocks
		offset := sign() * chaos.DrawDuration(rng, c.Skew, c.SkewMax).Milliseconds()
		all = append(all, chaos.ClockError{Offset: offset, PPM: sign() * (c.Drift + rng.Int64N(c.DriftMax-c.Drift+1)),
			Since: now})
	}
	return all
}

// OnlySimulated is why no real cluster can run a scenario, whatever its plan; empty: one may.
func OnlySimulated(s *scenario.Scenario) string {
	switch {
	case s.Keep != nil:
		return "keep: it was shrunk for the simulator, where moments are the same each time; take the line out"
	case s.Core != 0:
		return "core: only the simulator has a phase in which a part of the nodes stays broken; take the line out"
	case s.Disk.Walk:
		return "disk walk=yes: only the simulator can crash a node at each of its persists; take it out"
	case s.Disk.Busy:
		return "disk busy=yes: only the simulator knows when a node has persists in flight; take it out"
	case scenarios.Of(s).Voters.Depart != 0:
		return "voters depart: only the simulator's operator lets members leave and join anew; take it out"
	}
	return ""
}

// OnlyStarted is the setting of a scenario that a running cluster cannot have, because its nodes would have to be
// started with it; empty: there is none. The default delay of the network, some milliseconds, does not count.
func OnlyStarted(s *scenario.Scenario) string {
	usual, own, ownUsual := scenarios.Default(), scenarios.Of(s), scenarios.NewSections()
	n := s.Network
	n.Delay, n.DelayMax = 0, 0
	switch {
	case n != chaos.Link{} || s.Network.DelayMax > usual.Network.DelayMax:
		return "network: the network between nodes that run already is as it is; take the line out"
	case own.Tuning != ownUsual.Tuning:
		return "tuning: nodes that run already have settings of their own; take the line out"
	case s.Clocks != usual.Clocks:
		return "clocks: nodes that run already have clocks of their own; take the line out"
	case own.Voters != ownUsual.Voters:
		return "voters: those of a cluster that runs already are its owner's business; take the line out"
	}
	return ""
}
