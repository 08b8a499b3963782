package register

import (
	"encoding/binary"
	"maps"
	"slices"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// What simulators and people see of operations under way. Nothing in the core reads it.

var phaseWords = [...]string{
	phaseLook:      "a look at what voters hold",
	phasePrepare:   "promises",
	phaseAccept:    "acceptances",
	phasePause:     "the end of a back-off",
	phaseQueued:    "another operation of this member on the path",
	phaseRiding:    "the round of another operation of this member on the path",
	phaseForwarded: "the member that runs what is asked of this path",
	phaseDone:      "nothing",
}

// Idle reports whether nothing is under way, stragglers included.
func (m *Machine) Idle() bool { return m.open == 0 && len(m.ops) == 0 && len(m.turns) == 0 }

// AppendOpen appends the operations under way, in the order in which they began, to a list for people.
func (m *Machine) AppendOpen(out []contract.OpenOperation) []contract.OpenOperation {
	for _, o := range m.ops {
		if o.phase != phaseDone {
			out = append(out, m.describe(o))
		}
	}
	return out
}

func (m *Machine) describe(o *operation) contract.OpenOperation {
	open := contract.OpenOperation{
		Op: o.Request.Op, Level: contract.Linearizable, Path: o.Request.Path, Waits: phaseWords[o.phase],
		Disk: max(o.local, o.after) > m.Durable, Since: o.began,
	}
	if !o.internal {
		open.Request = o.Request.ID
	}
	if o.phase == phaseForwarded {
		open.Members = []slot.ID{o.errand.peer}
		return open
	}
	if m.InForce == nil || o.phase > phaseAccept {
		return open
	}
	for _, voter := range m.InForce.Voters {
		answered := slices.Contains(o.oks, voter) || slices.Contains(o.against, voter) ||
			slices.Contains(o.blind, voter)
		for i := range o.answers {
			answered = answered || o.answers[i].Voter == voter
		}
		if !answered && voter != m.Self {
			open.Members = append(open.Members, voter)
		}
	}
	return open
}

// AppendState appends an unambiguous form of the operations under way, of whose turn it is, and of the ballots that
// stand. Left out: when timers are due, how old the ballots are, and the names of exchanges to come.
func (m *Machine) AppendState(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.ops)))
	for _, o := range m.ops {
		b = o.appendState(b, m.Durable)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.turns)))
	for _, path := range slices.Sorted(maps.Keys(m.turns)) {
		t := m.turns[path]
		b = codec.AppendString(b, path)
		b = binary.LittleEndian.AppendUint64(b, t.holder.Request.ID)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.waiting)))
		for _, o := range t.waiting {
			b = o.appendState(b, m.Durable)
		}
	}
	return m.appendRoutes(m.appendDescents(m.appendStanding(b)))
}

func (o *operation) appendState(b []byte, durable contract.PersistID) []byte {
	b = binary.LittleEndian.AppendUint64(b, o.Request.ID)
	b = append(b, byte(o.phase), boolByte(o.internal), boolByte(o.created))
	b = append(b, o.UUID[:]...)
	b = binary.LittleEndian.AppendUint64(b, o.round)
	b = slot.AppendBallot(b, o.Ballot)
	b = slot.AppendVersion(append(b, boolByte(o.writes)), o.Carrier)
	b = binary.LittleEndian.AppendUint64(b, uint64(o.wrote.TS))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(o.riders)))
	for _, w := range o.riders {
		b = binary.LittleEndian.AppendUint64(b, w.round)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(o.answers)))
	for i := range o.answers {
		b = binary.LittleEndian.AppendUint64(b, uint64(o.answers[i].Voter))
		b = appendSlotState(b, o.Request.Path, &o.answers[i].Slot)
	}
	b = slot.AppendIDs(slot.AppendIDs(slot.AppendIDs(b, o.oks), o.against), o.stands)
	b = slot.AppendIDs(b, o.blind)
	b = binary.LittleEndian.AppendUint64(b, uint64(o.seen))
	b = binary.LittleEndian.AppendUint64(b, uint64(o.First))
	b = binary.LittleEndian.AppendUint64(b, uint64(o.raised))
	b = binary.LittleEndian.AppendUint32(b, uint32(o.lost))
	b = appendSlotState(b, o.Request.Path, &slot.Slot{Consensus: o.next})
	for _, waits := range []contract.PersistID{o.after, o.local} {
		b = appendWait(b, waits, durable)
	}
	b = append(o.appendSent(o.appendErrand(b)), byte(o.result.Code), byte(o.result.Outcome))
	return binary.LittleEndian.AppendUint64(b, uint64(o.foreign))
}

// appendStanding is the part of AppendState about the ballots that stand, and about who takes a wire.AcceptDirect.
func (m *Machine) appendStanding(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(m.standing.Len()))
	for _, path := range m.standing.Keys() {
		s := m.standing.Look(path)
		b = slot.AppendBallot(codec.AppendString(b, path), s.ballot)
		b = append(slot.AppendVersion(b, s.record.Version()), boolByte(s.record.Tombstone))
		b = appendWait(b, s.after, m.Durable)
	}
	for _, p := range m.Peers {
		b = append(b, boolByte(m.knows.Look(p)))
	}
	return b
}

// appendDescents is the part of AppendState about which record followed which.
func (m *Machine) appendDescents(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(m.descents.Len()))
	for _, path := range m.descents.Keys() {
		d := m.descents.Look(path)
		b = codec.AppendString(b, path)
		for _, list := range [...][]stretch{d.own, d.told} {
			b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
			for _, s := range list {
				for _, ballot := range [...]slot.Ballot{s.from, s.before, s.after, s.upTo} {
					b = slot.AppendBallot(b, ballot)
				}
			}
		}
	}
	return b
}

// appendSent is the part of appendState about what was sent, and what the record that was found has come from.
func (o *operation) appendSent(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(append(b, boolByte(o.Elsewhere), boolByte(o.told), byte(o.asks)),
		uint32(len(o.Sent)))
	for i, ballot := range o.Sent {
		a := &o.attempts[i]
		b = append(slot.AppendBallot(b, ballot), boolByte(a.first))
		b = binary.LittleEndian.AppendUint64(b, uint64(a.record.TS))
	}
	return slot.AppendBallot(slot.AppendBallot(b, o.follows), o.asked)
}

// appendErrand is the part of appendState about another member that runs the operation, or for which it is run.
func (o *operation) appendErrand(b []byte) []byte {
	if e := o.errand; e != nil {
		b = binary.LittleEndian.AppendUint64(append(b, 1, byte(e.tries), boolByte(e.over), boolByte(e.last)), e.round)
		b = binary.LittleEndian.AppendUint64(b, uint64(e.peer))
		if a := e.said; a != nil {
			b = append(b, 3, byte(a.Fate), byte(a.Response.Code), byte(a.Response.Outcome))
		}
	}
	if f := o.from; f != nil {
		b = binary.LittleEndian.AppendUint64(append(b, 2), f.round)
		b = binary.LittleEndian.AppendUint64(b, uint64(f.peer))
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(o.Floor))
	return binary.LittleEndian.AppendUint64(b, uint64(o.Since))
}

// appendRoutes is the part of AppendState about other members as proposers, without what is measured.
func (m *Machine) appendRoutes(b []byte) []byte {
	for _, p := range m.Peers {
		r, w := m.routes.Look(p), m.windows.Look(p)
		b = append(b, boolByte(r.older), boolByte(r.misses > 0), boolByte(r.untold != 0))
		b = binary.LittleEndian.AppendUint64(b, r.run)
		b = binary.LittleEndian.AppendUint64(append(b, boolByte(w.begun)), uint64(w.since))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(w.stamps)))
		for _, s := range w.stamps {
			b = binary.LittleEndian.AppendUint64(b, uint64(s))
		}
	}
	return b
}

// appendWait appends a persist that something waits for, or zero if it is durable.
func appendWait(b []byte, waits, durable contract.PersistID) []byte {
	if waits <= durable {
		waits = 0
	}
	return binary.LittleEndian.AppendUint64(b, uint64(waits))
}

// appendSlotState appends a slot and its length, which is zero for one that holds nothing.
func appendSlotState(b []byte, path string, s *slot.Slot) []byte {
	var stored []byte
	if s.Consensus != nil || len(s.Candidates) > 0 {
		stored = slot.Encode(path, s)
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(stored))), stored...)
}

func boolByte(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// PathOf is the path of a round that is under way.
func (m *Machine) PathOf(round uint64) (path string, known bool) {
	i, known := m.find(round)
	if !known {
		return "", false
	}
	return m.ops[i].Request.Path, true
}

// ReplaceValues implements slot.Replaceable: the values of a round about a configuration stay, for the core reads them.
func (o *operation) ReplaceValues(slot.Replacer) (inside bool) {
	return !schema.IsConfigPath(o.Request.Path)
}

// ReplaceValues implements slot.Replaceable.
func (d *decided) ReplaceValues(slot.Replacer) (inside bool) { return !schema.IsConfigPath(d.path) }
