package checks

import (
	"kvs/node"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// deliveryCheck checks acknowledgements between members and to clients against the disks. An acknowledged write is on
// the disk of the member that acknowledges it, and at the quorum level on those of a majority of the voters, at the
// moment of the acknowledgement. And when nothing waits for a peer any more, the peer has acknowledged everything: then
// its disk holds everything.
//
// Comparisons would repair a wrong acknowledgement before the end of a run, and crashes in the few milliseconds between
// the acknowledgement and the disk are rare; this check needs no crash.
type deliveryCheck struct {
	check
	held map[node.ID]map[string]*node.Timestamp // by member and path.
	owed map[debt][]owedWrite
	// versions up to a rotten one need not be sent from that disk.
	spoiled map[spoiledPath]node.Timestamp
}

type spoiledPath struct {
	replica int
	path    string
}

// debt is between one run of a replica and a peer.
type debt struct {
	replica int
	run     uint32
	peer    node.ID
}

type owedWrite struct {
	path string
	ts   node.Timestamp
}

func newDeliveryCheck(w *world.World) *deliveryCheck {
	return &deliveryCheck{
		check: check{w, promiseDelivery, sim.Events(sim.EventReplied, sim.EventRotten, world.SlotStored,
			world.MemberLooked)},
		held:    make(map[node.ID]map[string]*node.Timestamp),
		owed:    make(map[debt][]owedWrite),
		spoiled: make(map[spoiledPath]node.Timestamp),
	}
}

// Observe implements sim.Checker.
func (c *deliveryCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	switch e.Kind {
	case world.SlotStored:
		s := e.Own.(*world.StoredSlot)
		c.stored(r.ID, s.Path, &s.Slot)
	case world.MemberLooked:
		if !r.Paused() {
			c.idle(r, &e.Own.(*world.Look).Status)
		}
	case sim.EventRotten:
		path, _ := world.CutRecordPrefix(e.Key)
		c.rotted(r, path)
	case sim.EventReplied:
		k, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response
		if k.Acknowledged(resp) {
			c.acknowledged(r, k.Request.Path, resp, k.Peers)
		}
	}
}

// stored records a slot that a member has made durable: it has held this version, or a newer one, ever since.
func (c *deliveryCheck) stored(id node.ID, path string, s *node.Slot) {
	paths := c.held[id]
	if paths == nil {
		paths = make(map[string]*node.Timestamp)
		c.held[id] = paths
	}
	top := paths[path]
	if top == nil {
		top = new(node.Timestamp)
		paths[path] = top
	}
	*top = max(*top, s.Top())
}

// top is the highest version of a path that a member has held; zero: none.
func (c *deliveryCheck) top(id node.ID, path string) node.Timestamp {
	if top := c.held[id][path]; top != nil {
		return *top
	}
	return 0
}

// acknowledged compares a member's acknowledgement to a client with the disks of the voters. peers are the members that
// it knew when it made the write.
func (c *deliveryCheck) acknowledged(r *world.Replica, path string, resp *node.Response, peers []node.ID) {
	ts := resp.Record.TS
	if resp.Level == node.Linearizable {
		return // chosenCheck checks the voters, and the coordinator may not be one.
	}
	if c.top(r.ID, path) < ts {
		c.bad(r.Number, path, "acknowledges %s, which is not on its disk", ts)
	}
	if resp.Level != node.Quorum {
		for _, id := range peers {
			key := debt{r.Number, r.Run(), id}
			c.owed[key] = append(c.owed[key], owedWrite{path, ts})
		}
		return
	}
	config := r.KnownConfig()
	have := c.have(config.Voters, path, ts)
	// its epoch may have ended while it waited for the disk.
	if have < config.Majority() && 2*c.have(config.Previous, path, ts) <= len(config.Previous) {
		c.bad(r.Number, path, "acknowledges %s at the quorum level, which is on %d of the %d voters' disks", ts, have,
			len(config.Voters))
	}
}

// have counts the members that have had a version of a path, or one after it, on disk.
func (c *deliveryCheck) have(members []node.ID, path string, ts node.Timestamp) (count int) {
	for _, id := range members {
		if c.top(id, path) >= ts {
			count++
		}
	}
	return count
}

// rotted records a record that is damaged while it may wait for peers: then it is not sent, and a comparison brings it.
func (c *deliveryCheck) rotted(r *world.Replica, path string) {
	c.spoiled[spoiledPath{r.Number, path}] = c.top(r.ID, path)
}

// idle checks the peers for which nothing waits.
func (c *deliveryCheck) idle(r *world.Replica, s *node.Status) {
	for i := range s.Peers {
		p := &s.Peers[i]
		key := debt{r.Number, r.Run(), p.ID}
		if p.QueueEntries > 0 {
			continue
		}
		if p.Dropped+p.HintsFull+p.HintsExpired == 0 { // otherwise a comparison brings it.
			for _, w := range c.owed[key] {
				if c.top(p.ID, w.path) < w.ts && c.spoiled[spoiledPath{r.Number, w.path}] < w.ts {
					c.bad(r.Number, w.path, "has nothing waiting for peer %s any more, whose disk never held %s",
						p.ID, w.ts)
				}
			}
		}
		if paid, owes := c.owed[key]; owes {
			c.owed[key] = paid[:0]
		}
	}
}
