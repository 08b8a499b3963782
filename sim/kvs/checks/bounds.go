package checks

import (
	"fmt"
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/slot"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// backlog counts what waits in the world around a node.
type backlog struct{ gate, disk, inbox int }

// backlogMax bounds what may wait for a disk: far more than clients and peers of a cluster this size can have open.
const backlogMax = 20_000

// hintSlack is how late a node may drop hints: it has a timer for it, but a paused node does not run.
const hintSlack = time.Second

// boundsCheck checks all running members at intervals.
type boundsCheck struct {
	check
	forged bool // an outsider has sent messages: a member may refuse them.
}

func newBoundsCheck(w *world.World) *boundsCheck {
	return &boundsCheck{check: check{w, promiseBounded, sim.Events(world.MemberLooked, sim.EventFault)}}
}

// Observe implements sim.Checker.
func (c *boundsCheck) Observe(e *sim.Event) {
	if e.Kind == sim.EventFault {
		c.forged = c.forged || e.Fault.Kind == chaos.Forge
		return
	}
	b, status := backlog{disk: len(e.Replica.Queued())}, e.Own.(*world.Look).Status
	b.gate, b.inbox = e.Replica.Backlog()
	if c.forged {
		status.Counters.FramesBad = 0
	}
	c.w.Violate(checkBounds(e.Replica.Number, &status, b, c.w.Tuning())...)
}

// checkBounds checks the queues of one replica, and counters that only a bug can raise: streams have checksums of their
// own, so a frame that its receiver refuses was encoded wrongly.
func checkBounds(n int, s *node.Status, b backlog, t node.Tuning) []sim.Violation {
	var out []sim.Violation
	bad := func(format string, args ...any) {
		out = append(out, sim.Violation{Promise: promiseBounded, Node: n, Detail: fmt.Sprintf(format, args...)})
	}
	bytesMax := t.QueueBytesMax + t.BatchBytesMax + slot.RecordBytesMax
	for _, p := range s.Peers {
		if p.QueueBytes < 0 || p.QueueBytes > bytesMax || p.QueueEntries < 0 {
			bad("its queue for peer %s has %d entries of %d bytes, at most %d bytes are allowed", p.ID,
				p.QueueEntries, p.QueueBytes, bytesMax)
		}
	}
	for _, p := range s.Peers {
		if p.Away > t.HintTTL+hintSlack && p.QueueEntries > 0 {
			bad("it still keeps %d hints for peer %s, which has been dead for %s", p.QueueEntries, p.ID, p.Away)
		}
	}
	if b.gate > backlogMax || b.disk > backlogMax || b.inbox > sim.InboxMax+1 {
		bad("%d effects and %d persists wait for its disk, %d inputs for the end of a pause", b.gate, b.disk, b.inbox)
	}
	if s.Counters.FramesBad > 0 {
		bad("it refused %d frames, and streams do not corrupt", s.Counters.FramesBad)
	}
	return out
}

// sealedCheck: where datagrams are sealed no member accepts one of a stranger, and none refuses one of another member.
type sealedCheck struct{ check }

func newSealedCheck(w *world.World) *sealedCheck {
	return &sealedCheck{check{w, promiseSealed, sim.Events(world.MemberLooked, sim.EventNoted)}}
}

// Observe implements sim.Checker.
func (c *sealedCheck) Observe(e *sim.Event) {
	if broken, is := e.Note.(*member.Broken); e.Kind == sim.EventNoted && is {
		c.bad(e.Replica.Number, "", "%s", broken)
	}
	if look, is := e.Own.(*world.Look); is && look.Status.Counters.FramesForeign > 0 {
		c.bad(e.Replica.Number, "", "it refused %d frames, taking their sender for another member",
			look.Status.Counters.FramesForeign)
	}
}
