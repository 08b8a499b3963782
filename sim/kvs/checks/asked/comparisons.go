package asked

import (
	"kvs/node/merkle"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// Comparisons holds comparisons to node/comparison: a member that takes in what its peer has in some leaves asks the
// peer for all that is newer there than on its own disk. Where the request is left out, the peer's own comparison sends
// the records some seconds later. Only the end of a bootstrap shows it, and that seldom: what all others have held
// since a newcomer began comes with the pages, unless it crashes between empty pages and its comparison.
type Comparisons struct {
	check
	members []comparing // by number of the replica.
}

// comparing is a member's question for the versions in leaves.
type comparing struct {
	asked  bool
	ask    wire.LeafAsk
	to     string
	rounds uint64 // comparisons that the member had completed when it asked.
}

// NewComparisons makes the checker of a run; promise is what it reports.
func NewComparisons(w *world.World, promise string) *Comparisons {
	return &Comparisons{check{w, promise}, make([]comparing, w.Nodes()+1)}
}

// Observe implements sim.Checker.
func (c *Comparisons) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	m := &c.members[r.Number]
	if e.Kind == sim.EventStarted {
		*m = comparing{}
		return
	}
	before := *m
	asks := c.asks(r, e.Effects.Sends)
	if e.Input == nil || e.Input.Kind != sim.InputFrame || !before.asked ||
		!isKind(e.Input.Data, wire.KindLeafAnswer) {
		return
	}
	var in wire.LeafAnswer
	if _, ok := read(e.Input.Data, &in); !ok || in.Session != before.ask.Session || in.Leaves > len(before.ask.Leaves) {
		return
	}
	// An answer that comes too late, or from another member, is ignored. One that is taken in leads to the next
	// question, or ends the comparison, which is counted: nothing else completes one whose leaves are asked for.
	if asks && m.ask.Session == in.Session+1 || r.Node.Counters.SyncRounds == before.rounds+1 {
		m.asked = asks
		c.judge(r, before.ask.Leaves[:in.Leaves], in.Keys, pulledIn(e.Effects.Sends, before.to))
	}
}

// asks records a question for leaves, if the step has one. A question for sums begins another comparison: the one for
// leaves was given up.
func (c *Comparisons) asks(r *world.Replica, sends []sim.Send) (asks bool) {
	m := &c.members[r.Number]
	for i := range sends {
		s := &sends[i]
		switch {
		case s.Transport != sim.TransportFrame:
		case isKind(s.Data, wire.KindTreeAsk):
			*m, asks = comparing{}, false
		case isKind(s.Data, wire.KindLeafAsk):
			var ask wire.LeafAsk
			if _, ok := read(s.Data, &ask); ok {
				*m, asks = comparing{true, ask, s.To, r.Node.Counters.SyncRounds}, true
			}
		}
	}
	return asks
}

// judge looks for what is newer at the peer and is not pulled. What has rotted here is still in the index, until it is
// read; and a tombstone that was dropped here need not come back.
func (c *Comparisons) judge(r *world.Replica, leaves []uint32, theirs []wire.HeldVersion, pulled map[string]bool) {
	for _, leaf := range leaves {
		for len(theirs) > 0 && merkle.Leaf(merkle.Hash(theirs[0].Path)) == leaf {
			path, ts := theirs[0].Path, theirs[0].Version.TS
			theirs = theirs[1:]
			has, _ := c.w.Disks.At(r.Number, path)
			if has.Top() >= ts || pulled[path] || r.Rotten[path] || c.w.Disks.HasEnded(r.Number, path, ts) {
				continue
			}
			c.bad(r.Number, path, "has found version %s at another member in a comparison, holds %s, "+
				"and does not ask for it", ts, has.Top())
		}
	}
}

// pulledIn are the paths that a step asks the member at an address for.
func pulledIn(sends []sim.Send, addr string) map[string]bool {
	out := make(map[string]bool)
	for i := range sends {
		s := &sends[i]
		if s.Transport != sim.TransportFrame || s.To != addr || !isKind(s.Data, wire.KindSyncPull) {
			continue
		}
		var pull wire.SyncPull
		if _, ok := read(s.Data, &pull); !ok {
			continue
		}
		for _, path := range pull.Paths {
			out[path] = true
		}
	}
	return out
}
