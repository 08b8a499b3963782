package bootstrap

import (
	"fmt"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"time"
)

// Status says how far a newcomer has come.
type Status struct {
	Phase     string  // waiting, pulling or comparing.
	Serving   bool    // it serves what it has, because no member could be reached in time.
	Server    slot.ID // from whom it pulls; zero: no member at the moment.
	KeysDone  uint64
	KeysAll   uint64 // about; zero: not known yet.
	BytesDone uint64
	BytesAll  uint64
	Band      int // of Bands, from the newest on; zero-based.
	Bands     int
	Rate      uint64        // bytes a second.
	ETA       time.Duration // zero: not known.
	Resumed   bool          // it goes on where a former run stopped.
	Ready     []string      // addresses of members to which clients may be sent.
}

// Syncing reports whether the node is still fetching its data, and does not serve because of that.
func (m *Machine) Syncing() bool { return m.newcomer.phase != phaseDone && !m.newcomer.serving }

// Complete reports whether the node holds what a member is expected to hold.
func (m *Machine) Complete() bool { return m.newcomer.phase == phaseDone }

// Quiet reports whether comparisons have to wait: they would pull everything at once, in the order of the paths.
func (m *Machine) Quiet() bool { return m.Syncing() && m.newcomer.phase != phaseComparing }

// SyncingReason says for people what a node in ModeSyncing is doing.
func (m *Machine) SyncingReason() string { return m.newcomer.insists + m.progress() }

// progress says for people how far a newcomer is.
func (m *Machine) progress() string {
	b := &m.newcomer
	switch {
	case b.phase == phaseWaiting && b.server == 0:
		met := 1
		for _, p := range m.Peers {
			if !p.Dead() {
				met++
			}
		}
		return fmt.Sprintf("bootstrap: waits for a member that serves (%d of %d expected members met)",
			met, max(m.owner.Expected(), met))
	case b.phase == phaseWaiting:
		return "bootstrap: a member is working out what there is to pull"
	case b.phase == phaseComparing:
		return fmt.Sprintf("bootstrap: has pulled %d keys, now compares with a member", b.cursor.keys)
	}
	return fmt.Sprintf("bootstrap: %d of about %d keys, %d of about %d bytes pulled",
		b.cursor.keys, b.plan.Keys, b.cursor.bytes, b.plan.Bytes)
}

// Status is nil when none is under way.
func (m *Machine) Status() *Status {
	b := &m.newcomer
	if b.phase == phaseDone {
		return nil
	}
	s := &Status{
		Phase: b.phase.String(), Serving: b.serving, Server: b.server,
		KeysDone: b.cursor.keys, KeysAll: max(b.plan.Keys, b.cursor.keys),
		BytesDone: b.cursor.bytes, BytesAll: max(b.plan.Bytes, b.cursor.bytes),
		Band: b.cursor.band, Bands: len(b.plan.Bounds),
		Rate: b.meter.rate, Resumed: b.resumed,
	}
	s.ETA = b.meter.eta(s.BytesAll - s.BytesDone)
	for _, p := range m.Peers {
		if p.State == swim.Alive && m.standings.Of(p).standing.Serves() {
			s.Ready = append(s.Ready, p.Addr)
		}
	}
	return s
}

// Absent reports whether a peer lacks so much, as it said last, that comparing with it would only get in the way of its
// bootstrap.
func (m *Machine) Absent(p *step.Peer) bool { return m.standings.Of(p).standing.Absent() }

// LookAgain is called when the node could not take something that a peer holds: a newcomer is not in step before it has
// it, so the comparisons at the end are counted anew.
func (m *Machine) LookAgain() { m.newcomer.rounds = 0 }
