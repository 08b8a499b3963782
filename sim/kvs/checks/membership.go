package checks

import (
	"kvs/scenarios"
	"kvs/sim/kvs/world"
)

// membershipCheck judges the final state of a run.
type membershipCheck struct{ check }

func newMembershipCheck(w *world.World) *membershipCheck {
	return &membershipCheck{check{w: w, name: scenarios.MembershipAgreed.String()}}
}

// Finish implements sim.Checker.
func (c *membershipCheck) Finish() { c.w.Violate(world.Disagreements(c.w.Evidence().Nodes)...) }
