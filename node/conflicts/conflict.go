package conflicts

import (
	"slices"
	"strings"

	"kvs/node/contract"
	"kvs/node/slot"
)

// newRecord makes the record of a slot, without its values.
func newRecord(path string, s *slot.Slot, d slot.Decision, seen int64) contract.ConflictRecord {
	r := contract.ConflictRecord{Path: path, Slot: contested(s), Decision: d, Seen: seen}
	r.Slot.Candidates, r.Slot.Votes = slices.Clone(s.Candidates), slices.Clone(s.Votes)
	for i := range r.Slot.Candidates {
		c := &r.Slot.Candidates[i]
		r.Bytes = append(r.Bytes, len(c.Value))
		c.Value = nil
	}
	return r
}

// contested is the part of a slot that concerns its conflict: the eventual half, and which candidate a linearizable
// operation chose, without its value, which is the candidate's. It shares memory with s.
func contested(s *slot.Slot) slot.Slot {
	out := slot.Slot{TS: s.TS, Candidates: s.Candidates, Votes: s.Votes}
	if _, found := s.Chosen(); found {
		c := *s.Consensus
		c.Record.ContentType, c.Record.Value, c.Applied = "", nil, nil
		out.Consensus = &c
	}
	return out
}

func (m *Machine) find(path string, ts slot.Timestamp) int {
	return slices.IndexFunc(m.entries, func(e contract.ConflictRecord) bool {
		return e.Slot.TS == ts && e.Path == path
	})
}

func (m *Machine) remove(i int) contract.ConflictRecord {
	e := m.entries[i]
	m.bytes -= e.Size
	m.entries = slices.Delete(m.entries, i, i+1)
	return e
}

func (m *Machine) add(e contract.ConflictRecord) {
	m.bytes += e.Size
	m.entries = append(m.entries, e)
}

// Changed is called for a slot with several candidates: a new conflict, or one with new candidates or votes. It decides
// the conflict, counts and logs it, hands it to the world, and keeps it with the values of all its candidates. The slot
// joins the running step's persist.
func (m *Machine) Changed(path string, s *slot.Slot) {
	known, settled := contested(s), false
	if i := m.find(path, s.TS); i >= 0 {
		settled = m.entries[i].Decision.Final
		if known.Consensus == nil {
			known.Consensus = m.entries[i].Slot.Consensus // later changes are made on top of it.
		}
	} else {
		m.Counters.ConflictsSeen++
	}
	m.Counters.ConflictChanges++
	r := newRecord(path, &known, m.Electorate.Decide(&known), m.Now.Wall)
	m.keep(r, &known)
	m.tellDecision(&r, settled)
}

// Chosen is called for a slot in which a linearizable operation has made a candidate the value of the path.
func (m *Machine) Chosen(path string, s *slot.Slot) {
	if _, found := s.Chosen(); !found || !s.Conflict() {
		return
	}
	if i := m.find(path, s.TS); i >= 0 {
		if d, old := m.Electorate.Decide(s), m.entries[i].Decision; d.Rule == old.Rule && d.Winner == old.Winner &&
			d.Final == old.Final {
			return // chosen once more, under another ballot.
		}
	}
	m.Changed(path, s)
}

// DecideAnew decides the kept conflicts again after a change of the electorate, and reports decisions that are
// different now. It returns the paths that have another winner.
func (m *Machine) DecideAnew() (turned []string) {
	for i := range m.entries {
		r := &m.entries[i]
		was := r.Decision
		r.Decision = m.Electorate.Decide(&r.Slot)
		if was.Winner != r.Decision.Winner || was.Rule != r.Decision.Rule || was.Final != r.Decision.Final {
			m.tellDecision(r, was.Final)
		}
		if was.Winner != r.Decision.Winner {
			turned = append(turned, r.Path)
		}
	}
	return turned
}

// tellDecision counts a decision, logs it, and hands it to the world; settled: the former decision was final already.
func (m *Machine) tellDecision(r *contract.ConflictRecord, settled bool) {
	if r.Decision.Final && !settled {
		m.Counters.ConflictsSettled++
		switch r.Decision.Rule {
		case slot.RuleMajority:
			m.Counters.ConflictsMajority++
		case slot.RuleOldest:
			m.Counters.ConflictsOldest++
		case slot.RuleLinearizable:
			m.Counters.ConflictsLinearizable++
		}
	}
	m.Eff.Decisions = append(m.Eff.Decisions, *r)
	m.log(r)
}

func (m *Machine) log(r *contract.ConflictRecord) {
	if contract.LogInfo < m.LogLevel {
		return
	}
	var candidates, votes []string
	for i := range r.Slot.Candidates {
		c := &r.Slot.Candidates[i]
		candidates = append(candidates, c.UUID.String()+" of "+m.owner.MemberName(c.Origin))
	}
	for _, v := range r.Slot.Votes {
		votes = append(votes, m.owner.MemberName(v.Member)+" for "+v.UUID.String())
	}
	d := &r.Decision
	m.Log(contract.LogInfo, "conflict", "path", r.Path, "ts", r.Slot.TS.String(), "winner", d.Winner.String(), "rule",
		d.Rule.String(),
		"reason", d.Reason(), "settled", d.Final, "candidates", candidates, "votes", votes)
}

// List returns the last conflicts whose paths begin with prefix, newest first, at most limit. A conflict that changed
// in the running step is among them before it is durable.
func (m *Machine) List(prefix string, limit int) []contract.ConflictRecord {
	var out []contract.ConflictRecord
	for _, e := range slices.Backward(m.entries) {
		if len(out) == limit {
			break
		}
		if strings.HasPrefix(e.Path, prefix) {
			out = append(out, e)
		}
	}
	return out
}
