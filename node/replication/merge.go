package replication

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
	"slices"
)

// Merge takes in a slot that a peer holds, and returns the persist to wait for before acknowledging that this version
// or a newer one is held. A timestamp is never refused for being far ahead of this node's clock: members would not
// converge.
func (m *Machine) Merge(from *step.Peer, path string, record []byte) (contract.PersistID, error) {
	in := &m.merging[0]
	if err := in.Decode(path, record); err != nil {
		return 0, err
	}
	after, _, err := m.merge(from, path, record, in)
	return after, err
}

// MergeShown is Merge for those who have to know which version the peer holds, and whether a higher one is held here.
func (m *Machine) MergeShown(from *step.Peer, path string, record []byte) (s step.Merged, err error) {
	in := &m.merging[0]
	if err := in.Decode(path, record); err != nil {
		return s, err
	}
	s.Theirs = in.Version()
	var top slot.Timestamp
	s.After, top, err = m.merge(from, path, record, in)
	if top > s.Theirs.TS {
		s.Above = top
	}
	return s, err
}

// merge is Merge of a record that is decoded; in is m's own, and changed. top is the highest version that is held
// then, as far as it was looked at.
func (m *Machine) merge(from *step.Peer, path string, record []byte, in *slot.Slot) (
	after contract.PersistID, top slot.Timestamp, err error) {
	ours := &m.merging[1]
	h, rotten, err := m.CurrentInto(ours, path)
	if err != nil {
		return 0, 0, err
	}
	whole := true // record is what in holds.
	if in.Consensus.Accepted() && in.Consensus.Ballot.Epoch > m.Epoch() {
		// Adopt the configuration first; comparisons bring the slot again.
		m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindConfigAsk, &wire.ConfigAsk{}))
		m.owner.LeftOut()
		in.Consensus, whole = nil, false
		if !in.Exists() {
			return h.After, 0, nil
		}
	}
	if err := m.Hearsay.Believes(from, in.Reach()); err != nil {
		return 0, 0, err
	}
	m.HLC.Observe(in.Top())
	if h.Record == nil && m.owner.RefuseBuried(from, path, in) {
		return h.After, 0, nil
	}
	if rotten != nil {
		m.Log(contract.LogWarn, "corrupt record replaced by a peer's copy", "path", path, "error", rotten.Error())
		*ours = m.owner.Left(path)
	}
	out, changed := slot.Merge(ours, in, m.Self, from.ID, m.Electorate)
	// What is left of a rotten record is not on the disk.
	changed = changed || rotten != nil
	if c := out.Consensus; c != ours.Consensus { // the copy is this member's own.
		// It may be below a promise that is not in the slot, or went with one: see register, bar.
		c.Weak = c.Weak || c.Ballot.TS <= m.owner.Fence() ||
			c.Ballot.Compare(m.MayHavePromised(path, slot.Ballot{})) < 0
		m.Promise(c.Promised.TS)
	}
	top = out.Top()
	switch {
	case !changed:
		m.Counters.Stale++
		if a, b := in.Version(), ours.Version(); a != b && slot.BothWays(a, b) {
			// The peer lacks candidates, votes, or a part of the consensus half.
			m.Enqueue(from, wire.Entry{Path: path, Record: h.Record})
		}
		return h.After, top, nil
	case !out.Conflict():
		m.Counters.Merged++
		if !whole || in.Consensus != nil || out.Consensus != nil || out.Sum() != in.Sum() {
			record = slot.Encode(path, &out)
		}
		return m.owner.Write(path, slot.StoredAs(record, &out, m.Electorate)), top, nil
	}
	m.Counters.Merged++
	// The memory that they share is reused.
	out.Candidates, out.Votes = slices.Clone(out.Candidates), slices.Clone(out.Votes)
	stored := slot.Store(path, &out, m.Electorate)
	after = m.owner.Write(path, stored)
	conflict := out // a copy: out does not go to the heap where there is no conflict.
	m.owner.ConflictChanged(path, &conflict)
	m.Replicate(path, stored.Record) // every member adds its vote and passes it on, until all hold the same.
	return after, top, nil
}
