package world

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim/kvs/ledger"
)

// The end of a value that a linearizable operation wrote is a compare-and-set of a member's own, with a timestamp
// and a UUID like any other. It has a place in the one order of its path, and the history has to say so: a delete
// of just this value, asked for when it had lived its time, of unknown outcome. What ends early, or goes as the end
// of another, fits into no order then.

// lineage is what disks have held of the consensus halves of paths whose history is judged, while values end. By path.
type lineage map[string][]ancestor

type ancestor struct {
	version   node.Version
	tombstone bool
	label     string
	at        time.Duration // when some disk had it first.
}

// descends takes note of a slot that has become durable.
func (w *World) descends(path string, s *node.Slot) {
	c := s.Consensus
	if c == nil || c.Record.TS == 0 || w.Own.Workload.TTLMax == 0 || !w.isJudged(path) {
		return
	}
	v := c.Record.Version()
	if known := slices.ContainsFunc(w.lineage[path], func(a ancestor) bool { return a.version == v }); !known {
		w.lineage[path] = append(w.lineage[path],
			ancestor{v, c.Record.Tombstone, scenarios.Label(c.Record.Value), w.Now()})
	}
}

// isJudged reports whether the history of a path is to be linearizable.
func (w *World) isJudged(path string) bool {
	return w.Scenario().Expects(scenarios.Linearizable) && strings.HasPrefix(path, w.Own.Workload.LinearizablePrefix())
}

// withEnds adds to a history the ends that there may have been. A tombstone may be the end of a value below it that
// had lived its time, when no acknowledged write is between them, also if a client was told of it: its delete may
// have found it there.
func (w *World) withEnds(h *linearize.History) {
	process := 0
	for i := range h.Ops {
		process = max(process, h.Ops[i].Process)
	}
	for i := range w.Ledger.Writes {
		wr := &w.Ledger.Writes[i]
		if from := wr.Begun + wr.TTL - EndsEarly(wr.TTL); wr.TTL > 0 && wr.Fate != ledger.Refused &&
			w.mayHaveEnded(wr, from) {
			process++
			h.Ops = append(h.Ops, linearize.Op{
				Process: process, Kind: linearize.CASDelete, Path: wr.Path,
				Level: node.Linearizable.String(), Expect: scenarios.Label(wr.Value),
				Invoke: int64(from), Return: linearize.Never, Status: linearize.Info,
				Error: "the end of the value, if it came",
			})
		}
	}
	slices.SortStableFunc(h.Ops, func(a, b linearize.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
}

func (w *World) mayHaveEnded(wr *ledger.Write, from time.Duration) bool {
	held := w.lineage[wr.Path]
	for i := range held { // a value may have several versions: attempts of which only the last got in.
		a := &held[i]
		if !a.tombstone && a.label == scenarios.Label(wr.Value) && slices.ContainsFunc(held, func(end ancestor) bool {
			return end.tombstone && end.at >= from && end.version.TS > a.version.TS &&
				!w.Ledger.AcknowledgedBetween(wr.Path, a.version, end.version)
		}) {
			return true
		}
	}
	return false
}

// EndsEarly is by how much a value may end early: what a monotonic clock may go wrong, and what is lost to whole
// milliseconds.
func EndsEarly(ttl time.Duration) time.Duration { return min(ttl/1000+time.Millisecond, ttl) }

// IsEnding reports whether a candidate is the tombstone of a value that expired.
func IsEnding(s *node.Slot, i int) bool {
	c := &s.Candidates[i]
	rec := node.Record{TS: s.TS, UUID: c.UUID, Tombstone: c.Tombstone}
	_, is := rec.Ending()
	return is
}
