package checks

import (
	"fmt"
	"slices"
	"strings"

	"kvs/node"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/sim/kvs/world"
)

// voter is a member of the electorate, from when it joined until it was gone.
type voter struct {
	id   node.ID
	born uint64
	gone uint64 // milliseconds; zero: it is not.
}

// seated reports whether v has a seat for writes at a timestamp.
func (v *voter) seated(ts node.Timestamp) bool {
	return v.born <= uint64(ts) && (v.gone == 0 || uint64(ts.Wall()) <= v.gone)
}

// votersOfNow are the members that a replica knows, dead or alive, restarts included, and those that are gone, oldest
// first. checkElectorate finds missing ones; the ages are the world's own data.
func (c *conflictCheck) votersOfNow(r *world.Replica) []voter {
	var out []voter
	for _, id := range r.Electorate.Members() {
		out = append(out, voter{id: id, born: c.w.Born[id]})
	}
	for _, m := range r.Node.Status().Members {
		if m.State.Gone() {
			out = append(out, voter{m.ID, c.w.Born[m.ID], m.GoneAt})
		}
	}
	sortVoters(out)
	return out
}

// votersAmong are the members in a table, and those that are gone.
func votersAmong(members []swim.Member) []voter {
	var out []voter
	for _, m := range members {
		out = append(out, voter{m.ID, m.Born, m.GoneAt})
	}
	sortVoters(out)
	return out
}

func sortVoters(list []voter) {
	slices.SortFunc(list, func(a, b voter) int {
		if a.born != b.born {
			return strings.Compare(fmt.Sprintf("%020d", a.born), fmt.Sprintf("%020d", b.born))
		}
		return strings.Compare(a.id.String(), b.id.String())
	})
}

// checkElectorate compares the electorate with the member table: every member that has not left is in it, and no
// others. A member that is not in the table may be known from before a restart.
func (c *conflictCheck) checkElectorate(r *world.Replica) {
	members := r.Node.Status().Members
	decide := r.Electorate.Members()
	for _, m := range members {
		if !m.State.Gone() && !slices.Contains(decide, m.ID) {
			c.bad(r.Number, "", "%s is a member and has no vote", m.Name)
		}
	}
	for _, id := range decide {
		left := slices.ContainsFunc(members, func(m swim.Member) bool { return m.ID == id && m.State.Gone() })
		if _, known := c.w.Born[id]; !known || left {
			c.bad(r.Number, "", "%s has a vote and is no member", id)
		}
	}
}

// verdict is a decision of the oracle.
type verdict struct {
	winner  node.UUID
	rule    node.Rule
	settled bool   // no future vote can change it: gone members do not vote.
	voters  string // all members with a seat, and the gone members whose vote is not known.
	why     string
}

// decide is the conflict rule of the documentation: more than half of the members of that time, else the oldest. The
// end of a value loses to all writes; expiry.go checks that it is never beside a write in a slot.
func decide(s *node.Slot, voters []voter) (d verdict) {
	votes, seats, known, open := make(map[node.UUID]int), 0, 0, 0
	for _, m := range voters {
		if !m.seated(s.TS) {
			continue
		}
		seats++
		at := slices.IndexFunc(s.Votes, func(v node.Vote) bool {
			return v.Member == m.id && slices.ContainsFunc(s.Candidates,
				func(c node.Candidate) bool { return c.UUID == v.UUID })
		})
		d.voters += m.id.String()
		switch {
		case at >= 0:
			votes[s.Votes[at].UUID]++
			known++
		case m.gone != 0:
			d.voters += "?"
		default:
			open++
		}
	}
	for i, c := range s.Candidates {
		if votes[c.UUID]*2 > seats && !world.IsEnding(s, i) {
			d.winner, d.rule, d.settled = c.UUID, slot.RuleMajority, true
			d.why = fmt.Sprintf("%d of %d votes", votes[c.UUID], seats)
			return d
		}
	}
	d.rule, d.settled = slot.RuleOldest, open == 0
	for _, m := range voters {
		for i, c := range s.Candidates {
			if c.Origin == m.id && !world.IsEnding(s, i) {
				d.winner = c.UUID
				d.why = fmt.Sprintf("no majority among the %d of %d votes known, and %s is the oldest", known, seats,
					m.id)
				return d
			}
		}
	}
	origins := slices.Clone(s.Candidates)
	slices.SortFunc(origins, func(a, b node.Candidate) int {
		return strings.Compare(a.Origin.String(),
			b.Origin.String())
	})
	d.winner, d.why = origins[0].UUID, "no origin was ever a member, and its ID is the lowest"
	return d
}
