// Package quorum is the machine of client operations without consensus rounds: eventual ones, which this member answers
// alone (eventual.go), and those at the quorum level, which wait for a majority of the voters (quorum.go).
//
// It does not merge slots, and sends nothing again to members that are away: node/replication does. Linearizable
// operations are in node/register. Begin with quorum.go.
package quorum

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of its node.
type Owner interface {
	step.Voters
	// Retirement explains why this member is no longer a member; empty: it is one.
	Retirement() string
	// Complete reports whether this member holds all that it ever acknowledged: no bootstrap is under way.
	Complete() bool

	// Write puts an encoded slot in the running step's persist, and in every index that lists it.
	Write(path string, stored slot.Stored) contract.PersistID
	// Left is what is left of a slot that cannot be read.
	Left(path string) slot.Slot
	// MergeShown takes in a slot that a peer holds, and returns the persist to wait for before saying that this or
	// something newer is held, and what was compared. Errors: the slot cannot be read, or wrap step.ErrRead.
	MergeShown(from *step.Peer, path string, record []byte) (step.Merged, error)

	// Replicate sends a record to the other members that hold its path in the background, Enqueue to one of them.
	Replicate(path string, record []byte)
	Enqueue(to *step.Peer, e wire.Entry)
}

// Machine serves eventual and quorum operations. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	ops  []*operation // under way, sorted by id.
	open int          // of them, those without an answer to the client.
	last uint64
	wake time.Duration // no timer of an operation is due before it; zero: there is none.
}

// New returns a machine without operations.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.On(wire.KindStore, m.HandleStore),
		step.On(wire.KindStored, m.HandleStored),
		step.On(wire.KindCovered, m.HandleCovered),
		step.On(wire.KindFetch, m.HandleFetch),
		step.On(wire.KindFetched, m.HandleFetched),
	}
}

// Begin serves an eventual or quorum operation.
func (m *Machine) Begin(r *contract.Request) {
	switch {
	case r.Level == contract.Quorum && r.Op == contract.OpGet:
		m.readQuorum(r)
	case r.Level == contract.Quorum:
		m.writeQuorum(r)
	case r.Op == contract.OpGet:
		m.get(r)
	default:
		m.writeEventual(r)
	}
}

// Due is the time of the next timer; zero: there is none.
func (m *Machine) Due() time.Duration { return m.wake }

// Storing reports whether copies of records are under way to members.
func (m *Machine) Storing() bool {
	return slices.ContainsFunc(m.ops, func(o *operation) bool { return o.record != nil })
}

// Without takes a member that is gone out of the operations under way: it is no longer among the voters, so its answers
// must not count towards their majority.
func (m *Machine) Without(id slot.ID) {
	for _, o := range m.ops {
		for _, list := range []*[]slot.ID{&o.done, &o.same, &o.covered} {
			if i, found := slices.BinarySearch(*list, id); found {
				*list = slices.Delete(*list, i, i+1)
			}
		}
	}
}

// Abandon ends the operations under way when this node is no longer a member: no answer counts then.
func (m *Machine) Abandon() {
	for _, o := range slices.Clone(m.ops) {
		if o.answered {
			m.drop(o)
		} else {
			o.done, o.same, o.covered = nil, nil, nil
			m.giveUp(o)
		}
	}
}

func (m *Machine) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(m.ops, id, func(o *operation, id uint64) int {
		return slot.CompareID(slot.ID(o.id), slot.ID(id))
	})
}
