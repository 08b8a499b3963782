package checks

import (
	"time"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// joinCheck follows newcomers: the answers of a node in ModeSyncing, the progress on its disk, whether it continues
// from there after a restart, and its data when it considers itself in step. The probes of the liveness phase prove
// that it serves in the end.
type joinCheck struct {
	check
	members []newcomer // by number of the replica.
	resumed int        // runs that continued a former one.
	joined  []int      // by number of the replica: how often it pulled data and got in step.
}

func newJoinCheck(w *world.World) *joinCheck {
	return &joinCheck{check: check{w, promiseJoin, sim.Events(sim.EventStarted, sim.EventDurable, sim.EventReplied,
		sim.EventWiped, sim.EventPutBack, sim.EventSwapped)}, members: make([]newcomer, w.Nodes()+1),
		joined: make([]int, w.Nodes()+1)}
}

// Observe implements sim.Checker.
func (c *joinCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	switch e.Kind {
	case sim.EventStarted:
		c.started(r)
	case sim.EventWiped:
		c.members[r.Number] = newcomer{}
	case sim.EventPutBack:
		c.putBack(r)
	case sim.EventSwapped:
		other := e.Other.Number
		c.members[r.Number], c.members[other] = c.members[other], c.members[r.Number]
	case sim.EventReplied:
		c.answers(r, e.Call.State.(*world.Call).Request.Path, e.Reply.Body.(*member.Answered).Code)
	case sim.EventDurable:
		for i := range e.Persist.Changes {
			if change := &e.Persist.Changes[i]; change.Key == node.BootstrapKey {
				c.stored(r, change.Value)
			}
		}
	}
}

// newcomer is the state of a member's bootstrap on its disk.
type newcomer struct {
	pulled    uint64       // keys that it has pulled; zero when none is under way.
	heldFirst []heldBefore // what all others held when it began.
}

// heldBefore is what all other disks held when a newcomer began.
type heldBefore struct {
	path string
	ts   node.Timestamp
}

// answers checks an answer when it may reach a client.
func (c *joinCheck) answers(r *world.Replica, path string, code node.Code) {
	if r.Node == nil || r.Node.Mode() != node.ModeSyncing {
		return
	}
	switch code {
	case node.CodeOK, node.CodeCreated, node.CodeNotFound:
		c.bad(r.Number, path, "answers %s although it has not got the data of the others yet", code)
	}
}

// started compares the progress at the start of a run with the disk.
func (c *joinCheck) started(r *world.Replica) {
	of, s := &c.members[r.Number], r.Node.Status().Bootstrap
	begins := uint64(0)
	if s != nil {
		begins = s.KeysDone
	}
	if begins != of.pulled {
		c.bad(r.Number, "", "it begins with %d keys pulled, its disk says %d", begins, of.pulled)
	}
	if begins > 0 {
		c.resumed++
	}
	if s != nil && of.pulled == 0 {
		of.heldFirst = c.heldByOthers(r)
	}
}

// putBack reads how far the member was when the copy of its disk was made: perhaps it was a newcomer. What all others
// held when it began is not known any more.
func (c *joinCheck) putBack(r *world.Replica) {
	record, found, err := r.Store().Get(node.BootstrapKey)
	if err != nil || !found {
		return
	}
	keys, err := node.BootstrapProgress(record)
	if err != nil {
		c.bad(r.Number, "", "%s", err)
	}
	c.members[r.Number].pulled = keys
}

// stored records the durable progress of a bootstrap; nil: it is over.
func (c *joinCheck) stored(r *world.Replica, record []byte) {
	of := &c.members[r.Number]
	if record == nil {
		if of.pulled > 0 {
			c.joined[r.Number]++
		}
		c.inStep(r)
		of.pulled, of.heldFirst = 0, nil
		return
	}
	keys, err := node.BootstrapProgress(record)
	switch {
	case err != nil:
		c.bad(r.Number, "", "%s", err)
	case keys < of.pulled:
		c.bad(r.Number, "", "it has pulled %d keys, and had %d before", keys, of.pulled)
	}
	of.pulled = keys
}

// inStep requires that a newcomer has the data that all others held when it began, and still hold: one of them may have
// lost its disk meanwhile, or a tombstone may have been collected. The newcomer itself may be the first that drops a
// tombstone: the others get the result later.
func (c *joinCheck) inStep(r *world.Replica) {
	still := c.heldByOthers(r)
	for _, b := range c.members[r.Number].heldFirst {
		for len(still) > 0 && still[0].path < b.path {
			still = still[1:]
		}
		if len(still) == 0 || still[0].path != b.path || still[0].ts < b.ts {
			continue
		}
		if r.Rotten[b.path] || c.w.Disks.HasEnded(r.Number, b.path, b.ts) {
			continue // a rotten record on its disk is replaced as usual.
		}
		if has := topOf(r, b.path); has < b.ts {
			c.bad(r.Number, b.path, "it considers itself in step and holds version %s, "+
				"but all others held %s before it began", has, b.ts)
		}
	}
}

// heldByOthers returns the paths that are on every other disk, with the lowest version of each, sorted by path.
func (c *joinCheck) heldByOthers(r *world.Replica) []heldBefore {
	w := c.w
	var out []heldBefore
	first := 1
	if r.Number == 1 {
		first = 2
	}
	if first > w.Nodes() {
		return nil
	}
	err := w.Replicas[first].Store().Scan(schema.PrefixRecord, "", func(key string, _ []byte) bool {
		path, _ := world.CutRecordPrefix(key)
		out = append(out, heldBefore{path: path})
		return true
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	kept := out[:0]
	for _, b := range out {
		for n := 1; n <= w.Nodes(); n++ {
			if n == r.Number {
				continue
			}
			ts := topOf(&w.Replicas[n], b.path)
			if n == first || ts < b.ts {
				b.ts = ts
			}
		}
		if b.ts > 0 {
			kept = append(kept, b)
		}
	}
	return kept
}

// topOf is the version on a replica's disk; zero: none.
func topOf(r *world.Replica, path string) node.Timestamp {
	b, found, err := r.Store().Get(schema.PrefixRecord + path)
	if err != nil || !found {
		return 0
	}
	slot, err := slot.Decode(path, b)
	if err != nil {
		return 0
	}
	return slot.Top()
}

// olderCheck watches members that were put back on an older copy of their data folder. Such a member has forgotten
// promises, votes and acknowledged writes, and knows nothing of it: the others do. Until it has heard from them it
// serves no client and takes no part in an agreement, and when it has it says what is wrong, and fails.
type olderCheck struct {
	check
	looks []int // by number of the replica: in this run, while another member could have told it.
}

// olderMax is how long a member may take to find out.
const olderMax = 15 * time.Second

func newOlderCheck(w *world.World) *olderCheck {
	return &olderCheck{check{w, promiseOlder, sim.Events(sim.EventStarted, sim.EventSent, sim.EventReplied,
		world.MemberLooked)}, make([]int, w.Nodes()+1)}
}

// answersOfVoters are the kinds of messages in which a member gives its word for what it holds.
var answersOfVoters = map[wire.Kind]bool{
	wire.KindFetched: true, wire.KindPromised: true, wire.KindAccepted: true, wire.KindCollectAnswer: true,
	wire.KindCatchSlots: true, wire.KindPassedIs: true,
}

// Observe implements sim.Checker.
func (c *olderCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	if e.Kind == sim.EventStarted {
		c.looks[r.Number] = 0
	}
	if !r.Older {
		return
	}
	switch e.Kind {
	case sim.EventSent:
		if kind, _, _, ok := openFrame(e.Send.Data); ok && answersOfVoters[kind] {
			c.bad(r.Number, "", "is on an older copy of its disk, and gives its word: %s", kind)
		}
	case sim.EventReplied:
		switch resp := &e.Reply.Body.(*member.Answered).Response; resp.Code {
		case node.CodeOK, node.CodeCreated, node.CodeNotFound, node.CodePrecondition:
			c.bad(r.Number, e.Call.State.(*world.Call).Request.Path, "is on an older copy of its disk, and answers %s",
				resp.Code)
		}
	case world.MemberLooked:
		c.look(r)
	}
}

// look counts the time in which the member could have found out.
func (c *olderCheck) look(r *world.Replica) {
	others := 0
	for n := 1; n <= c.w.Nodes(); n++ {
		if o := &c.w.Replicas[n]; n != r.Number && !o.Older && c.w.AbleTo(o) {
			others++
		}
	}
	if r.Paused() || others == 0 || c.w.NetSince() > 0 || r.Node.Mode() == node.ModeFailed {
		return
	}
	c.looks[r.Number]++
	if time.Duration(c.looks[r.Number])*sim.WatchEvery == olderMax {
		c.bad(r.Number, "", "is on an older copy of its disk, and has not found out in %s", olderMax)
	}
}
