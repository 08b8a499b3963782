package quorum

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// The messages of the quorum level: questions of other members' operations, and answers to those of this member.

// HandleStore stores a coordinator's record, and answers once it, or a newer one, is durable.
func (m *Machine) HandleStore(from *step.Peer, ask *wire.Store) error {
	if !m.owner.EpochAgrees(from, ask.Epoch) {
		return nil
	}
	merged, err := m.owner.MergeShown(from, ask.Path, ask.Record)
	if err != nil {
		return err
	}
	answer := m.Frame(wire.KindStored, &wire.Stored{Op: ask.Op, Epoch: ask.Epoch})
	if merged.Above != 0 {
		answer = m.Frame(wire.KindCovered, &wire.Covered{Op: ask.Op, Epoch: ask.Epoch, Above: merged.Above})
	}
	m.Send(contract.TransportFrame, from.Addr, max(merged.After, m.InForceAfter), answer)
	return nil
}

// storing is the operation that an answer is about; nil: it waits for no such answer.
func (m *Machine) storing(op, epoch uint64) *operation {
	if epoch != m.Epoch() {
		return nil
	}
	if i, ok := m.find(op); ok && !m.ops[i].fetching {
		return m.ops[i]
	}
	return nil
}

// HandleStored counts a peer's answer, once.
func (m *Machine) HandleStored(from *step.Peer, answer *wire.Stored) error {
	if o := m.storing(answer.Op, answer.Epoch); o != nil {
		o.done = slot.InsertID(o.done, from.ID)
		m.advance(o)
	}
	return nil
}

// HandleCovered counts a peer's part, too: something newer is as good, unless the write may be hidden by it from its
// first moment on.
func (m *Machine) HandleCovered(from *step.Peer, answer *wire.Covered) error {
	o := m.storing(answer.Op, answer.Epoch)
	if o == nil {
		return nil
	}
	if o.made != 0 && answer.Above > o.made && m.InForce.Votes(from.ID) {
		if err := m.Hearsay.Believes(from, answer.Above); err != nil {
			return err
		}
		m.HLC.Observe(answer.Above)
		o.covered = slot.InsertID(o.covered, from.ID)
	} else {
		o.done = slot.InsertID(o.done, from.ID)
	}
	m.advance(o)
	return nil
}

// HandleFetch answers with what this member holds, once that is durable.
func (m *Machine) HandleFetch(from *step.Peer, ask *wire.Fetch) error {
	if !m.owner.TakesPart(from, ask.Epoch) {
		return nil
	}
	if !m.owner.Complete() {
		return nil // it may be the successor of a member that acknowledged records which it does not hold yet.
	}
	h, _, err := m.CurrentSlot(ask.Path)
	if err != nil {
		m.Log(contract.LogError, "record not sent", "path", ask.Path, "error", err.Error())
		// rot or a broken disk: no answer, since "nothing is here" would be wrong. The peer's frame is valid.
		return nil
	}
	fetched := &wire.Fetched{Op: ask.Op, Epoch: ask.Epoch, Entry: wire.Entry{Path: ask.Path, Record: h.Record}}
	m.Send(contract.TransportFrame, from.Addr, max(h.After, m.InForceAfter), m.Frame(wire.KindFetched, fetched))
	return nil
}

// HandleFetched merges a peer's slot into this member's own store: an old answer can never restore a superseded
// version.
func (m *Machine) HandleFetched(from *step.Peer, answer *wire.Fetched) error {
	if answer.Epoch != m.Epoch() || !m.InForce.Votes(from.ID) {
		return nil
	}
	i, ok := m.find(answer.Op)
	if !ok || !m.ops[i].fetching || m.ops[i].request.Path != answer.Path {
		return nil
	}
	o := m.ops[i]
	if _, twice := slices.BinarySearch(o.done, from.ID); twice {
		return nil
	}
	theirs := slot.Version{}
	if answer.Record != nil {
		merged, err := m.owner.MergeShown(from, answer.Path, answer.Record)
		if err != nil {
			return err
		}
		theirs = merged.Theirs
	}
	_, merged, err := m.CurrentSlot(answer.Path)
	if err != nil {
		// The peer has nothing that would replace the record. Its frame is valid.
		m.Log(contract.LogError, "read failed", "path", answer.Path, "error", err.Error())
		return nil
	}
	if sum := merged.Version(); sum != o.sum || sum != theirs {
		o.differ = true
		if sum != o.sum {
			o.sum, o.same = sum, nil
		}
	}
	if theirs == o.sum {
		o.same = slot.InsertID(slices.Clone(o.same), from.ID)
	}
	o.done = slot.InsertID(o.done, from.ID)
	m.advance(o)
	return nil
}
