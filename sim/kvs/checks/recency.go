package checks

import (
	"strings"

	"kvs/linearize"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// recencyCheck checks what the quorum level promises: a read shows nothing older than what a client was answered,
// by whatever member, before the read began; and a write is answered with no lower timestamp than that, or it would be
// hidden from its first moment on. Timestamps decide; among equal ones the winner may change as votes
// become known.
type recencyCheck struct{ check }

func newRecencyCheck(w *world.World) *recencyCheck {
	return &recencyCheck{check{w, scenarios.QuorumRecency.String(), sim.Events(sim.EventAnswered)}}
}

// Observe implements sim.Checker.
func (r *recencyCheck) Observe(e *sim.Event) {
	c, _ := e.Caller.Client.(*world.Client) // nil: it watches, and has another answer.
	k, _ := e.Answer.Body.(*world.Answer)
	if k != nil && e.Answer.Status == linearize.OK && c.Op.Kind != scenarios.OpList {
		r.answered(c, k)
	}
}

// answered checks the answer of a client's operation.
func (r *recencyCheck) answered(c *world.Client, a *world.Answer) {
	w := r.w
	if a.Version.TS == 0 && w.Disks.Highest[c.Op.Path] >= c.Floor && c.Floor > 0 {
		return // all members have collected the tombstone that it would have shown.
	}
	if w.Own.Workload.Mixed && !strings.HasPrefix(c.Op.Path, scenarios.QuorumDir) {
		return
	}
	switch {
	case a.Version.TS >= c.Floor || w.RecencyExcused(c.Op.Path, c.Floor):
	case c.Op.Kind == scenarios.OpGet:
		r.bad(c.Op.Node, c.Op.Path, "a read shows timestamp %s, but %s had been answered before it began",
			a.Version.TS, c.Floor)
	case a.Version.TS != 0: // else it has made no version.
		r.bad(c.Op.Node, c.Op.Path, "a write has timestamp %s, but %s had been answered before it began",
			a.Version.TS, c.Floor)
	}
}
