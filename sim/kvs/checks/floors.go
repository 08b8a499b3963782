package checks

import (
	"fmt"
	"slices"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// floorCheck holds members to what the end of a tombstone rests on: see node/tombstones. Who drops one stores in the
// same persist, or has stored before, whose frames are too old from then on and how far the fence reaches; and takes
// in no such frame, whatever it holds. Both matter only when a frame from before the end is still under way, with the
// value that was deleted, and after a crash at that; this sees them without.
type floorCheck struct {
	check
	members []floorsOf          // by number of the replica.
	answers map[uint64][]answer // by round: what members have acknowledged.
	rounds  []uint64            // those of answers, the oldest first.
}

// floorsOf is what a member refuses, and what it has said.
type floorsOf struct {
	stamps stamps           // on disk or on the way there.
	sealed wire.Stamp       // of the last frame before the running step.
	late   *late            // the frame that is being taken in, if it is too old.
	words  []wire.Collected // the last that it has heard or given, as long as it runs.
}

// stamps are a member's own record of what it refuses.
type stamps struct {
	fence  node.Timestamp
	floors []wire.Floor
}

type answer struct {
	member node.ID
	upTo   wire.Stamp
}

// late is a frame that has to be refused, and what its receiver has counted before.
type late struct {
	from    node.ID
	stamp   wire.Stamp
	floor   wire.Stamp
	kind    wire.Kind
	counted uint64
}

const (
	roundsMax = 1 << 12 // rounds whose answers are kept.
	wordsMax  = 64      // words that a member may have to ask back about before it believes them.
)

func newFloorCheck(w *world.World) *floorCheck {
	return &floorCheck{
		check:   check{w, promiseFloors, sim.Events(sim.EventStarted, sim.EventReceived, sim.EventStepped)},
		members: make([]floorsOf, w.Nodes()+1), answers: make(map[uint64][]answer),
	}
}

// Observe implements sim.Checker.
func (c *floorCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	m := &c.members[r.Number]
	switch e.Kind {
	case sim.EventStarted:
		*m = floorsOf{}
		if b, found, err := r.Store().Get(schema.KeyStamps); err == nil && found {
			m.stamps = readStamps(b)
		}
	case sim.EventReceived:
		if e.Transport == sim.TransportFrame {
			m.late = c.lateFrame(r, e.Message)
		}
	case sim.EventStepped:
		if l := m.late; l != nil {
			m.late = nil
			if refused(r) == l.counted {
				c.bad(r.Number, "", "takes in a %s of %s with stamp %d, and has dropped what that member "+
					"acknowledged with stamp %d", l.kind, l.from, l.stamp, l.floor)
			}
		}
		c.stepped(r, e)
	}
}

// refused counts the frames that a member has not taken in.
func refused(r *world.Replica) uint64 {
	k := r.Node.Counters
	return k.FramesLate + k.FramesBad + k.FramesForeign + k.OtherCluster + k.OtherFounding
}

// lateFrame reports whether a frame has to be refused: nil, it has not.
func (c *floorCheck) lateFrame(r *world.Replica, data []byte) *late {
	floors := c.members[r.Number].stamps.floors
	if len(floors) == 0 {
		return nil
	}
	kind, from, stamp, ok := openFrame(data)
	if !ok || kind == wire.KindMemberTable || r.Node == nil || r.Node.Mode() == node.ModeFailed {
		return nil
	}
	i := slices.IndexFunc(floors, func(f wire.Floor) bool { return f.Member == from })
	if i < 0 || stamp > floors[i].Stamp {
		return nil
	}
	return &late{from, stamp, floors[i].Stamp, kind, refused(r)}
}

// isKind reports whether a message is of a kind, if it is intact.
func isKind(data []byte, k wire.Kind) bool {
	return len(data) >= wire.EnvelopeBytes && wire.Kind(data[1]) == k
}

// opened is openFrame for one kind of messages: all others cost nothing.
func opened(data []byte, k wire.Kind) (from node.ID, ok bool) {
	if !isKind(data, k) {
		return 0, false
	}
	_, from, _, ok = openFrame(data)
	return from, ok
}

// openFrame reads the envelope of a frame.
func openFrame(data []byte) (kind wire.Kind, from node.ID, stamp wire.Stamp, ok bool) {
	kind, from, _, err := wire.Open(data, wire.ClusterHash(world.ClusterName))
	if err != nil {
		return 0, 0, 0, false
	}
	return kind, from, wire.ReadStamp(data), true
}

// stepped judges what a member stores, and what it says, in one step.
func (c *floorCheck) stepped(r *world.Replica, e *sim.Event) {
	m := &c.members[r.Number]
	erases := ""
	for i := range e.Effects.Persist.Changes {
		change := &e.Effects.Persist.Changes[i]
		if path, is := world.CutRecordPrefix(change.Key); is && change.Value == nil {
			erases = path
		}
		if change.Key == schema.KeyStamps {
			m.stamps = readStamps(change.Value)
		}
	}
	said := wordsIn(e)
	m.words = append(m.words, said...)
	m.words = m.words[max(0, len(m.words)-wordsMax):]
	if erases != "" {
		c.ends(r, erases)
	}
	if e.Input != nil && len(said) > 0 {
		c.concludes(r, e.Input, said)
	}
	c.answered(r, e.Effects.Sends)
}

// ends judges a step that drops tombstones, of which path is one: what it rests on is the word that the step was given,
// or gives to others.
func (c *floorCheck) ends(r *world.Replica, path string) {
	m := &c.members[r.Number]
	if was, held := c.w.Disks.At(r.Number, path); held {
		if top := max(was.Reach(), was.Consensus.Promise().TS); m.stamps.fence < top {
			c.bad(r.Number, path, "drops what reaches up to %s, and stores a fence at %s", top, m.stamps.fence)
		}
	}
	missing := ""
	for i := range m.words {
		word := &m.words[i]
		if !slices.ContainsFunc(word.Paths, func(v wire.HeldVersion) bool { return v.Path == path }) {
			continue
		}
		if missing = m.stamps.lacks(word, r.ID); missing == "" {
			return
		}
	}
	if missing != "" {
		c.bad(r.Number, path, "drops it, and stores %s", missing)
	}
}

// lacks says what stamps do not refuse of what a word says is too old; empty: nothing.
func (s *stamps) lacks(word *wire.Collected, self node.ID) string {
	if s.fence < word.Fence {
		return fmt.Sprintf("a fence at %s, which is below %s", s.fence, word.Fence)
	}
	for _, f := range word.Floors {
		if has := floorOf(s.floors, f.Member); has < f.Stamp && f.Member != self {
			return fmt.Sprintf("that frames of %s are refused up to stamp %d, which should be %d", f.Member, has,
				f.Stamp)
		}
	}
	return ""
}

// wordsIn are the words about the end of tombstones that a step was given, or gives.
func wordsIn(e *sim.Event) (out []wire.Collected) {
	add := func(data []byte) {
		var m wire.Collected
		if _, ok := opened(data, wire.KindCollected); ok && m.Decode(bodyOf(data)) == nil {
			out = append(out, m)
		}
	}
	if e.Input != nil && e.Input.Kind == sim.InputFrame {
		add(e.Input.Data)
	}
	for i := range e.Effects.Sends {
		if s := &e.Effects.Sends[i]; s.Transport == sim.TransportFrame {
			add(s.Data)
		}
	}
	return out
}

func bodyOf(frame []byte) []byte { return frame[envelopeHeader : len(frame)-envelopeSeal] }

// answered records what a member acknowledges: everything that it had sealed before is too old then.
func (c *floorCheck) answered(r *world.Replica, sends []sim.Send) {
	m := &c.members[r.Number]
	last := m.sealed
	for i := range sends {
		frame := sends[i].Data // of this member itself: it is intact.
		if sends[i].Transport != sim.TransportFrame || wire.ReadStamp(frame) <= m.sealed {
			continue // or what was sealed in a former step and has waited for the disk.
		}
		last = max(last, wire.ReadStamp(frame))
		var a wire.CollectAnswer
		from, ok := opened(frame, wire.KindCollectAnswer)
		if !ok || a.Decode(bodyOf(frame)) != nil {
			continue
		}
		if a.UpTo < m.sealed {
			c.bad(r.Number, "", "acknowledges tombstones for frames up to stamp %d, and has sent stamp %d before",
				a.UpTo, m.sealed)
		}
		if _, known := c.answers[a.Round]; !known {
			if c.rounds = append(c.rounds, a.Round); len(c.rounds) > roundsMax {
				delete(c.answers, c.rounds[0])
				c.rounds = c.rounds[1:]
			}
		}
		// A question that arrives twice is answered twice, and the collector takes either.
		if i := slices.IndexFunc(c.answers[a.Round], func(o answer) bool { return o.member == from }); i >= 0 {
			known := &c.answers[a.Round][i]
			known.upTo = min(known.upTo, a.UpTo)
			continue
		}
		c.answers[a.Round] = append(c.answers[a.Round], answer{from, a.UpTo})
	}
	m.sealed = last
}

// concludes compares the word that a member gives, when the last answer of a round has come, with the answers.
func (c *floorCheck) concludes(r *world.Replica, in *sim.Input, words []wire.Collected) {
	var a wire.CollectAnswer
	if in.Kind != sim.InputFrame {
		return
	}
	if _, ok := opened(in.Data, wire.KindCollectAnswer); !ok || a.Decode(bodyOf(in.Data)) != nil {
		return
	}
	for _, word := range words {
		for _, said := range c.answers[a.Round] {
			if has := floorOf(word.Floors, said.member); has < said.upTo {
				c.bad(r.Number, "", "passes on that frames of %s are refused up to stamp %d, which has acknowledged %d",
					said.member, has, said.upTo)
			}
		}
	}
}

func floorOf(floors []wire.Floor, member node.ID) wire.Stamp {
	for _, f := range floors {
		if f.Member == member {
			return f.Stamp
		}
	}
	return 0
}

// readStamps reads the record of node/tombstones/stamps.go. One that cannot be read is none.
func readStamps(b []byte) (s stamps) {
	r, err := schema.Open(schema.KeyStamps, b)
	if err != nil {
		return s
	}
	s.fence = slot.ReadTimestamp(r)
	r.U32() // the generation.
	s.floors = wire.ReadFloors(r)
	if r.End() != nil {
		panic(fmt.Sprintf("kvs: a record of stamps of %d bytes that is sealed and cannot be read", len(b)))
	}
	return s
}
