package sim

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
)

// ledger is the simulator's own account of every write that clients began: what was asked, and what became of it. The
// checkers compare the cluster with it.
type ledger struct {
	writes  []write
	paths   []pathWrites
	byPath  map[string]int32 // index in paths.
	byLabel map[string]int32 // index in writes.
}

// pathWrites are the writes on one path, in the order in which they began.
type pathWrites struct {
	path   string
	writes []int32
}

// write is one put or delete.
type write struct {
	path   string
	delete bool
	value  []byte
	node   int
	client int
	fate   fate
	ttl    time.Duration // how long a put's value lives; zero: for ever.
	begun  time.Duration
	// Of a linearizable put whose answer says whether it created the value:
	told, created bool
	// Of an acknowledged write:
	version node.Version
	origin  node.ID
	// lost: the last disk that held it, or anything after it, was wiped. Whether it is there is nobody's promise.
	lost bool
	// nothing: it is a delete that was answered without a version, because there was nothing to delete.
	nothing bool
	// named: it is a compare-and-set that names a version.
	named bool
	// seen: some client read its value.
	seen bool
}

// fate is what is known of a write. It is about the cluster's word, not the client's: an acknowledgement that got lost on the
// way still binds the cluster.
type fate uint8

const (
	fateOpen         fate = iota // nothing is known, as long as the run goes on.
	fateAcknowledged             // the node said that it is durable.
	fateRefused                  // the client was told that it certainly did not happen.
	fateUnknown                  // it may have happened or may happen yet.
)

var fateNames = [...]string{"open", "acknowledged", "refused", "unknown"}

func (f fate) String() string { return fateNames[f] }

func newLedger() ledger {
	return ledger{byPath: make(map[string]int32), byLabel: make(map[string]int32)}
}

func (l *ledger) begin(path string, del bool, label string, value []byte, atNode, client int) int32 {
	index := int32(len(l.writes))
	if len(l.writes) == cap(l.writes) {
		l.writes = slices.Grow(l.writes, max(64, len(l.writes))) // see linearize.Recorder.Invoke.
	}
	l.writes = append(l.writes, write{path: path, delete: del, value: value, node: atNode, client: client})
	if !del {
		l.byLabel[label] = index
	}
	at, ok := l.byPath[path]
	if !ok {
		at = int32(len(l.paths))
		l.byPath[path] = at
		l.paths = append(l.paths, pathWrites{path: path})
	}
	l.paths[at].writes = append(l.paths[at].writes, index)
	return index
}

// acknowledged takes note of the node's word.
func (l *ledger) acknowledged(index int32, v node.Version, origin node.ID) {
	wr := &l.writes[index]
	wr.fate, wr.version, wr.origin = fateAcknowledged, v, origin
}

// answered takes note of what the client knows.
func (l *ledger) answered(index int32, s linearize.Status) {
	wr := &l.writes[index]
	switch {
	case wr.fate == fateAcknowledged:
	case s == linearize.OK:
		wr.nothing = true
	case s == linearize.Fail:
		wr.fate = fateRefused
	case s == linearize.Info:
		wr.fate = fateUnknown
	}
}

// of returns the writes on a path.
func (l *ledger) of(path string) []int32 {
	if at, ok := l.byPath[path]; ok {
		return l.paths[at].writes
	}
	return nil
}

// highest is the acknowledged write with the highest version on a path, of those that are promised to be there.
func (l *ledger) highest(writes []int32) *write {
	var top *write
	for _, i := range writes {
		wr := &l.writes[i]
		if wr.fate == fateAcknowledged && !wr.lost && (top == nil || wr.version.Compare(top.version) > 0) {
			top = wr
		}
	}
	return top
}

// source finds the put that wrote a value, or says why there can be none.
func (l *ledger) source(path string, value []byte) (*write, string) {
	at, ok := l.byLabel[scenarios.Label(value)]
	if !ok {
		return nil, fmt.Sprintf("nobody ever wrote the value %q", clip(value))
	}
	wr := &l.writes[at]
	switch {
	case wr.path != path:
		return wr, fmt.Sprintf("the value %q was written to %q, not here", clip(value), wr.path)
	case !bytes.Equal(wr.value, value):
		return wr, fmt.Sprintf("the value %q is not what was written: %q", clip(value), clip(wr.value))
	}
	return wr, ""
}

// clip shortens a value for people.
func clip(value []byte) string {
	const bytesMax = 40
	if len(value) > bytesMax {
		return string(value[:bytesMax]) + "..."
	}
	return string(value)
}
