package checks

import (
	"encoding/binary"

	"kvs/node"
	"kvs/node/schema"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// persistCheck is "persist, then speak" between members: a write that somebody else has on disk is on the disk of
// the node that made it, or was until that disk was lost. A message that left too early shows without any crash,
// whenever the disk of its receiver is the faster one.
type persistCheck struct {
	check
	made  map[node.UUID]bool // writes that were durable at their own node.
	early []uint32           // by number of the replica: the run of which it has been said that it speaks too early.
}

func newPersistCheck(w *world.World) *persistCheck {
	return &persistCheck{check{w, promisePersist, sim.Events(sim.EventSent, world.SlotStored)},
		make(map[node.UUID]bool), make([]uint32, w.Nodes()+1)}
}

// Observe implements sim.Checker.
func (c *persistCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	switch e.Kind {
	case sim.EventSent:
		if !r.Booted && c.early[r.Number] != r.Run() {
			c.early[r.Number] = r.Run()
			c.bad(r.Number, "", "speaks before its start is on its disk: it could speak as the same run once more")
		}
	case world.SlotStored:
		s := e.Own.(*world.StoredSlot)
		c.stored(r.Number, r.ID, s.Path, &s.Slot)
	}
}

// stored takes note of a slot that replica n, of identity id, has made durable.
func (c *persistCheck) stored(n int, id node.ID, path string, s *node.Slot) {
	for i := range s.Candidates {
		w := &s.Candidates[i]
		switch {
		case world.IsEnding(s, i): // all make the same when the time has come.
		case w.Origin == id:
			c.made[w.UUID] = true
		case !c.made[w.UUID]:
			c.bad(n, path, "stores write %x of member %s, which does not have it on disk itself", w.UUID[:], w.Origin)
		}
	}
}

// "Persist, then speak" of what a member says about configurations: whoever takes part in an epoch has its
// configuration on disk, and who says that it has caught up has that on disk. Otherwise a crash would have it take
// part in the epoch before once more, whose voters may by then have been asked what they hold, or forget what
// others count on. A message that left too early shows without a crash.

// Where the epoch stands in the bodies of messages, by kind, counted in bytes: the codec files of
// node/wire.
var epochOffsets = map[byte]int{
	20: 8, 21: 8, 22: 8, 23: 8, 24: 8, // store, stored, fetch, fetched, covered: behind the operation.
	41: 1,                             // config-is: behind whether there is one.
	42: 8, 43: 8, 44: 8, 45: 8, 46: 8, // prepare, look, promised, accept, accepted: behind the round.
	47: 0, 48: 0, 49: 0, 54: 0, 55: 0, // epoch, passed-ask, passed-is, adopted-ask, adopted-is.
	50: 8, // catch-range: behind the round.
}

const (
	kindPassedIs   = 49
	envelopeHeader = 26 // bytes before the body: node/wire.go.
	envelopeSeal   = 4  // bytes behind it.
)

// epochCheck looks at messages in the moment in which they leave.
type epochCheck struct{ check }

func newEpochCheck(w *world.World) *epochCheck {
	return &epochCheck{check{w, promisePersist, sim.Events(sim.EventSent)}}
}

// Observe implements sim.Checker.
func (c *epochCheck) Observe(e *sim.Event) { c.sent(c.w.Of(e.Replica), e.Send.Data) }

// sent looks at a message in the moment in which it leaves r.
func (c *epochCheck) sent(r *world.Replica, data []byte) {
	if len(data) < envelopeHeader+envelopeSeal {
		return
	}
	offset, carries := epochOffsets[data[1]]
	body := data[envelopeHeader : len(data)-envelopeSeal]
	if !carries || len(body) < offset+8 {
		return // there may be no configuration to tell of.
	}
	key := schema.KeyConfig
	if data[1] == kindPassedIs {
		key = schema.KeyPassed
	}
	says := binary.LittleEndian.Uint64(body[offset:])
	if has := storedEpoch(r.Store(), key); says > has {
		c.bad(r.Number, "", "sends %s in epoch %d, and has epoch %d on disk under %s", world.MessageKind(data), says,
			has, key)
	}
}

// storedEpoch reads the epoch in a node's own record: behind its format.
func storedEpoch(store node.Reader, key string) uint64 {
	b, found, err := store.Get(key)
	if err != nil || !found || len(b) < 9 {
		return 0
	}
	return binary.LittleEndian.Uint64(b[1:])
}
