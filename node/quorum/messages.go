package quorum

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// The messages of the quorum level: what other members' operations ask of this one, and what those of this member are
// answered.

// HandleStore stores what a coordinator sends, and says so once it, or something newer, is durable.
func (m *Machine) HandleStore(from *step.Peer, ask *wire.Store) error {
	if !m.owner.EpochAgrees(from, ask.Epoch) {
		return nil
	}
	after, err := m.owner.Merge(from, ask.Path, ask.Record)
	if err != nil {
		return err
	}
	stored := m.Frame(wire.KindStored, &wire.Stored{Op: ask.Op, Epoch: ask.Epoch})
	m.Send(contract.TransportFrame, from.Addr, max(after, m.InForceAfter), stored)
	return nil
}

// HandleStored counts a peer's part, once.
func (m *Machine) HandleStored(from *step.Peer, answer *wire.Stored) error {
	if answer.Epoch != m.Epoch() {
		return nil
	}
	if i, ok := m.find(answer.Op); ok && !m.ops[i].fetching {
		o := m.ops[i]
		o.done = slot.InsertID(o.done, from.ID)
		m.advance(o)
	}
	return nil
}

// HandleFetch answers with what this member holds, once that is durable.
func (m *Machine) HandleFetch(from *step.Peer, ask *wire.Fetch) error {
	if !m.owner.TakesPart(from, ask.Epoch) {
		return nil
	}
	if !m.owner.Complete() {
		return nil // it may be the successor of a member that acknowledged what it does not hold yet.
	}
	h, _, err := m.CurrentSlot(ask.Path)
	if err != nil {
		m.Log(contract.LogError, "record not sent", "path", ask.Path, "error", err.Error())
		return nil // rot or a broken disk: no answer is better than "nothing", and the peer's frame is none the worse.
	}
	fetched := &wire.Fetched{Op: ask.Op, Epoch: ask.Epoch, Entry: wire.Entry{Path: ask.Path, Record: h.Record}}
	m.Send(contract.TransportFrame, from.Addr, max(h.After, m.InForceAfter), m.Frame(wire.KindFetched, fetched))
	return nil
}

// HandleFetched merges a peer's slot into this member's own store: an old answer can never bring back what has been
// superseded meanwhile.
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
		var err error
		if theirs, err = m.owner.MergeShown(from, answer.Path, answer.Record); err != nil {
			return err
		}
	}
	_, merged, err := m.CurrentSlot(answer.Path)
	if err != nil {
		return err
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
