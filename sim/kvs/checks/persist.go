package checks

import (
	"encoding/binary"

	"kvs/node"
	"kvs/node/schema"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// persistCheck is "persist, then speak" between members: a write on another member's disk is on the disk of the node
// that made it, or was until that disk was lost. A message that left too early shows without a crash, whenever the disk
// of its receiver is faster.
type persistCheck struct {
	check
	made  map[node.UUID]bool // writes that were durable at their own node.
	early []uint32           // by number of the replica: the run for which an early message has been reported.
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
			c.bad(r.Number, "", "sends before its start is on its disk: it could send as the same run again")
		}
	case world.SlotStored:
		s := e.Own.(*world.StoredSlot)
		c.stored(r.Number, r.ID, s.Path, &s.Slot)
	}
}

// stored checks a slot that replica n, of identity id, has made durable.
func (c *persistCheck) stored(n int, id node.ID, path string, s *node.Slot) {
	for i := range s.Candidates {
		w := &s.Candidates[i]
		switch {
		case world.IsEnding(s, i): // all members make the same one when the time to live is over.
		case w.Origin == id:
			c.made[w.UUID] = true
		case !c.made[w.UUID]:
			c.bad(n, path, "stores write %x of member %s, which does not have it on disk itself", w.UUID[:], w.Origin)
		}
	}
}

// "Persist, then speak" for messages about configurations: a member that takes part in an epoch has its configuration
// on disk, and a member that reports that it has caught up has that on disk. Otherwise after a crash it could take part
// in the former epoch again, whose voters may already have been asked for their data, or lose a fact on which others
// rely. A message that left too early shows without a crash.

const (
	kindPassedIs   = 49
	envelopeHeader = 26 // bytes before the body: node/wire.go.
	envelopeSeal   = 4  // bytes after it.
)

// The offset of the epoch in messages, by kind, in bytes from the beginning of the envelope: see the codec files of
// node/wire. Zero: the kind carries none.
var epochOffsets = [256]int{
	20: envelopeHeader + 8, // store, stored, fetch, fetched, covered: behind the operation.
	21: envelopeHeader + 8, 22: envelopeHeader + 8, 23: envelopeHeader + 8, 24: envelopeHeader + 8,
	41: envelopeHeader + 1, // config-is: behind whether there is one.
	42: envelopeHeader + 8, // prepare, look, promised, accept, accepted: behind the round.
	43: envelopeHeader + 8, 44: envelopeHeader + 8, 45: envelopeHeader + 8, 46: envelopeHeader + 8,
	47: envelopeHeader, // epoch, passed-ask, passed-is, adopted-ask, adopted-is.
	48: envelopeHeader, kindPassedIs: envelopeHeader, 54: envelopeHeader, 55: envelopeHeader,
	50: envelopeHeader + 8, // catch-range: behind the round.
}

// epochCheck checks messages when they leave.
type epochCheck struct{ check }

func newEpochCheck(w *world.World) *epochCheck {
	return &epochCheck{check{w, promisePersist, sim.Events(sim.EventSent)}}
}

// Observe implements sim.Checker.
func (c *epochCheck) Observe(e *sim.Event) { c.sent(c.w.Of(e.Replica), e.Send.Data) }

// sent checks a message when it leaves r.
func (c *epochCheck) sent(r *world.Replica, data []byte) {
	if len(data) < 2 {
		return
	}
	offset := epochOffsets[data[1]]
	if offset == 0 || len(data) < offset+8+envelopeSeal {
		return // there may be no configuration.
	}
	key := schema.KeyConfig
	if data[1] == kindPassedIs {
		key = schema.KeyPassed
	}
	says := binary.LittleEndian.Uint64(data[offset:])
	if has := storedEpoch(r.Store(), key); says > has {
		c.bad(r.Number, "", "sends %s in epoch %d, and has epoch %d on disk under %s", world.MessageKind(data), says,
			has, key)
	}
}

// storedEpoch reads the epoch in a node's own record, after its format.
func storedEpoch(store node.Reader, key string) uint64 {
	b, found, err := store.Get(key)
	if err != nil || !found || len(b) < 9 {
		return 0
	}
	return binary.LittleEndian.Uint64(b[1:])
}
