package register

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Operations of other members that this one runs. The member that forwarded a write may have taken it over, may have
// answered its client, and others may have written since. So this member runs it only on what it knows to be without
// it: if all records on the path that are not its own, Joined.Foreign and those before it, are at or below the clock
// of the other member when it forwarded. They cannot be of this operation, and by the promise of a majority none comes
// between. Otherwise it declines: the write was not run, and will not be. The other member may then forward it anew,
// with a clock of now.
//
// One message is run once: its stamp tells. A restart forgets stamps, and what this member wrote itself before counts
// as its own no more, so a message names the run that it is for.

// HandleForward runs an operation for another member.
func (m *Machine) HandleForward(from *step.Peer, f *wire.Forward) error {
	if err := m.Hearsay.Believes(from, f.Since); err != nil {
		return err
	}
	o := &operation{
		Attempt:  Attempt{Request: &f.Request, UUID: f.UUID, Floor: f.First, Since: f.Since},
		from:     &origin{from.ID, f.Round},
		deadline: m.Now.Mono + f.Budget/10*9,
	}
	w := windowOf(&m.windows, from, m.HLC.Last())
	if f.Run != m.Exchanges || f.Since != 0 && f.Since <= w.since {
		m.sendForwarded(o, 0, &wire.Forwarded{Fate: wire.FateUnknown})
		return nil
	}
	if !w.take(m.InStamp) {
		return nil
	}
	m.HLC.Observe(f.Since)
	m.Counters.ForwardsIn++
	switch {
	case !m.Tuning.Forwards || m.InForce == nil || m.owner.NoQuorum() != "" || m.open >= opsMax ||
		m.owner.Declines(f.Request.Op):
		m.sendForwarded(o, 0, &wire.Forwarded{
			Fate: wire.FateDeclined, Response: contract.Response{Code: contract.CodeOverloaded},
		})
	default:
		m.beginOp(o)
	}
	return nil
}

// answerForwarded hands the result of an operation to the member that has forwarded it.
func (m *Machine) answerForwarded(o *operation, after contract.PersistID, resp contract.Response) {
	a := wire.Forwarded{Response: resp}
	switch {
	case resp.Code == contract.CodePrecondition || resp.Code == contract.CodeKeyReused:
	case resp.Outcome == contract.OutcomeNotApplied,
		o.Request.Op == contract.OpGet && resp.Code != contract.CodeOK && resp.Code != contract.CodeNotFound:
		a.Fate = wire.FateDeclined
	}
	if o.Request.Op == contract.OpPut && resp.Outcome == contract.OutcomeApplied { // it is known there.
		a.Response.Record.ContentType, a.Response.Record.Value = "", nil
	}
	m.sendForwarded(o, after, &a)
}

func (m *Machine) sendForwarded(o *operation, after contract.PersistID, a *wire.Forwarded) {
	a.Round, a.Run, a.UUID, a.Clock = o.from.round, m.Exchanges, o.UUID, m.HLC.Last()
	if to := m.Peer(o.from.peer); to != nil {
		m.Send(contract.TransportFrame, to.Addr, max(after, m.InForceAfter, m.BoundAfter),
			m.Frame(wire.KindForwarded, a))
	}
}

// endDeclined ends an operation that this member may not run.
func (m *Machine) endDeclined(o *operation) { m.endRound(o, 0, declined()) }

func declined() contract.Response {
	return contract.Response{
		Code: contract.CodeConflict, Outcome: contract.OutcomeNotApplied,
		Detail: "other members have written the path since this was forwarded",
	}
}

// foreign is at or above all versions on a path, and all ballots of records there, that are not of this member's own
// rounds since: j is what a PREPARE has found. Ballots, because a write that finds nothing to do makes no version, and
// is answered all the same once what it found is certain under its ballot. A tombstone that was collected meanwhile is
// below the fence, or held here.
func (m *Machine) foreign(path string, j *Joined) slot.Timestamp {
	_, ours, err := m.CurrentSlot(path)
	if err != nil {
		return ^slot.Timestamp(0)
	}
	ts := max(j.Top, ours.Reach(), m.owner.Fence())
	if j.Consensus.Accepted() {
		ts = max(ts, j.Consensus.Ballot.TS)
	}
	return ts
}
