package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
)

// Ledger is the simulator's own record of every write that clients began, and its outcome. The checkers compare the
// cluster with it.
type Ledger struct {
	Writes  []Write
	Paths   []PathWrites
	byPath  map[string]int32 // index in Paths.
	byLabel map[string]int32 // index in Writes.
}

// PathWrites are the writes on one path, in the order in which they began.
type PathWrites struct {
	Path   string
	Writes []int32
}

// Write is one put or delete.
type Write struct {
	Path   string
	Delete bool
	Value  []byte
	Node   int // the asked one.
	Client int // the client that asked.
	Fate   Fate
	TTL    time.Duration // time to live of a put's value; zero: for ever.
	Begun  time.Duration
	// Of a linearizable put whose answer says whether it created the value:
	Told, Created bool
	// Of an acknowledged write:
	Version node.Version
	Origin  node.ID
	// Lost: the last disk that held it, or a later version, was wiped. No promise covers it.
	Lost bool
	// Nothing: it is a delete that was answered without a version, because there was nothing to delete.
	Nothing bool
	// WantsValue: it is a compare-and-set that requires a value, one that it names or any.
	WantsValue bool
	// Seen: some client read its value.
	Seen bool
}

// Fate is what is known of a write. The cluster's acknowledgement counts, not the client's knowledge: an
// acknowledgement that was lost on the way still binds the cluster.
type Fate uint8

// What is known.
const (
	Open         Fate = iota // nothing is known yet.
	Acknowledged             // the node has acknowledged it as durable.
	Refused                  // the client's answer was that it certainly did not happen.
	Unknown                  // it may have happened or may happen yet.
)

var fateNames = [...]string{"open", "acknowledged", "refused", "unknown"}

// String implements fmt.Stringer.
func (f Fate) String() string { return fateNames[f] }

// New returns an empty ledger.
func New() Ledger {
	return Ledger{byPath: make(map[string]int32), byLabel: make(map[string]int32)}
}

// Grow makes room for n writes more at once.
func (l *Ledger) Grow(n int) { l.Writes = slices.Grow(l.Writes, n) }

// Begin records a write that a client begins at a node, and returns its index in Writes. The label is that of its
// value.
func (l *Ledger) Begin(path string, del bool, label string, value []byte, atNode, client int) int32 {
	index := int32(len(l.Writes))
	if len(l.Writes) == cap(l.Writes) {
		l.Writes = slices.Grow(l.Writes, max(64, len(l.Writes))) // see linearize.Recorder.Invoke.
	}
	l.Writes = append(l.Writes, Write{Path: path, Delete: del, Value: value, Node: atNode, Client: client})
	if !del {
		l.byLabel[label] = index
	}
	at, ok := l.byPath[path]
	if !ok {
		at = int32(len(l.Paths))
		l.byPath[path] = at
		l.Paths = append(l.Paths, PathWrites{Path: path})
	}
	l.Paths[at].Writes = append(l.Paths[at].Writes, index)
	return index
}

// Acknowledge records the node's acknowledgement.
func (l *Ledger) Acknowledge(index int32, v node.Version, origin node.ID) {
	wr := &l.Writes[index]
	wr.Fate, wr.Version, wr.Origin = Acknowledged, v, origin
}

// Answer records the client's outcome.
func (l *Ledger) Answer(index int32, s linearize.Status) {
	wr := &l.Writes[index]
	switch {
	case wr.Fate == Acknowledged:
	case s == linearize.OK:
		wr.Nothing = true
	case s == linearize.Fail:
		wr.Fate = Refused
	case s == linearize.Info:
		wr.Fate = Unknown
	}
}

// Of returns the writes on a path.
func (l *Ledger) Of(path string) []int32 {
	if at, ok := l.byPath[path]; ok {
		return l.Paths[at].Writes
	}
	return nil
}

// Highest is the acknowledged write with the highest version on a path, among those that no fault may have lost.
func (l *Ledger) Highest(writes []int32) *Write {
	var top *Write
	for _, i := range writes {
		wr := &l.Writes[i]
		if wr.Fate == Acknowledged && !wr.Lost && (top == nil || wr.Version.Compare(top.Version) > 0) {
			top = wr
		}
	}
	return top
}

// Source finds the put that wrote a value, or explains why there is none.
func (l *Ledger) Source(path string, value []byte) (*Write, string) {
	at, ok := l.byLabel[scenarios.Label(value)]
	if !ok {
		return nil, fmt.Sprintf("no client ever wrote the value %q", Clip(value))
	}
	wr := &l.Writes[at]
	switch {
	case wr.Path != path:
		return wr, fmt.Sprintf("the value %q was written to %q, not here", Clip(value), wr.Path)
	case !bytes.Equal(wr.Value, value):
		return wr, fmt.Sprintf("the value %q is not what was written: %q", Clip(value), Clip(wr.Value))
	}
	return wr, ""
}

// MayEnd reports whether the value of a timestamp can have expired.
func (l *Ledger) MayEnd(path string, of node.Timestamp) bool {
	for _, index := range l.Of(path) {
		wr := &l.Writes[index]
		if !wr.Delete && wr.TTL > 0 && (wr.Fate == Unknown || wr.Fate == Open ||
			wr.Fate == Acknowledged && wr.Version.TS == of) {
			return true
		}
	}
	return false
}

// AcknowledgedBetween reports whether a write was acknowledged with a version between two others.
func (l *Ledger) AcknowledgedBetween(path string, above, below node.Version) bool {
	return slices.ContainsFunc(l.Of(path), func(i int32) bool {
		wr := &l.Writes[i]
		return wr.Fate == Acknowledged && wr.Version.Compare(above) > 0 && wr.Version.Compare(below) < 0
	})
}

// MayEndChosen reports whether a tombstone of a linearizable operation can be the end of a value.
func (l *Ledger) MayEndChosen(path string, end node.Timestamp) bool {
	return slices.ContainsFunc(l.Of(path), func(i int32) bool {
		wr := &l.Writes[i]
		mayBe := wr.Fate == Unknown || wr.Fate == Open || wr.Fate == Acknowledged && wr.Version.TS < end
		return !wr.Delete && wr.TTL > 0 && mayBe
	})
}

// Clip shortens a value for people.
func Clip(value []byte) string {
	const bytesMax = 40
	if len(value) > bytesMax {
		return string(value[:bytesMax]) + "..."
	}
	return string(value)
}
