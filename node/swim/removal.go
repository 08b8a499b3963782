package swim

import (
	"errors"
	"fmt"
	"time"
)

// A member that has left or was removed is gone for good, by its identity: this fact wins over every other rumour about
// it, whatever the incarnation, so no exchange of tables with a member that was away brings it back. Its line stays in
// the table and is sent with every table. The caller keeps it over restarts: it saves Members and hands them in as
// Options.Known. If an identity could come back, its data could be older than tombstones that were collected meanwhile.
// To use the machine again, the operator empties its data folder: then it is another member, which may have the same
// name and address.
//
// The member itself, if it still runs or returns, gets the fact in the answer to any of its messages, and falls silent.
// Lines of gone members count for Config.MembersMax like all others: when the table is full, the line of the member
// that has been gone for longest is dropped for a newcomer.

// Errors of Remove.
var (
	ErrUnknownMember = errors.New("no such member")
	ErrRemoveSelf    = errors.New("a member does not remove itself: use leave")
	ErrMemberAlive   = errors.New("the member is alive")
)

// CanRemove returns the error with which Remove would refuse; nil: it would not.
func (m *Machine) CanRemove(id ID, force bool) error {
	if id == m.self.ID {
		return ErrRemoveSelf
	}
	p := m.find(id)
	switch {
	case p == nil:
		return fmt.Errorf("%w: %s", ErrUnknownMember, id)
	case p.takesPart() && !force:
		return fmt.Errorf("%w: %s at %s", ErrMemberAlive, p.Name, p.Addr)
	}
	return nil
}

// Remove takes a member out for good; at is the time of day in milliseconds since the Unix epoch, for people. With
// force it also removes a member that is alive. The removed member is informed if it can be reached. Removing a member
// that is gone already changes nothing.
func (m *Machine) Remove(now time.Duration, id ID, force bool, at uint64, out *Output) error {
	m.now = now
	if err := m.CanRemove(id, force); err != nil {
		return err
	}
	p := m.find(id)
	if p.State.Gone() {
		return nil
	}
	was := p.State
	p.GoneAt = max(at, 1)
	m.setState(now, p, Removed)
	m.spread(id)
	out.Events = append(out.Events, Event{Member: p.Member, Was: was})
	m.send(kindPing, id, m.nextSeq(), p, p.Addr, out)
	return nil
}

// retire makes this member gone, as the others say. From now on it only answers, so that members that do not know its
// end learn of it.
func (m *Machine) retire(state State, at uint64, out *Output) {
	if m.self.State == state {
		return
	}
	was := m.self.State
	m.self.State, m.self.GoneAt = state, at
	m.probe, m.rumours, m.doubts = probe{}, m.rumours[:0], nil
	m.leave = leave{active: true, done: true}
	if out != nil {
		out.Events = append(out.Events, Event{Member: m.self, Was: was})
	}
}

// supersedesGone orders what is said about a member that is gone according to either side: gone wins over anything
// else, removed over left, and of two removals the earlier; so all members agree on the time too.
func supersedesGone(r *rumour, state State, held *Member) int {
	if state != held.State {
		return int(state) - int(held.State)
	}
	switch {
	case r.goneAt < held.GoneAt:
		return 1
	case r.goneAt > held.GoneAt:
		return -1
	}
	return 0
}
