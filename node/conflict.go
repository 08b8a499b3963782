package node

import (
	"slices"
	"strings"
)

// ConflictRecord is how a conflict stands, as this node knows it: one decision.
type ConflictRecord struct {
	Path     string
	Slot     Slot  // its candidates without their values, which stay on disk: see losers.go.
	Bytes    []int // the length of each candidate's value.
	Decision Decision
	Seen     int64 // wall time, milliseconds since the Unix epoch, of the last change.

	age  uint64 // the loser store's clock at the last change.
	size int    // of the stored entry.
}

// conflictRecord makes the record of a slot, without its values.
func conflictRecord(path string, s *Slot, d Decision, seen int64) ConflictRecord {
	r := ConflictRecord{Path: path, Slot: contested(s), Decision: d, Seen: seen}
	r.Slot.Candidates, r.Slot.Votes = slices.Clone(s.Candidates), slices.Clone(s.Votes)
	for i := range r.Slot.Candidates {
		c := &r.Slot.Candidates[i]
		r.Bytes = append(r.Bytes, len(c.Value))
		c.Value = nil
	}
	return r
}

// contested is what of a slot concerns its conflict: the eventual half, and that a linearizable operation chose one candidate, without the
// value, which is that candidate's. It shares memory with s.
func contested(s *Slot) Slot {
	out := Slot{TS: s.TS, Candidates: s.Candidates, Votes: s.Votes}
	if _, found := s.chosen(); found {
		c := *s.Consensus
		c.Record.ContentType, c.Record.Value, c.Applied = "", nil, nil
		out.Consensus = &c
	}
	return out
}

// conflictLog holds the last conflicts, oldest change first, one for each timestamp of a path. It is the index of the loser
// store.
type conflictLog struct {
	entries []ConflictRecord
	bytes   int    // of the stored entries.
	base    uint64 // the store's clock at the start of this run.
	stored  uint64 // what of the clock is on disk, at least.
}

func (l *conflictLog) find(path string, ts Timestamp) int {
	return slices.IndexFunc(l.entries, func(e ConflictRecord) bool { return e.Slot.TS == ts && e.Path == path })
}

func (l *conflictLog) remove(i int) ConflictRecord {
	e := l.entries[i]
	l.bytes -= e.size
	l.entries = slices.Delete(l.entries, i, i+1)
	return e
}

func (l *conflictLog) add(e ConflictRecord) {
	l.bytes += e.size
	l.entries = append(l.entries, e)
}

// conflictChanged takes note of a slot with several candidates, a new conflict or one of which more is known: it is decided,
// counted, logged, handed to the world, and kept with the values of all its candidates. The slot joins the running step's
// persist.
func (n *Node) conflictChanged(path string, s *Slot) {
	known, settled := contested(s), false
	if i := n.conflicts.find(path, s.TS); i >= 0 {
		settled = n.conflicts.entries[i].Decision.Final
		if known.Consensus == nil {
			known.Consensus = n.conflicts.entries[i].Slot.Consensus // later ones are on top of it.
		}
	} else {
		n.counters.ConflictsSeen++
	}
	n.counters.ConflictChanges++
	r := conflictRecord(path, &known, n.electorate.Decide(&known), n.now.Wall)
	n.keepConflict(r, &known)
	n.tellDecision(&r, settled)
}

// conflictChosen takes note of a slot in which a linearizable operation has made a candidate the value of the path.
func (n *Node) conflictChosen(path string, s *Slot) {
	if _, found := s.chosen(); !found || !s.Conflict() {
		return
	}
	if i := n.conflicts.find(path, s.TS); i >= 0 {
		if d, old := n.electorate.Decide(s), n.conflicts.entries[i].Decision; d.Rule == old.Rule && d.Winner == old.Winner && d.Final == old.Final {
			return // chosen once more, under another ballot.
		}
	}
	n.conflictChanged(path, s)
}

// decideAnew looks at the conflicts that are kept, when those who decide have changed, and tells what is decided otherwise now.
func (n *Node) decideAnew() {
	for i := range n.conflicts.entries {
		r := &n.conflicts.entries[i]
		was := r.Decision
		r.Decision = n.electorate.Decide(&r.Slot)
		if was.Winner != r.Decision.Winner || was.Rule != r.Decision.Rule || was.Final != r.Decision.Final {
			n.tellDecision(r, was.Final)
		}
	}
}

// tellDecision counts a decision, logs it, and hands it to the world; settled: the one before was final already.
func (n *Node) tellDecision(r *ConflictRecord, settled bool) {
	if r.Decision.Final && !settled {
		n.counters.ConflictsSettled++
		switch r.Decision.Rule {
		case RuleMajority:
			n.counters.ConflictsMajority++
		case RuleOldest:
			n.counters.ConflictsOldest++
		case RuleLinearizable:
			n.counters.ConflictsLinearizable++
		}
	}
	n.eff.Decisions = append(n.eff.Decisions, *r)
	n.logConflict(r)
}

func (n *Node) logConflict(r *ConflictRecord) {
	if LogInfo < n.opts.LogLevel {
		return
	}
	var candidates, votes []string
	for i := range r.Slot.Candidates {
		c := &r.Slot.Candidates[i]
		candidates = append(candidates, c.UUID.String()+" of "+n.memberName(c.Origin))
	}
	for _, v := range r.Slot.Votes {
		votes = append(votes, n.memberName(v.Member)+" for "+v.UUID.String())
	}
	d := &r.Decision
	n.log(LogInfo, "conflict", "path", r.Path, "ts", r.Slot.TS.String(), "winner", d.Winner.String(), "rule", d.Rule.String(),
		"reason", d.Reason(), "settled", d.Final, "candidates", candidates, "votes", votes)
}

// memberName is a member's name, or its ID when nobody here knows it any more.
func (n *Node) memberName(id ID) string {
	if m, ok := n.swim.Lookup(id); ok && m.Name != "" {
		return m.Name
	}
	return id.String()
}

// Conflicts returns the last conflicts whose paths begin with prefix, newest first, at most limit. A conflict of which more
// became known during the call of Step that runs is among them before it is durable.
func (n *Node) Conflicts(prefix string, limit int) []ConflictRecord {
	var out []ConflictRecord
	for _, e := range slices.Backward(n.conflicts.entries) {
		if len(out) == limit {
			break
		}
		if strings.HasPrefix(e.Path, prefix) {
			out = append(out, e)
		}
	}
	return out
}
