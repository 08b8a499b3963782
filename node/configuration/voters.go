package configuration

import (
	"fmt"
	"slices"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/invariant"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/voting"
	"kvs/node/wire"
)

// How the voters change: one at a time, each change a new epoch.
//
// The voters of an epoch decide the next configuration, in a register of its own (ConfigPath) that is written once: a
// member that finds it written adopts its content, and its own change has lost. A configuration is put in force only
// when it is known to be chosen: by the member that completed the round, and by members that learn it from one that has
// it in force. The next change has to wait until the epoch is stable: a majority of its voters has caught up
// (catchup.go). Raft's single-server changes are the model (Ongaro, "Consensus: Bridging Theory and Practice", 2014,
// section 4.1), without a leader.
type voterChange struct {
	request *contract.Request // nil: this member promotes itself, or demotes a voter that is gone.
	add     slot.ID           // zero: none.
	remove  slot.ID
	hold    bool      // the demoted member stays so until an operator promotes it.
	policy  bool      // not the voters change but the strong prefixes,
	strong  []string  // to these.
	adopted []slot.ID // of a change of policy: members that have it on disk, sorted.
	epoch   uint64    // that it ends.
	passed  []slot.ID // voters that have caught up with it, sorted.
	begun   bool      // the round is under way.
	// settles: the change is in force, and only its own epoch has to become stable: then the former voters are no
	// longer needed.
	settles bool
	retryAt time.Duration
	giveUp  time.Duration
}

const (
	voterChangeTimeout = 10 * time.Second
	voterAskInterval   = 500 * time.Millisecond
	promotionInterval  = 2 * time.Second // between attempts of a member to become a voter.
	// demotionRest is how long a voter that was demoted waits before it promotes itself again: the operator may be
	// about to remove it from the cluster, and a promotion under way at that moment would make a voter of a member that
	// is gone.
	demotionRest      = 10 * time.Second
	epochTellInterval = 5 * time.Second // between messages with the epoch to a member drawn at random.
)

// VoterRequest serves OpPromote and OpDemote, whose path is a member's ID.
func (m *Machine) VoterRequest(r *contract.Request) {
	id, err := slot.ParseID(r.Path)
	_, member := m.RosterIndex(id)
	switch {
	case err != nil:
		m.Refuse(r, contract.CodePrecondition, err.Error())
	case m.InForce == nil:
		m.Refuse(r, contract.CodeNoQuorum, m.unfounded())
	case !member && !m.InForce.Votes(id) && !(r.Op == contract.OpDemote && m.wasDemoted(id)):
		m.Refuse(r, contract.CodePrecondition, "there is no member "+id.String())
	case m.InForce.Votes(id) == (r.Op == contract.OpPromote) &&
		!(r.Op == contract.OpDemote && r.Hold && member && !slices.Contains(m.InForce.Held, id)):
		m.Reply(m.InForceAfter, contract.Response{
			ID: r.ID, Code: contract.CodeOK, Level: contract.Linearizable, Detail: "nothing to do",
		})
	case r.Op == contract.OpPromote && len(m.InForce.Voters) >= voting.VotersMax:
		m.Refuse(r, contract.CodePrecondition, fmt.Sprintf(
			"there are %d voters already, which is the most: demote one first", voting.VotersMax))
	case r.Op == contract.OpDemote && len(m.InForce.Voters) == 1 && m.InForce.Votes(id):
		m.Refuse(r, contract.CodePrecondition, "it is the only voter: promote another member first")
	case m.change != nil:
		m.Refuse(r, contract.CodeConflict, "this member has a change of voters under way: try again")
	default:
		c := &voterChange{request: r, giveUp: m.changeDeadline(r)}
		if r.Op == contract.OpPromote {
			c.add = id
		} else {
			c.remove, c.hold = id, r.Hold
		}
		m.beginChange(c)
	}
}

// wasDemoted reports whether this is a voter of the former epoch, or a member that is held: a demotion of it is then a
// repetition.
func (m *Machine) wasDemoted(id slot.ID) bool {
	return slices.Contains(m.InForce.Previous, id) || slices.Contains(m.InForce.Held, id)
}

// beginChange asks whether the epoch is stable.
func (m *Machine) beginChange(c *voterChange) {
	m.change = c
	c.epoch = m.Epoch()
	if m.InForce.Votes(m.Self) && m.CaughtUp >= c.epoch {
		c.passed = []slot.ID{m.Self}
	}
	m.askPassed(c)
	m.advanceChange()
}

func (m *Machine) askPassed(c *voterChange) {
	c.retryAt = m.Now.Mono + voterAskInterval
	for _, id := range m.InForce.Voters {
		if p := m.Peer(id); p != nil && !p.Dead() && !slices.Contains(c.passed, id) {
			m.Send(contract.TransportFrame, p.Addr, m.InForceAfter,
				m.Frame(wire.KindPassedAsk, &wire.Epoch{Epoch: c.epoch}))
		}
	}
	if c.policy && c.settles {
		m.askAdopted(c)
	}
}

// HandlePassedAsk answers with which epoch this member has caught up.
func (m *Machine) HandlePassedAsk(from *step.Peer, in *wire.Epoch) error {
	epoch := in.Epoch
	if m.EpochAgrees(from, epoch) && m.CaughtUp >= epoch && !m.Mute() {
		m.Send(contract.TransportFrame, from.Addr, m.passedAfter,
			m.Frame(wire.KindPassedIs, &wire.Epoch{Epoch: m.CaughtUp}))
	}
	return nil
}

func (m *Machine) HandlePassedIs(from *step.Peer, in *wire.Epoch) error {
	epoch := in.Epoch
	if epoch == m.Epoch() && m.InForce.Votes(from.ID) {
		m.notePassed(from.ID)
		m.sourceWhole(from.ID, epoch)
	}
	if c := m.change; c != nil && epoch >= c.epoch && c.epoch == m.Epoch() && m.InForce.Votes(from.ID) {
		c.passed = slot.InsertID(c.passed, from.ID)
		m.advanceChange()
	}
	return nil
}

// advanceChange begins the round once the epoch is stable.
func (m *Machine) advanceChange() {
	c := m.change
	if c.begun || c.epoch != m.Epoch() || len(c.passed) < m.InForce.Majority() {
		return // a change whose epoch is over ends with the next tick.
	}
	if c.settles {
		if !c.policy || len(m.notAdopted(c, false)) == 0 {
			m.endChange(contract.Response{Code: contract.CodeOK, Detail: m.adoptionNote(c)})
		}
		return
	}
	next := c.next(m.InForce, m.heldStill())
	c.begun = true
	m.owner.Decide(schema.ConfigPath(c.epoch), voting.Append(nil, next), c.giveUp)
}

// heldStill is which of the members held from voting are still members.
func (m *Machine) heldStill() []slot.ID {
	return slices.DeleteFunc(slices.Clone(m.InForce.Held), func(id slot.ID) bool {
		_, member := m.RosterIndex(id)
		return !member
	})
}

// next is the configuration after c: with one voter more or less, or with other strong prefixes. held are those that
// were held from voting.
func (change *voterChange) next(c *voting.Config, held []slot.ID) *voting.Config {
	out := &voting.Config{
		Held: held, Epoch: c.Epoch + 1, Founding: c.Founding, Former: c.Former,
		Previous: slices.Clone(c.Voters), Voters: slices.Clone(c.Voters), Strong: c.Strong,
	}
	if change.policy {
		out.Strong = change.strong
	}
	if change.add != 0 {
		out.Voters = slot.InsertID(out.Voters, change.add)
		out.Held = slices.DeleteFunc(out.Held, func(id slot.ID) bool { return id == change.add })
	}
	if change.hold {
		out.Held = slot.InsertID(out.Held, change.remove)
		out.Held = out.Held[:min(len(out.Held), voting.HeldMax)]
	}
	if i, found := slices.BinarySearch(out.Voters, change.remove); found {
		out.Voters = slices.Delete(out.Voters, i, i+1)
	}
	return out
}

// Decided takes in the outcome of the round on a configuration's path, see Owner.Decide.
func (m *Machine) Decided(path string, resp *contract.Response) {
	var chosen *voting.Config
	if resp.Code == contract.CodeCreated || resp.Code == contract.CodePrecondition {
		r := codec.Read(resp.Record.Value)
		chosen = voting.Read(r)
		invariant.That(r.End() == nil && path == schema.ConfigPath(chosen.Epoch-1),
			"a configuration that cannot be read was chosen", "path", path)
		if chosen.Epoch > m.Epoch() {
			m.adopt(chosen)
			m.announce()
		}
	}
	c := m.change
	if c == nil || schema.ConfigPath(c.epoch) != path {
		return
	}
	switch {
	case chosen != nil && c.doneIn(chosen):
		m.settleChange(chosen)
	case chosen != nil:
		m.endChange(contract.Response{
			Code: contract.CodeConflict, Outcome: contract.OutcomeNotApplied, RetryAfter: contract.RetryAfter,
			Detail: "another change of voters came first: try again",
		})
	default:
		m.endChange(contract.Response{
			Code: resp.Code, Outcome: resp.Outcome, Detail: resp.Detail, RetryAfter: contract.RetryAfter,
		})
	}
}

// doneIn reports whether a configuration has the change.
func (change *voterChange) doneIn(chosen *voting.Config) bool {
	return (change.add == 0 || chosen.Votes(change.add)) && (change.remove == 0 || !chosen.Votes(change.remove)) &&
		(!change.hold || slices.Contains(chosen.Held, change.remove)) &&
		(!change.policy || slices.Equal(chosen.Strong, change.strong))
}

// settleChange answers a client once it may stop a former voter, or begin the next change.
func (m *Machine) settleChange(chosen *voting.Config) {
	c := m.change
	if c.request == nil || m.InForce != chosen {
		m.endChange(contract.Response{Code: contract.CodeOK})
		return
	}
	c.epoch, c.passed, c.begun, c.settles = chosen.Epoch, nil, false, true
	m.askPassed(c)
}

func (m *Machine) endChange(resp contract.Response) {
	c := m.change
	m.change = nil
	if c.request != nil {
		resp.ID, resp.Level = c.request.ID, contract.Linearizable
		m.Reply(m.InForceAfter, resp)
	}
}

// tickVoters runs the timers of changes: the wait for stability, a member's own promotion, and the messages with the
// epoch.
func (m *Machine) tickVoters() {
	if c := m.change; c != nil && !c.begun {
		if m.InForce.Votes(m.Self) && m.CaughtUp >= c.epoch && !slices.Contains(c.passed, m.Self) {
			c.passed = slot.InsertID(c.passed, m.Self)
			m.advanceChange()
		}
	}
	if c := m.change; c != nil && !c.begun {
		switch {
		case c.settles && c.policy && (m.Now.Mono >= c.giveUp || c.epoch != m.Epoch()):
			m.endChange(contract.Response{Code: contract.CodeOK, Detail: m.adoptionNote(c)})
		case c.settles && (m.Now.Mono >= c.giveUp || c.epoch != m.Epoch()):
			m.endChange(
				contract.Response{Code: contract.CodeOK, Detail: "the change is in force, but the voters have not " +
					"caught up yet: do not stop a former voter before `kvs status` shows that they have"})
		case m.Now.Mono >= c.giveUp || c.epoch != m.Epoch():
			m.endChange(contract.Response{
				Code: contract.CodeConflict, Outcome: contract.OutcomeNotApplied, RetryAfter: contract.RetryAfter,
				Detail: fmt.Sprintf("a former change of voters is not finished: %d voters have caught up "+
					"with epoch %d, %d are needed: try again", len(c.passed), c.epoch, m.InForce.Majority()),
			})
		case m.Now.Mono >= c.retryAt:
			m.askPassed(c)
			m.advanceChange() // the members it waited for may be dead now.
		}
	}
	if m.InForce == nil {
		return
	}
	if m.Now.Mono >= m.epochTellAt {
		m.epochTellAt = m.Now.Mono + epochTellInterval
		if len(m.Peers) > 0 {
			if p := m.Peers[m.Rand.IntN(len(m.Peers))]; !p.Dead() {
				m.Send(contract.TransportFrame, p.Addr, m.InForceAfter,
					m.Frame(wire.KindEpoch, &wire.Epoch{Epoch: m.Epoch()}))
			}
		}
	}
	if m.Now.Mono >= m.promoteAt {
		m.promoteAt = m.Now.Mono + promotionInterval + time.Duration(m.Rand.Int64N(int64(promotionInterval)))
		_, held := slices.BinarySearch(m.InForce.Held, m.Self)
		if m.change == nil && !held && !m.InForce.Votes(m.Self) && m.owner.Mode() == contract.ModeNormal &&
			len(m.InForce.Voters) < voting.VotersMax && m.VotersAlive() >= m.InForce.Majority() {
			m.Log(contract.LogDebug, "asking to become a voter", "epoch", m.Epoch())
			m.beginChange(&voterChange{add: m.Self, giveUp: m.Now.Mono + voterChangeTimeout})
		}
		m.demoteTheGone()
	}
}

// demoteTheGone demotes voters that left or were removed: they answer no more. A voter does it when a majority of the
// voters is reachable; as with all changes, the first one wins.
func (m *Machine) demoteTheGone() {
	if m.change != nil || m.owner.Gone() || !m.InForce.Votes(m.Self) || len(m.InForce.Voters) == 1 ||
		m.VotersAlive() < m.InForce.Majority() {
		return
	}
	for _, id := range m.InForce.Voters {
		if member, known := m.owner.Lookup(id); known && member.State.Gone() {
			m.Log(contract.LogInfo, "a voter is no longer a member: the others go on without it",
				"voter", id.String(), "epoch", m.Epoch())
			m.beginChange(&voterChange{remove: id, giveUp: m.Now.Mono + voterChangeTimeout})
			return
		}
	}
}

// votersDue is the time of the next of these timers.
func (m *Machine) votersDue() time.Duration {
	if m.InForce == nil {
		return m.founding.next
	}
	at := m.epochTellAt
	if !m.InForce.Votes(m.Self) {
		at = min(at, m.promoteAt)
	}
	if c := m.change; c != nil && !c.begun {
		at = min(at, c.retryAt, c.giveUp)
	}
	return at
}

// HandleEpoch compares epochs with a member: the one that is behind learns the configuration.
func (m *Machine) HandleEpoch(from *step.Peer, in *wire.Epoch) error {
	m.EpochAgrees(from, in.Epoch)
	return nil
}
