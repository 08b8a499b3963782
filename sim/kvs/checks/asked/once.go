package asked

import (
	"strings"

	"kvs/node"
	"kvs/node/contract"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// Once holds members to it that a linearizable write is applied once: all members that say that it was, to a client or
// to the member that has forwarded it, and all that show it at that level, name the same version of it. A write that
// was applied twice, and overwritten each time in the same batch, shows on no disk, and in a history only if a client
// has read between.
type Once struct {
	check
	versions map[node.UUID]node.Timestamp
}

// NewOnce makes the checker of a run; promise is what it reports.
func NewOnce(w *world.World, promise string) *Once {
	return &Once{check{w, promise}, make(map[node.UUID]node.Timestamp)}
}

// Events implements sim.Checker.
func (k *Once) Events() sim.EventSet { return sim.Events(sim.EventReplied, sim.EventSent) }

// Observe implements sim.Checker.
func (k *Once) Observe(e *sim.Event) {
	if e.Kind == sim.EventSent {
		if a := Forwarded(e.Send.Data); a != nil && Applied(a) {
			k.said(e.Replica.Number, a.Response.Record.Version())
		}
		return
	}
	c, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response
	shows := c.Acknowledged(resp) || resp.Record.Live() &&
		(resp.Code == node.CodeOK || resp.Code == node.CodePrecondition)
	if shows && resp.Level == node.Linearizable &&
		strings.HasPrefix(c.Request.Path, k.w.Own.Workload.LinearizablePrefix()) {
		k.said(e.Replica.Number, resp.Record.Version())
	}
}

// said is called when a member says that a write was applied, and as which version.
func (k *Once) said(n int, v node.Version) {
	before, known := k.versions[v.UUID]
	if k.versions[v.UUID] = v.TS; known && before != v.TS {
		k.bad(n, "", "says that write %x was applied as version %s, and %s was said before", v.UUID[:], v.TS, before)
	}
}

// Forwards is the operation in a frame that hands one to another member; nil: there is none.
func Forwards(data []byte) *wire.Forward {
	return readKind[wire.Forward](data, wire.KindForward)
}

// Forwarded is the answer in a frame to the member that has forwarded an operation; nil: there is none.
func Forwarded(data []byte) *wire.Forwarded {
	return readKind[wire.Forwarded](data, wire.KindForwarded)
}

// readKind is the message in a frame of a kind; nil: it is of another one. Memory is taken for that kind only.
func readKind[M any, B interface {
	*M
	Decode(body []byte) error
}](data []byte, kind wire.Kind) *M {
	if !isKind(data, kind) {
		return nil
	}
	m := new(M)
	if _, ok := read(data, B(m)); !ok {
		return nil
	}
	return m
}

// Applied reports whether an answer says that a forwarded write was applied, and is there.
func Applied(a *wire.Forwarded) bool {
	return a.Fate == wire.FateAnswered && !a.UUID.IsZero() && a.Response.Outcome == contract.OutcomeApplied &&
		a.Response.Record.Exists()
}
