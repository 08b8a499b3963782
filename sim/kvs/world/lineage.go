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

// The end of a value of a linearizable operation is a compare-and-set by a member, with a timestamp and a UUID like any
// other. It has a place in the order of its path, and the history has to contain it: a delete of exactly this value,
// invoked when its time to live was over, of unknown outcome. A value that ends early, or by the end of another value,
// then fits into no order.

// lineage is the consensus halves that disks have held, by path, for paths with a judged history, in runs with expiring
// values.
type lineage map[string][]ancestor

type ancestor struct {
	version   node.Version
	tombstone bool
	label     string
	at        time.Duration // when a disk had it first.
}

// descends records a slot that has become durable.
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

// withEnds adds the possible ends of values to a history. A tombstone may be the end of a value below it whose time to
// live was over, when no acknowledged write is between them. This holds even if a client's answer names the tombstone:
// its delete may have found it there.
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
	for i := range held { // a value may have several versions: attempts of which only the last succeeded.
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

// EndsEarly is by how much a value may end early: the error of a monotonic clock, and the rounding to whole
// milliseconds.
func EndsEarly(ttl time.Duration) time.Duration { return min(ttl/1000+time.Millisecond, ttl) }

// IsEnding reports whether a candidate is the tombstone of a value that expired.
func IsEnding(s *node.Slot, i int) bool {
	c := &s.Candidates[i]
	rec := node.Record{TS: s.TS, UUID: c.UUID, Tombstone: c.Tombstone}
	_, is := rec.Ending()
	return is
}
