// Package promises judges that voters can keep what they promise without a record. A promise that a crash takes along
// shows in an outcome only if a rival's record is on its way at just that moment, so the checker looks at the disk when
// the promise leaves. It is one of those of package checks.
package promises

import (
	"fmt"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// Check compares each yes to a PREPARE with the bound that its sender has on disk. The registers of configurations keep
// their promises in records, which the answer shows.
type Check struct {
	w       *world.World
	configs map[uint64]string            // paths of PREPAREs about configurations, by round.
	bounds  map[*sim.Replica]slot.Ballot // the last bounds that were read.
}

// Name is what the checker reports: a restart keeps what a voter promises.
const Name = "promised"

// New makes the checker of a run of the simulator.
func New(w *world.World) *Check {
	return &Check{w, make(map[uint64]string), make(map[*sim.Replica]slot.Ballot)}
}

// Name implements sim.Checker.
func (c *Check) Name() string { return Name }

// Events implements sim.Checker.
func (c *Check) Events() sim.EventSet { return sim.Events(sim.EventSent, sim.EventStarted) }

// Finish implements sim.Checker: nothing is judged at the end.
func (c *Check) Finish() {}

// Observe implements sim.Checker.
func (c *Check) Observe(e *sim.Event) {
	if e.Kind == sim.EventStarted {
		delete(c.bounds, e.Replica) // it may have another disk.
		return
	}
	data := e.Send.Data
	if len(data) < wire.EnvelopeBytes {
		return
	}
	kind := wire.Kind(data[1])
	if kind != wire.KindPrepare && kind != wire.KindPromised {
		return
	}
	_, _, body, err := wire.Open(data, wire.ClusterHash(world.ClusterName))
	if err != nil {
		return
	}
	if kind == wire.KindPrepare {
		var q wire.Question
		if q.Decode(body) == nil && schema.IsConfigPath(q.Path) {
			c.configs[q.Round] = q.Path
		}
		return
	}
	var a wire.Promised
	if a.Decode(body) == nil && a.OK && a.Promised.TS != 0 { // in an answer to a look it is no ballot.
		c.said(e.Replica, &a)
	}
}

// said is called when a voter promises.
func (c *Check) said(r *sim.Replica, a *wire.Promised) {
	if path, config := c.configs[a.Round]; config {
		if shown, err := slot.Decode(path, a.Record); err != nil || shown.Consensus.Promise() != a.Promised {
			c.bad(r, path, "promises %s in a record that says otherwise", a.Promised)
		}
		return
	}
	if below(a.Promised, c.bounds[r]) {
		return
	}
	bound, err := read(c.w.Of(r).Store())
	if err != nil {
		c.bad(r, "", "promises %s, and the bound of its promises cannot be read: %v", a.Promised, err)
		return
	}
	if c.bounds[r] = bound; !below(a.Promised, bound) {
		c.bad(r, "", "promises %s, and the bound on its disk is %s", a.Promised, bound)
	}
}

// below reports whether a restart on a bound keeps a promise.
func below(b, bound slot.Ballot) bool {
	return b.Epoch < bound.Epoch || b.Epoch == bound.Epoch && b.TS <= bound.TS
}

// read is the bound of promises without a record, see node/step/promises.go.
func read(store node.Reader) (bound slot.Ballot, err error) {
	b, found, err := store.Get(schema.KeyPromises)
	if err != nil || !found {
		return bound, err
	}
	r, _, err := schema.OpenUpTo(schema.KeyPromises, b, 2)
	if err != nil {
		return bound, err
	}
	r.U64() // starts,
	r.U64() // and the bound of all promises,
	r.U64() // with its epoch.
	bound.TS = slot.ReadTimestamp(r)
	bound.Epoch = r.U64()
	return bound, r.End()
}

func (c *Check) bad(r *sim.Replica, path, format string, args ...any) {
	c.w.Violate(sim.Violation{Promise: Name, Node: r.Number, Path: path, Detail: fmt.Sprintf(format, args...)})
}
