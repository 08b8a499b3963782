package membership

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/swim"
)

// The end of a membership. A member that leaves, or that an operator removes, is gone for good, by its identity
// (node/swim spreads and keeps that fact, and the address book stores it). It has no vote in later conflicts, no hints
// are kept for it, and its frames are dropped: tombstones are collected without asking it, so its data must not come
// back. Its machine may join again with an empty data folder, as another member under any name and address.
//
// A wiped member that returns under its old name is two lines in the table: the new identity, alive, and the old one,
// which stays dead and keeps its vote until an operator removes it. Other members cannot know that the old disk is
// really lost.

// Reasons for being read-only that come with the end of a membership.
const (
	ReasonLeaving = "leaving" // its data is being handed to the others.
	ReasonLeft    = "left"    // this member left for good,
	ReasonRemoved = "removed" // or was removed.
)

// ErrVotersAway means that too few voters can be reached to go on without another one.
var ErrVotersAway = errors.New("too few voters can be reached to go on without this one")

// CanRemove returns the error with which Remove would refuse: it wraps those of swim.Machine.Remove, or ErrVotersAway.
// Members that cannot reach a majority may themselves be cut off: by removing voters they would retire the members that
// can.
func (m *Machine) CanRemove(id slot.ID, force bool) error {
	if err := m.swim.CanRemove(id, force); err != nil {
		return err
	}
	if alive := m.VotersAlive(); !force && m.InForce.Votes(id) && alive < m.InForce.Majority() {
		return fmt.Errorf("%w: %d of %d, %d are needed", ErrVotersAway, alive, len(m.InForce.Voters),
			m.InForce.Majority())
	}
	return nil
}

// Remove takes a member out for good, or logs why it does not.
func (m *Machine) Remove(in *contract.Remove) {
	if err := m.CanRemove(in.ID, in.Force); err != nil {
		m.Log(contract.LogWarn, "member not removed", "id", in.ID.String(), "error", err.Error())
		return
	}
	if err := m.swim.Remove(m.Now.Mono, in.ID, in.Force, m.wallNow(), &m.out); err != nil {
		m.Log(contract.LogWarn, "member not removed", "id", in.ID.String(), "error", err.Error())
	}
}

// Leave ends this member's own membership for good.
func (m *Machine) Leave() {
	m.Log(contract.LogInfo, "leaving the cluster for good")
	m.swim.Leave(m.Now.Mono, m.wallNow(), &m.out)
	m.retire()
}

// wallNow is the time of day, for people to read, and for conflicts, see Electorate: it is not below the time of any
// version that this member has seen.
func (m *Machine) wallNow() uint64 { return uint64(max(m.Now.Wall, m.HLC.Last().Wall(), 1)) }

// Gone reports whether this member's own membership has ended.
func (m *Machine) Gone() bool { return m.swim.Self().State.Gone() }

// retire ends all activity of this member except answers about its own end: other members would refuse its messages,
// and send it none.
func (m *Machine) retire() {
	m.bookDirty = true
	m.owner.Retiring()
	m.strike(m.Self)
	m.Peers = slices.Delete(m.Peers, 0, len(m.Peers))
	reason := ReasonLeft
	if m.swim.Self().State == swim.Removed {
		reason = ReasonRemoved
	}
	m.owner.SetReadOnly(&contract.SetReadOnly{Reason: reason, On: true})
	m.Log(contract.LogError, m.Retirement())
}

// Retirement explains that this member's membership has ended, and what to do; empty: it is a member.
func (m *Machine) Retirement() string {
	self := m.swim.Self()
	if !self.State.Gone() {
		return ""
	}
	verb := "left the cluster for good"
	if self.State == swim.Removed {
		verb = "was removed"
	}
	at := time.UnixMilli(int64(self.GoneAt)).UTC().Format("2006-01-02 15:04:05 UTC")
	return fmt.Sprintf("this member %s on %s, and no longer serves clients: stop it; to join again as a new member, "+
		"set its data folder aside (it may hold the last copy of something) and start it with an empty one; "+
		"if its membership should not have ended, see kvs recover --not-removed",
		verb, at)
}

// forgetPeer drops all state kept for a member that is gone.
func (m *Machine) forgetPeer(id slot.ID) {
	i, known := m.PeerIndex(id)
	if !known {
		return
	}
	m.owner.PeerGone(id)
	p := m.Peers[i]
	p.State = swim.Dead
	m.owner.PeerChanged(p)
	m.RemovePeer(i)
}

// clashWatch logs now and then what operators have to know about the membership.
type clashWatch struct {
	clashes uint64 // clashes that have been logged.
	silent  uint64 // rounds of dialling without an answer that have been logged.
	quietTo time.Duration
}

const (
	clashLogInterval = time.Minute
	silentRoundsMin  = 12 // rounds of dialling before the first log line; the next one comes after ten times as many.
)

// Watch logs two conditions that gossip cannot repair: another process has this node's identity, and no member answers
// at any address that this node knows.
func (m *Machine) Watch() {
	c := m.swim.Counters()
	w := &m.watch
	if c.Clashes != w.clashes && m.Now.Mono >= w.quietTo && !m.Gone() {
		w.clashes, w.quietTo = c.Clashes, m.Now.Mono+clashLogInterval
		m.Log(contract.LogError, m.Clash())
	}
	if c.SeedsSilent < w.silent {
		w.silent = 0
	}
	if s := c.SeedsSilent; s >= silentRoundsMin && (w.silent == 0 || s >= w.silent+10*silentRoundsMin) {
		w.silent = s
		m.Log(contract.LogWarn, "no member answers at any address that this node knows, seeds and former members; "+
			"it goes on trying. If the others have moved, "+
			"name one of them: kvs members join HOST:PORT, or set seeds and restart",
			"seeds", slices.Clone(m.opts.Seeds), "members", len(m.Roster)-1)
	}
}

// Clash describes the other process that has this node's identity; empty: there is none.
func (m *Machine) Clash() string {
	claim, ok := m.swim.Clash()
	if !ok {
		return ""
	}
	return fmt.Sprintf("another process at %s has the identity of this node: its data folder was copied. "+
		"Stop one of the two, set its data folder aside, and start it with an empty one", claim.Addr)
}
