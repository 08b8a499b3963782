package asked

import (
	"kvs/node"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// Outcomes requires that members know what became of each write, unless its time was nearly up: a write that waits for
// its turn that long is too much load. It is for scenarios without faults.
type Outcomes struct{ check }

// NewOutcomes makes the checker of a run; promise is what it reports.
func NewOutcomes(w *world.World, promise string) *Outcomes { return &Outcomes{check{w, promise}} }

// Events implements sim.Checker.
func (k *Outcomes) Events() sim.EventSet { return sim.Events(sim.EventReplied) }

// Observe implements sim.Checker.
func (k *Outcomes) Observe(e *sim.Event) {
	resp, c := &e.Reply.Body.(*member.Answered).Response, e.Call.State.(*world.Call)
	if resp.Outcome == node.OutcomeUnknown && k.w.Now()-c.AskedAt < k.w.Own.Workload.Timeout*8/10 {
		k.bad(e.Replica.Number, c.Request.Path, "does not know what became of a write: %s (%s)",
			resp.Code, resp.Detail)
	}
}
