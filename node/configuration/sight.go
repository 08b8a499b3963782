package configuration

import (
	"maps"
	"slices"
	"time"

	"kvs/node/slot"
)

// sight is what a catch-up finds out about paths on which former voters are blind: rot has taken what they had there
// (node/register/acceptor.go). Such a former voter is no source for the path: what it holds is a copy at best. It says
// so by a version of zero beside the one that it holds; older versions of kvs take no notice of that.
//
// Of N former voters, N-M+1 that see a path hold everything that was chosen there, where M is a majority: so many have
// to be among the sources. If they are not, more former voters are asked than a majority, and for a while those that
// cannot be reached are waited for. If there are too few all the same, this voter does not know what was chosen there,
// and is blind on the path itself. If there are enough, it knows; and if it was blind since a former epoch, it sees
// from now on: it has promised nothing on the path in this epoch, and ballots begin with the epoch.
type sight struct {
	here  map[string]bool // paths on which this voter itself is blind.
	there map[string]int  // how many of those that were gone through are blind, by path.
	now   map[string]bool // of the one under way.
	until time.Duration   // when it stops to wait for another former voter because of that; zero: it has not begun to.
}

const sightWait = time.Minute

func (s *sight) begin() { s.now = nil }

func (s *sight) end() {
	for _, path := range slices.Sorted(maps.Keys(s.now)) {
		if s.there == nil {
			s.there = make(map[string]int)
		}
		s.there[path]++
	}
	s.now = nil
}

func (s *sight) blindHere(path string) {
	if s.here == nil {
		s.here = make(map[string]bool)
	}
	s.here[path] = true
}

func (s *sight) blindThere(path string) {
	if s.now == nil {
		s.now = make(map[string]bool)
	}
	s.now[path] = true
}

// paths are those of which anybody is blind, in order.
func (s *sight) paths() []string {
	out := append(slices.Sorted(maps.Keys(s.here)), slices.Sorted(maps.Keys(s.there))...)
	slices.Sort(out)
	return slices.Compact(out)
}

// seen reports whether so many of the former voters that were gone through see a path that they hold everything that
// was chosen there.
func (m *Machine) seen(path string) bool {
	u, former := &m.catchUp, len(m.InForce.Previous)
	seers := len(u.done) - u.sight.there[path]
	if _, me := slices.BinarySearch(u.done, m.Self); me && u.sight.here[path] {
		seers--
	}
	return seers >= former-(former/2+1)+1
}

// oneMoreMaySee reports whether another former voter is to be asked because too many are blind, or waited for.
func (m *Machine) oneMoreMaySee() bool {
	u := &m.catchUp
	if m.InForce.Recovered() ||
		!slices.ContainsFunc(u.sight.paths(), func(path string) bool { return !m.seen(path) }) {
		return false
	}
	if u.sight.until == 0 {
		u.sight.until = m.Now.Mono + sightWait
	}
	return m.Now.Mono < u.sight.until && slices.ContainsFunc(m.InForce.Previous, func(id slot.ID) bool {
		return id != m.Self && m.Peer(id) != nil && !slices.Contains(u.done, id)
	})
}

// settleSight stores where this voter sees again, and where it is blind, before it has caught up.
func (m *Machine) settleSight() {
	recovered := m.InForce.Recovered() // what none of the chosen voters has was lost with consent.
	for _, path := range m.catchUp.sight.paths() {
		_, held, err := m.CurrentSlot(path)
		if err != nil {
			continue // it is blind there as it is.
		}
		c := held.Consensus.Clone()
		switch seen := recovered || m.seen(path); {
		case seen && c.Blind && c.Promised.Epoch < m.catchUp.epoch:
			c.Blind = false
		case !seen && !c.Blind && c.Ballot.Epoch < m.catchUp.epoch: // a record of this epoch follows all others.
			c.Blind = true
		default:
			continue
		}
		held.Consensus = c
		m.owner.WriteSlot(path, &held)
	}
}
