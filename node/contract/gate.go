package contract

import (
	"kvs/machine"
	"kvs/node/slot"
)

// Gate holds back sends and replies until the persist they wait for is durable: see machine.Gate. It is not safe for
// concurrent use.
type Gate struct{ gate machine.Gate[Reply] }

// WaitsFor implements machine.Waiter.
func (r Reply) WaitsFor() PersistID { return r.After }

// Fail turns an answer that waited for a broken disk into an unknown outcome: the write may or may not survive.
func (r *Reply) Fail(detail string) {
	r.After = 0
	r.Code, r.Outcome, r.Detail = CodeFailed, OutcomeUnknown, detail
	r.Record = slot.Record{}
}

// Pass filters eff in place: what may go out now stays in it, the rest is kept.
func (g *Gate) Pass(eff *Effects) { eff.Sends, eff.Replies = g.gate.Pass(eff.Sends, eff.Replies) }

// Durable records that all persists up to upTo are on disk, and appends the sends and replies that this releases to
// eff.
func (g *Gate) Durable(upTo PersistID, eff *Effects) {
	eff.Sends, eff.Replies = g.gate.Durable(upTo, eff.Sends, eff.Replies)
}

// Fail drops the waiting sends and turns the waiting replies into unknown outcomes, appended to eff: the disk failed,
// and the persists that they waited for may or may not survive.
func (g *Gate) Fail(detail string, eff *Effects) {
	first := len(eff.Replies)
	eff.Replies = g.gate.Fail(eff.Replies)
	for i := first; i < len(eff.Replies); i++ {
		eff.Replies[i].Fail(detail)
	}
}

// Waiting is the number of sends and replies held back.
func (g *Gate) Waiting() int { return g.gate.Waiting() }
