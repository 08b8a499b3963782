package register

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Who runs the operations of a path. Members that propose for one path at the same time end each other's ballots, and
// a ballot stands (standing.go) only while one member proposes. So a path where another member has proposed has a
// preferred proposer: the member that has proposed last, while its ballot may stand there, and else the first voter by
// rendezvous hashing (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998) among those that
// this member believes alive. A path where none but this member proposes needs no other one. It is for speed alone: if
// the views of two members differ, two proposers compete.

const (
	routeDelay  = 40 * time.Millisecond // as long as none has been measured.
	patienceMin = 8 * time.Millisecond  // for a sign of another member, before this one takes over.
	slowMin     = 20 * time.Millisecond // a peer is slow whose delay is at least this,
	slowTimes   = 4                     // and so many times that of another voter.
	askAfresh   = 30 * time.Second      // a member that takes none, because it is of an older version.
)

// patience is how long a sign of a peer is waited for: an answer, or anything else about rounds. A voter gets the
// ACCEPT of a write that it has forwarded, long before the answer, which waits for disks. It is the time-out of RFC
// 6298, section 2: the usual delay and four times by how much it varies.
func (m *Machine) patience(r *route) time.Duration {
	wait := r.delay + 4*r.varies
	if r.delay == 0 {
		wait = routeDelay
	}
	return min(max(wait, patienceMin), m.Tuning.AckTimeout/4)
}

// mixed reports whether another member has proposed on a path last, as far as this one knows, and under which ballot.
func (m *Machine) mixed(path string) (last slot.Ballot, is bool) {
	_, ours, err := m.CurrentSlot(path)
	last = m.Promised(path, ours.Consensus.Promise())
	return last, err == nil && last.Member != 0 && last.Member != m.Self
}

// preferred is the peer that rendezvous hashing prefers for a path; nil: this member, or one that cannot be asked.
func (m *Machine) preferred(path string) *step.Peer {
	var best *step.Peer
	var highest uint64
	if m.HasVoice() {
		highest = weight(path, m.Self)
	}
	for _, id := range m.InForce.Voters {
		p := m.Peer(id)
		if p == nil || !p.Alive() {
			continue
		}
		r := m.routes.Of(p)
		if r.older && m.Now.Mono < r.askedAt+askAfresh || m.Now.Mono < r.muted {
			continue
		}
		if w := weight(path, id); w > highest && !m.slow(p) {
			best, highest = p, w
		}
	}
	if best == nil {
		return nil
	}
	if r := m.routes.Of(best); r.run == 0 {
		m.introduce(best, r, path)
		return nil
	}
	return best
}

// lastProposer is the peer of a path's last ballot, if that is so young that it may stand: an operation takes one round
// there, and two at any other member. Nil: there is none, or it cannot be asked.
func (m *Machine) lastProposer(last slot.Ballot) *step.Peer {
	p := m.Peer(last.Member)
	if p == nil || last.Epoch != m.Epoch() || !p.Alive() || !m.InForce.Votes(p.ID) ||
		m.HLC.Last().Wall()-last.TS.Wall() > StandingAgeMax.Milliseconds() {
		return nil
	}
	r := m.routes.Of(p)
	if r.run == 0 || m.Now.Mono < r.muted || m.slow(p) {
		return nil
	}
	return p
}

// slow reports whether a peer takes far longer than another voter, as one that is far away does. It is left alone then,
// but for one operation now and then.
func (m *Machine) slow(p *step.Peer) bool {
	r := m.routes.Of(p)
	for _, id := range m.InForce.Voters {
		other := m.Peer(id)
		if other == nil || other == p || !other.Alive() {
			continue
		}
		if usual := m.routes.Of(other).delay; usual > 0 && r.delay >= max(slowMin, slowTimes*usual) {
			r.delay, r.varies, r.misses, r.muted = 0, 0, max(r.misses, 1), m.Now.Mono+muteMax
			return true
		}
	}
	return false
}

// weight is the hash of a path and a member in rendezvous hashing.
func weight(path string, id slot.ID) uint64 {
	h := uint64(14695981039346656037) // FNV-1a, and the finisher of SplitMix64.
	for i := range len(path) {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	h ^= uint64(id) * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// introduceAll asks the voters of which that is not known whether they take operations.
func (m *Machine) introduceAll(path string) {
	for _, id := range m.InForce.Voters {
		if p := m.Peer(id); p != nil && p.Alive() {
			if r := m.routes.Of(p); r.run == 0 && r.askedAt == 0 {
				m.introduce(p, r, path)
			}
		}
	}
}

// introduce asks a peer whether it takes operations: the answer to any look says so.
func (m *Machine) introduce(p *step.Peer, r *route, path string) {
	if r.askedAt != 0 && m.Now.Mono < r.askedAt+m.Tuning.AckTimeout {
		return
	}
	r.askedAt = m.Now.Mono
	m.last++
	q := wire.Question{Round: m.ExchangeID(m.last), Epoch: m.Epoch(), Path: path}
	m.Send(contract.TransportFrame, p.Addr, m.InForceAfter, m.Frame(wire.KindLook, &q))
}

// noteRun remembers what a peer's answer to a look says about it. A yes to a PREPARE has a ballot in that place.
func (m *Machine) noteRun(from *step.Peer, a *wire.Answer) {
	r := m.routes.Of(from)
	if run, ok := wire.Introduced(a, from.ID); ok {
		r.run, r.older = run, false
	} else if a.OK && a.Promised.IsZero() {
		r.run, r.older, r.askedAt = 0, true, m.Now.Mono
	}
}
