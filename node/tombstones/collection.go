package tombstones

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// The collection of a tombstone. A delete leaves a tombstone, because a member that missed the delete would otherwise
// bring the value back. A tombstone may be dropped once every member has it, and no older version can come back from
// anywhere:
//
//   - Every member that has not left, the dead included, acknowledges that it holds the same slot on its disk, that the
//     slot shows a tombstone, that no conflict in it is open and no live value lies beneath, and that the copy is not
//     weak: a round with a promise from before the copy came may have seen the deleted value, and bring it back under
//     its higher ballot. A member that is away for a month keeps all tombstones for a month; an operator that gives it
//     up removes it from the cluster.
//   - All of them acknowledge under the same roster, in the same epoch. A member that one of them knows may have got
//     the old value from it.
//   - Each acknowledgement has the stamp up to which frames of that member are too old from then on (stamps.go), and
//     the highest promise and ballot. Both become durable in the persist that drops the tombstone, and so does the
//     member's own promise on the path since it acknowledged.
//
// Acknowledgements stay true for ever: from then on the member holds that tombstone or a newer version, or has dropped
// it by this same rule. A record may rot: rot.go has what keeps the tombstone then. So one member collects the
// acknowledgements, drops the tombstone, and sends the others the result (collected): the tombstones, and up to which
// stamps to refuse frames. They drop without asking again. The member that made the tombstone collects; if it has left,
// the oldest member does.
//
// A member that missed the result would send its tombstone back to members that dropped it, which would then hold it
// again, and so on. So each member remembers in memory for a while what it dropped, refuses it, and sends the result
// again instead. Losing this memory in a restart costs a further round and is never wrong.
//
// No clock decides. The grace time only delays the collection; it is counted in quarters of running time (the
// generation, kept over restarts), so that no clock has to be trusted and no time of deletion stored.

// round asks all members about some tombstones.
type round struct {
	id     uint64
	roster uint64
	paths  []wire.HeldVersion
	held   []bool // by all members that have answered.
	floors []wire.Floor
	fence  slot.Timestamp
	giveUp time.Duration
}

const (
	collectPause   = 50 * time.Millisecond
	collectTimeout = 5 * time.Second
)

// plan sets the time of the next look: soon when there is more of the index to scan.
func (m *Machine) plan(more bool) {
	pause := max(collectPause, min(m.Tuning.TombstoneGrace/graceParts, time.Minute))
	if more {
		pause = collectPause
	}
	m.next = m.Now.Mono + pause
}

// absent returns a member that cannot be asked and must acknowledge, and false when all can be asked.
func (m *Machine) absent() (slot.ID, bool) {
	for _, r := range m.Roster {
		if p := m.Peer(r.Member); r.Member != m.Self && (p == nil || p.State == swim.Dead) {
			return r.Member, true
		}
	}
	return 0, false
}

// mayCollect reports whether all members can be asked, and logs once which member is missing. Before the founding,
// fewer members than expected means that some have not met yet.
func (m *Machine) mayCollect() bool {
	id, some := m.absent()
	if m.InForce == nil && len(m.Roster) < m.owner.MembersExpected() {
		return false
	}
	if m.missing != id {
		if some {
			m.Log(contract.LogInfo, "tombstones stay until a member that is away returns, or is removed from "+
				"the cluster",
				"member", id.String())
		}
		m.missing = id
	}
	return !some
}

// collect scans the next part of the index, and begins a round over the tombstones that this member has to collect.
func (m *Machine) collect() {
	if m.Mute() || !m.mayCollect() {
		m.plan(false)
		return
	}
	ripe, more := m.scanIndex()
	m.plan(more)
	var paths []wire.HeldVersion
	for _, path := range ripe {
		slot, state := m.tombstone(path)
		switch {
		case state == stateNone:
			m.Changes = append(m.Changes, contract.Change{Key: schema.PrefixTombstone + path})
		case state == statePromise:
			m.dropPromise(path, &slot)
		case state == stateHeld && m.collector(&slot) == m.Self:
			paths = append(paths, wire.HeldVersion{Path: path, Version: slot.Version()})
		case state == stateWeak: // perhaps at this member only.
			m.owner.Settle(path)
		case state == stateCovers && m.collector(&slot) == m.Self:
			m.owner.Settle(path)
		}
	}
	if len(paths) == 0 {
		return
	}
	m.last++
	m.round = &round{
		id: m.ExchangeID(m.last), roster: m.rosterSum(), paths: paths, held: slices.Repeat([]bool{true}, len(paths)),
		giveUp: m.Now.Mono + collectTimeout,
	}
	ask := m.Frame(wire.KindCollectAsk, &wire.CollectAsk{Round: m.round.id, Roster: m.round.roster, Paths: paths})
	m.acked = max(m.acked, m.LastStamp())
	m.round.fence = m.highest(paths)
	for _, p := range m.Peers {
		m.Send(contract.TransportFrame, p.Addr, 0, ask)
	}
	m.conclude() // at once, by a cluster of one.
}

// rosterSum is a hash of the members that this one knows and that have not left, and of the configuration in force.
func (m *Machine) rosterSum() uint64 {
	h := (uint64(14695981039346656037) ^ m.Epoch()) * 1099511628211
	for _, r := range m.Roster {
		h = (h ^ uint64(r.Member)) * 1099511628211
		h ^= h >> 32
	}
	return h
}

// highest is at or above every version, promise and ballot that this member has seen, those of these paths included.
func (m *Machine) highest(paths []wire.HeldVersion) slot.Timestamp {
	high := max(m.HLC.Last(), m.stamps.fence)
	for i := range paths {
		high = max(high, paths[i].TS)
		if _, slot, err := m.CurrentSlot(paths[i].Path); err == nil && slot.Consensus != nil {
			high = max(high, slot.Consensus.Promised.TS, slot.Consensus.Ballot.TS)
		}
	}
	return high
}

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.On(wire.KindCollectAsk, m.HandleCollectAsk),
		step.On(wire.KindCollectAnswer, m.HandleCollectAnswer),
		step.On(wire.KindCollected, m.HandleCollected),
	}
}

// HandleCollectAsk acknowledges the tombstones that this member holds unchanged, or held until all others did. The
// answer is sent after everything that was sealed before it, so that the frames refused because of it are seldom still
// in flight.
func (m *Machine) HandleCollectAsk(from *step.Peer, ask *wire.CollectAsk) error {
	if m.Mute() {
		return nil // it may have forgotten what it has promised, which the answer counts with.
	}
	a := wire.CollectAnswer{Round: ask.Round, Roster: m.rosterSum(), Fence: m.highest(ask.Paths)}
	for _, k := range ask.Paths {
		slot, state := m.tombstone(k.Path)
		held := state == stateHeld && slot.Version() == k.Version
		a.Held = append(a.Held, held || m.buried(k.Path, k.Version))
	}
	a.UpTo = m.LastStamp()
	m.acked = max(m.acked, a.UpTo)
	m.Send(contract.TransportFrame, from.Addr, m.Persists, m.Frame(wire.KindCollectAnswer, &a))
	return nil
}

// HandleCollectAnswer counts an answer.
func (m *Machine) HandleCollectAnswer(from *step.Peer, answer *wire.CollectAnswer) error {
	r := m.round
	if r == nil || r.id != answer.Round || len(answer.Held) != len(r.paths) {
		return nil
	}
	if err := m.Hearsay.Believes(from, answer.Fence); err != nil {
		return err
	}
	if answer.Roster != r.roster {
		m.Log(contract.LogDebug, "tombstones: members do not agree on who they are", "peer", from.ID.String())
		m.round = nil
		m.plan(false)
		return nil
	}
	for i := range r.held {
		r.held[i] = r.held[i] && answer.Held[i]
	}
	i, twice := findFloor(r.floors, from.ID)
	if !twice {
		r.floors = slices.Insert(r.floors, i, wire.Floor{Member: from.ID, Stamp: answer.UpTo})
	}
	r.fence = max(r.fence, answer.Fence)
	m.conclude()
	return nil
}

// conclude drops the tombstones that all members have acknowledged, once all have answered, and sends the others the
// result.
func (m *Machine) conclude() {
	r := m.round
	for _, s := range m.Roster {
		if _, answered := findFloor(r.floors, s.Member); !answered && s.Member != m.Self {
			return
		}
	}
	m.round = nil
	if r.roster != m.rosterSum() {
		return
	}
	word := wire.Collected{Floors: r.floors, Fence: r.fence}
	for i, k := range r.paths {
		if r.held[i] {
			word.Paths = append(word.Paths, k)
		}
	}
	if len(word.Paths) == 0 {
		return
	}
	m.heed(&word)
	i, _ := findFloor(word.Floors, m.Self)
	word.Floors = slices.Insert(word.Floors, i, wire.Floor{Member: m.Self, Stamp: m.acked})
	frame := m.Frame(wire.KindCollected, &word)
	for _, p := range m.Peers {
		m.Send(contract.TransportFrame, p.Addr, m.NextPersist(), frame)
	}
}

// HandleCollected drops tombstones that all members have acknowledged to the sender.
func (m *Machine) HandleCollected(from *step.Peer, word *wire.Collected) error {
	if err := m.Hearsay.Believes(from, word.Fence); err != nil {
		return err
	}
	m.heed(word)
	return nil
}

// heed raises the floors and the fence, and drops the tombstones that this member still holds unchanged.
func (m *Machine) heed(word *wire.Collected) {
	for _, f := range word.Floors {
		if f.Member == m.Self {
			m.acked = max(m.acked, f.Stamp) // acknowledged by a former run, perhaps.
		} else {
			m.stamps.raise(f.Member, f.Stamp)
		}
	}
	m.raiseFence(word.Fence)
	for _, k := range word.Paths {
		slot, state := m.tombstone(k.Path)
		if state != stateHeld || slot.Version() != k.Version {
			m.strip(&k)
			continue
		}
		// A promise since the acknowledgement is dropped with the slot, and the others do not know it: the fence keeps
		// it.
		m.raiseFence(slot.Consensus.Promise().TS)
		m.owner.Erase(k.Path)
		m.graves.put(k.Path, k.Version)
		m.Counters.TombstonesDropped++
	}
	m.Changes = append(m.Changes, m.stampsChange())
}
