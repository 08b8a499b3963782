package bootstrap

import (
	"fmt"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"time"
)

// Status is the progress of a newcomer.
type Status struct {
	Phase     string  // waiting, pulling or comparing.
	Serving   bool    // it serves what it has, because no member could be reached in time.
	Server    slot.ID // the member from which it pulls; zero: none at the moment.
	KeysDone  uint64
	KeysAll   uint64 // about; zero: not known yet.
	BytesDone uint64
	BytesAll  uint64
	Band      int // of Bands, from the newest on; zero-based.
	Bands     int
	Rate      uint64        // bytes a second.
	ETA       time.Duration // zero: not known.
	Resumed   bool          // it continues the bootstrap of a former run.
	Ready     []string      // addresses of members that can serve clients.
}

// Syncing reports whether the node is still fetching its data and therefore does not serve.
func (m *Machine) Syncing() bool { return m.newcomer.phase != phaseDone && !m.newcomer.serving }

// Complete reports whether the node holds all data that a member is expected to hold.
func (m *Machine) Complete() bool { return m.newcomer.phase == phaseDone }

// Quiet reports whether comparisons have to wait: they would pull all data at once, in the order of the paths.
func (m *Machine) Quiet() bool { return m.Syncing() && m.newcomer.phase != phaseComparing }

// SyncingReason says for people what a node in ModeSyncing is doing.
func (m *Machine) SyncingReason() string { return m.newcomer.insists + m.progress() }

// progress describes the progress of a newcomer for people.
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
		if p.State == swim.Alive && m.standings.Look(p).standing.Serves() {
			s.Ready = append(s.Ready, p.Addr)
		}
	}
	return s
}

// Absent reports whether a peer, by its last answer, lacks so much that a comparison would only slow down its
// bootstrap.
func (m *Machine) Absent(p *step.Peer) bool { return m.standings.Of(p).standing.Absent() }

// LookAgain is called when the node could not take a record that a peer holds: a newcomer is not in step before it has
// the record, so the comparisons at the end are counted anew.
func (m *Machine) LookAgain() { m.newcomer.rounds = 0 }
