package raft

import (
	"strings"
	"testing"
)

// told is a history of notes for one check, and a part of what it must say; empty: nothing.
type told struct {
	name  string
	check func(*Note) string
	notes []Note
	says  string
}

func by(node, boot uint64) Start { return Start{node, boot} }

func at(index, term uint64) entryID { return entryID{index, term} }

// log is a note about entries of one term that follow an entry.
func log(node uint64, before entryID, term uint64, hashes ...uint64) Note {
	n := Note{Kind: NoteLog, By: by(node, 1), Term: term, Before: before}
	for i, h := range hashes {
		n.Entries = append(n.Entries, Entry{at(before.index+uint64(i)+1, term), h})
	}
	return n
}

func leader(node, term uint64, base entryID, terms ...uint64) Note {
	return Note{Kind: NoteLeader, By: by(node, 1), Term: term, Base: base, Terms: terms}
}

func committed(node, in uint64, e entryID) Note {
	return Note{Kind: NoteCommitted, By: by(node, 1), Term: in, At: e}
}

func applied(node uint64, e entryID, entry, state uint64) Note {
	return Note{Kind: NoteApplied, By: by(node, 1), Term: e.term, At: e, Entry: entry, State: state}
}

func restored(node uint64, e entryID, state uint64) Note {
	return Note{Kind: NoteRestored, By: by(node, 1), Term: e.term, At: e, State: state}
}

func elected(node, boot, term uint64) Note {
	return Note{Kind: NoteElected, By: by(node, boot), Term: term}
}

func TestChecksRing(t *testing.T) {
	for _, c := range []told{
		{"two leaders", newElectionSafety().note, []Note{elected(1, 1, 2), elected(2, 1, 3), elected(3, 1, 2)},
			"term 2 has two leaders: n1"},
		{"one leader twice", newElectionSafety().note, []Note{elected(1, 1, 2), elected(1, 2, 2)},
			"term 2 has two leaders"},
		{"a leader a term", newElectionSafety().note, []Note{elected(1, 1, 2), elected(1, 2, 3), elected(2, 1, 4)}, ""},

		{"a leader rewrites", newLeaderAppendOnly().note, []Note{leader(1, 2, at(1, 1), 1, 2), log(1, at(2, 1), 2,
			7)}, "writes entry 3 anew"},
		{"a leader appends", newLeaderAppendOnly().note,
			[]Note{leader(1, 2, at(1, 1), 1, 2), log(1, at(3, 2), 2, 7, 8), log(1, at(5, 2), 2, 9), log(1, at(3, 2),
				3, 7)}, ""},

		{"another entry", newLogMatching().note, []Note{log(1, at(1, 1), 2, 7), log(2, at(1, 1), 2, 8)},
			"entry 2 of term 2 is one thing"},
		{"another log before", newLogMatching().note, []Note{log(1, at(2, 1), 3, 7), log(2, at(2, 2), 3, 7)},
			"follows an entry of term 1"},
		{"logs that match", newLogMatching().note, []Note{log(1, at(1, 1), 2, 7, 8), log(2, at(1, 1), 2, 7), log(2,
			at(2, 2), 2, 8), log(3, at(2, 2), 3, 9)}, ""},

		{"a leader without it", newLeaderCompleteness().note, []Note{committed(1, 2, at(3, 2)), leader(2, 3, at(1, 1),
			2, 3)}, "its entry 3 is of term 3"},
		{"a leader with less", newLeaderCompleteness().note, []Note{committed(1, 2, at(3, 2)), leader(2, 3, at(1, 1),
			3)}, "without entry 3 of term 2"},
		{"committed too late", newLeaderCompleteness().note, []Note{leader(2, 3, at(1, 1), 3), committed(1, 2, at(2,
			2))}, "its entry 2 is of term 3"},
		{"committed twice", newLeaderCompleteness().note, []Note{committed(1, 2, at(2, 2)), committed(2, 3, at(2,
			3))}, "is committed with term 2 at n1"},
		{"leaders with all", newLeaderCompleteness().note, []Note{
			leader(1, 2, at(1, 1), 2), committed(1, 2, at(2, 2)), leader(2, 3, at(1, 1), 2, 3), committed(2, 3, at(3,
				3)), leader(3, 4, at(3, 3), 4),
		}, ""},
		{"a leader of before", newLeaderCompleteness().note, []Note{leader(1, 2, at(1, 1), 2), committed(2, 3, at(3,
			3))}, ""},

		{"another entry applied", newStateMachineSafety().note, []Note{applied(1, at(2, 2), 7, 1), applied(2, at(2,
			2), 8, 1)}, "applied an entry of term 2 at 2"},
		{"another term applied", newStateMachineSafety().note, []Note{applied(1, at(2, 2), 7, 1), applied(2, at(2, 3),
			7, 1)}, "another one, of term 3"},
		{"others before it", newStateMachineSafety().note, []Note{applied(1, at(2, 2), 7, 1), applied(2, at(2, 2), 7,
			2)}, "different entries before 2"},
		{"a wrong snapshot", newStateMachineSafety().note, []Note{applied(1, at(2, 2), 7, 1), restored(2, at(2, 2),
			2)}, "different entries before 2"},
		{"a snapshot of another term", newStateMachineSafety().note, []Note{restored(1, at(2, 2), 1), applied(2, at(2,
			3), 7, 1)}, "of term 3"},
		{"the same applied", newStateMachineSafety().note, []Note{restored(1, at(2, 2), 1), applied(2, at(2, 2), 7,
			1), restored(3, at(2, 2), 1), applied(3, at(2, 2), 7, 1)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var said []string
			for i := range c.notes {
				if s := c.check(&c.notes[i]); s != "" {
					said = append(said, s)
					if i != len(c.notes)-1 {
						t.Errorf("note %d of %d: %s", i+1, len(c.notes), s)
					}
				}
			}
			switch {
			case c.says == "" && len(said) > 0:
				t.Errorf("it rings: %q", said)
			case c.says != "" && (len(said) != 1 || !strings.Contains(said[0], c.says)):
				t.Errorf("it says %q, want one that contains %q", said, c.says)
			}
		})
	}
}
