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

// The end of a membership. A member that leaves, or that an operator removes, is gone for good, by its identity (the
// fact travels and is kept by node/swim and the address book). It has no vote in what is written from then on, nothing
// is kept for it, and no frame of it is taken: tombstones are dropped without asking it, so what it holds must not come
// back. Its machine may join again with an empty data folder, as another member under whatever name and address.
//
// A wiped member that returns under its old name is two lines in the table: the new identity, alive, and the old one,
// which stays dead, and has its vote, until an operator removes it. No other member can know that the old disk is
// really lost.

// Reasons for being read-only that come with the end of a membership.
const (
	ReasonLeaving = "leaving" // others are getting what they lack.
	ReasonLeft    = "left"    // this member left for good,
	ReasonRemoved = "removed" // or was removed.
)

// ErrVotersAway says that too few voters can be reached to go on without another one.
var ErrVotersAway = errors.New("too few voters can be reached to go on without this one")

// CanRemove says why Remove would be refused: errors wrap those of swim.Machine.Remove, and ErrVotersAway. Those who
// cannot reach a majority may be the ones that are cut off: by removing voters they would retire those who can.
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

// Remove takes a member out for good, or logs why not.
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

// wallNow is the time of day, for people to read, and for conflicts, see Electorate: no version that this member has
// seen is younger.
func (m *Machine) wallNow() uint64 { return uint64(max(m.Now.Wall, m.HLC.Last().Wall(), 1)) }

// Gone reports whether this member's own membership has ended.
func (m *Machine) Gone() bool { return m.swim.Self().State.Gone() }

// retire takes this member out of everything but answering those who ask about it: whatever it sends would be refused,
// and what it hears is not for it.
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

// Retirement says what became of this member and what to do about it; empty for a member.
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
	return fmt.Sprintf("this member %s on %s, and serves nobody any more: stop it; to join again as a new member, "+
		"set its data folder aside (it may hold the last copy of something) and start it with an empty one; "+
		"if its membership should not have ended, see kvs recover --not-removed",
		verb, at)
}

// forgetPeer drops what is kept for a member that is gone.
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

// clashWatch says aloud what people have to know about the membership, now and then.
type clashWatch struct {
	clashes uint64 // as far as they are logged.
	silent  uint64 // rounds of dialling without an answer, as far as logged.
	quietTo time.Duration
}

const (
	clashLogInterval = time.Minute
	silentRoundsMin  = 12 // rounds of dialling before it is said, and again after ten times as many.
)

// Watch logs two things that gossip cannot mend: another process with this node's identity, and that no member answers
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
		m.Log(contract.LogWarn, "nobody answers at any address that this node knows, seeds and former members; "+
			"it goes on trying. If the others have moved, "+
			"name one of them: kvs members join HOST:PORT, or set seeds and restart",
			"seeds", slices.Clone(m.opts.Seeds), "members", len(m.Roster)-1)
	}
}

// Clash describes the other process that has this node's identity; empty: none was met.
func (m *Machine) Clash() string {
	claim, ok := m.swim.Clash()
	if !ok {
		return ""
	}
	return fmt.Sprintf("another process at %s has the identity of this node: its data folder was copied. "+
		"Stop one of the two, set its data folder aside, and start it with an empty one", claim.Addr)
}
