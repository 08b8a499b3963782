package report

import (
	"slices"
	"time"

	"kvs/chaos"
)

// band is a fault with its duration, at the nodes and links where it began and ended together. Nodes is empty when it
// concerns all.
type band struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Nodes []int  `json:"nodes"`
	Class int    `json:"class"`
	Text  string `json:"text"`
}

// place is where a fault of one kind can be active: at a node (to is zero), on a link, or, for a partition, everywhere.
type place struct {
	kind     chaos.Kind
	from, to int
}

// timeline pairs faults with the faults that end them, each place by itself: `restart n1` ends one half of `crash
// n1,n2`.
type timeline struct {
	nodes  int
	faults []chaos.Event
	open   []inForce
	out    []band
}

// inForce is a fault, as an index, at one of its places.
type inForce struct {
	place
	fault int
}

// bands returns the faults with their ends, in the order of these.
func bands(nodes int, faults []chaos.Event, end time.Duration) []band {
	t := &timeline{nodes: nodes, faults: faults, out: []band{}}
	for i := range faults {
		e := &faults[i]
		t.end(e)
		switch {
		case e.Kind == chaos.Jump || e.Kind == chaos.Wipe || e.Kind == chaos.Reset || e.Kind == chaos.Rot ||
			e.Kind == chaos.SwapDisks || e.Kind == chaos.LoseTail ||
			e.Kind == chaos.CopyDisk || e.Kind == chaos.PutBack:
			// over at once.
			t.out = append(t.out, band{micros(e.At), micros(e.At), concerned(&e.Fault), int(e.Kind.Class()),
				e.Fault.String()})
		case !e.Kind.Ends() && !amountless(e):
			for _, p := range t.places(&e.Fault) {
				// a second crash or cut changes nothing.
				if !slices.ContainsFunc(t.open, func(o inForce) bool { return o.place == p }) {
					t.open = append(t.open, inForce{p, i})
				}
			}
		}
	}
	t.finish(end, func(place) bool { return true })
	return t.out
}

// places are those where a fault is.
func (t *timeline) places(f *chaos.Fault) (out []place) {
	switch {
	case f.Kind == chaos.Partition:
		return []place{{kind: f.Kind}}
	case f.Kind.Class() == chaos.Network:
		chaos.NewLinks(t.nodes, chaos.Link{}).Each(*f,
			func(from, to int) { out = append(out, place{f.Kind, from, to}) })
		return out
	}
	for _, n := range f.Nodes {
		out = append(out, place{f.Kind, n, 0})
	}
	return out
}

// end ends what e ends.
func (t *timeline) end(e *chaos.Event) {
	named := func(p place) bool { return len(e.Nodes) == 0 || slices.Contains(e.Nodes, p.from) }
	linked := func(p place) bool { // both lists are empty when all links are meant.
		return len(e.From) == 0 || slices.Contains(e.From, p.from) && slices.Contains(e.To, p.to)
	}
	ended := map[chaos.Kind]chaos.Kind{chaos.HealCut: chaos.Cut, chaos.HealClog: chaos.Clog,
		chaos.ThawClock: chaos.FreezeClock,
		chaos.Restart:   chaos.Crash, chaos.Resume: chaos.Pause, chaos.Crash: chaos.Pause}
	t.finish(e.At, func(p place) bool {
		switch e.Kind {
		case chaos.Recover:
			return true
		case chaos.Heal:
			return p.kind.Class() == chaos.Network
		case chaos.HealPartition, chaos.Partition:
			return p.kind == chaos.Partition
		case chaos.HealClocks, chaos.HealDisks:
			return p.kind.Class() == e.Kind.Class() && named(p)
		case chaos.HealCut, chaos.HealClog:
			return p.kind == ended[e.Kind] && linked(p)
		case chaos.ThawClock, chaos.Restart, chaos.Resume, chaos.Crash:
			return p.kind == ended[e.Kind] && named(p)
		case chaos.Pause, chaos.Cut, chaos.Clog:
			return false
		}
		// it has another amount from now on.
		return p.kind == e.Kind && (p.to != 0 && linked(p) || p.to == 0 && named(p))
	})
}

// finish makes bands of the faults that end at one moment. A fault that ends everywhere at once is one band; others are
// one for each node or link.
func (t *timeline) finish(at time.Duration, ends func(place) bool) {
	over := map[int][]place{} // by fault.
	t.open = slices.DeleteFunc(t.open, func(o inForce) bool {
		if !ends(o.place) {
			return false
		}
		over[o.fault] = append(over[o.fault], o.place)
		return true
	})
	for i := range t.faults {
		e, places := &t.faults[i], over[i]
		if len(places) == 0 {
			continue
		}
		parts := []chaos.Fault{e.Fault}
		if len(places) < len(t.places(&e.Fault)) {
			parts = parts[:0]
			for _, p := range places {
				part := e.Fault
				if p.to == 0 {
					part.Nodes = []int{p.from}
				} else {
					part.From, part.To = []int{p.from}, []int{p.to}
				}
				parts = append(parts, part)
			}
		}
		for _, f := range parts {
			t.out = append(t.out, band{micros(e.At), micros(at), concerned(&f), int(f.Kind.Class()), f.String()})
		}
	}
}

// amountless reports whether a fault with an amount of zero ends one of its kind instead of beginning one.
func amountless(e *chaos.Event) bool {
	switch e.Kind {
	case chaos.Loss, chaos.Duplicate, chaos.Reorder, chaos.Corrupt, chaos.Forge, chaos.DiskError, chaos.DiskReadError:
		return e.PPM == 0
	case chaos.Delay:
		return e.AmountMax == 0
	case chaos.Skew, chaos.DiskSlow:
		return e.Amount == 0
	}
	return false
}

// concerned are the nodes that a fault names.
func concerned(f *chaos.Fault) []int {
	out := []int{}
	for _, list := range append([][]int{f.Nodes, f.From, f.To}, f.Groups...) {
		out = append(out, list...)
	}
	return out
}
