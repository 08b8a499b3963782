package sim

import (
	"fmt"
	"time"

	"kvs/node"
)

// backlog is what waits in the world around a node.
type backlog struct{ gate, disk, inbox int }

// backlogMax bounds what may wait for a disk: far more than clients and peers of a cluster this size can have open.
const backlogMax = 20_000

// hintSlack is how late a node may drop hints: it wakes up for it, but a paused one does not.
const hintSlack = time.Second

// checkBounds looks at the queues of one replica, and at what only a bug can cause: streams have checksums of their own,
// so a frame that its receiver refuses was encoded wrongly.
func checkBounds(n int, s *node.Status, b backlog, t node.Tuning) []Violation {
	var out []Violation
	bad := func(format string, args ...any) {
		out = append(out, Violation{Promise: promiseBounded, Node: n, Detail: fmt.Sprintf(format, args...)})
	}
	bytesMax := t.QueueBytesMax + t.BatchBytesMax + node.RecordBytesMax
	for _, p := range s.Peers {
		if p.QueueBytes < 0 || p.QueueBytes > bytesMax || p.QueueEntries < 0 {
			bad("its queue for peer %s has %d entries of %d bytes, at most %d bytes are allowed", p.ID, p.QueueEntries, p.QueueBytes, bytesMax)
		}
	}
	for _, p := range s.Peers {
		if p.Away > t.HintTTL+hintSlack && p.QueueEntries > 0 {
			bad("it still keeps %d hints for peer %s, which has been dead for %s", p.QueueEntries, p.ID, p.Away)
		}
	}
	if b.gate > backlogMax || b.disk > backlogMax || b.inbox > inboxMax+1 {
		bad("%d effects and %d persists wait for its disk, %d inputs for the end of a pause", b.gate, b.disk, b.inbox)
	}
	if s.Counters.FramesBad > 0 {
		bad("it refused %d frames, and streams do not corrupt", s.Counters.FramesBad)
	}
	return out
}
