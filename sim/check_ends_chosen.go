package sim

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
)

// The end of a value that a linearizable operation wrote is a compare-and-set of a member's own, with a timestamp and a UUID like any
// other. It has a place in the one order of its path, and the history has to say so: a delete of just this value, asked for
// when it had lived its time, of unknown outcome. What ends early, or goes as the end of another, fits into no order then.

// lineage is what disks have held of the consensus halves of paths whose history is judged, while values end.
type lineage map[string][]ancestor

type ancestor struct {
	version   node.Version
	tombstone bool
	label     string
	at        time.Duration // when some disk had it first.
}

// descends takes note of a slot that has become durable.
func (w *world) descends(path string, s *node.Slot) {
	c := s.Consensus
	if c == nil || c.Record.TS == 0 || w.sc.Workload.TTLMax == 0 || !w.judged(path) {
		return
	}
	v := c.Record.Version()
	if known := slices.ContainsFunc(w.lineage[path], func(a ancestor) bool { return a.version == v }); !known {
		w.lineage[path] = append(w.lineage[path], ancestor{v, c.Record.Tombstone, scenarios.Label(c.Record.Value), w.now})
	}
}

// judged reports whether the history of a path is to be linearizable.
func (w *world) judged(path string) bool {
	return w.sc.Expects(scenarios.Linearizable) && strings.HasPrefix(path, w.sc.Workload.LinearizablePrefix())
}

// withEnds adds to a history the ends that there may have been. A tombstone may be the end of a value below it that had lived its time, when
// no acknowledged write is between them, also if a client was told of it: its delete may have found it there.
func (w *world) withEnds(h *linearize.History) {
	process := 0
	for i := range h.Ops {
		process = max(process, h.Ops[i].Process)
	}
	for i := range w.ledger.writes {
		wr := &w.ledger.writes[i]
		if from := wr.begun + wr.ttl - endsEarly(wr.ttl); wr.ttl > 0 && wr.fate != fateRefused && w.mayHaveEnded(wr, from) {
			process++
			h.Ops = append(h.Ops, linearize.Op{
				Process: process, Kind: linearize.CASDelete, Path: wr.path, Level: node.Linearizable.String(), Expect: scenarios.Label(wr.value),
				Invoke: int64(from), Return: linearize.Never, Status: linearize.Info, Error: "the end of the value, if it came",
			})
		}
	}
	slices.SortStableFunc(h.Ops, func(a, b linearize.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
}

func (w *world) mayHaveEnded(wr *write, from time.Duration) bool {
	held := w.lineage[wr.path]
	for i := range held { // a value may have several versions: attempts of which only the last got in.
		a := &held[i]
		if !a.tombstone && a.label == scenarios.Label(wr.value) && slices.ContainsFunc(held, func(end ancestor) bool {
			return end.tombstone && end.at >= from && end.version.TS > a.version.TS && !w.ledger.acknowledgedBetween(wr.path, a.version, end.version)
		}) {
			return true
		}
	}
	return false
}

// acknowledgedBetween reports whether a write was acknowledged with a version between two others.
func (l *ledger) acknowledgedBetween(path string, above, below node.Version) bool {
	return slices.ContainsFunc(l.of(path), func(i int32) bool {
		wr := &l.writes[i]
		return wr.fate == fateAcknowledged && wr.version.Compare(above) > 0 && wr.version.Compare(below) < 0
	})
}

// mayEndChosen reports whether a tombstone that a linearizable operation made can be the end of a value's life.
func (l *ledger) mayEndChosen(path string, end node.Timestamp) bool {
	return slices.ContainsFunc(l.of(path), func(i int32) bool {
		wr := &l.writes[i]
		mayBe := wr.fate == fateUnknown || wr.fate == fateOpen || wr.fate == fateAcknowledged && wr.version.TS < end
		return !wr.delete && wr.ttl > 0 && mayBe
	})
}
