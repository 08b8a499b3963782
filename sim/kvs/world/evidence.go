package world

import (
	"fmt"
	"slices"
	"strings"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/swim"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/scenario"
)

// Evidence is the final state of a run for the checkers.
type Evidence struct {
	Scenario *scenario.Scenario
	Nodes    []NodeEvidence // in the order of their numbers.
	Settled  bool

	Ledger    *ledger.Ledger
	Collected map[string]node.Timestamp // by path: the highest tombstone that was dropped anywhere.
}

// NodeEvidence is one replica at the end.
type NodeEvidence struct {
	Number     int
	ID         node.ID
	Up         bool
	Members    []swim.Member // its member table.
	Status     node.Status
	Electorate *node.Electorate
	Records    []PathRecord // everything on its disk, by path.

	Ended    map[string]node.Slot // by path: the highest tombstone that this disk has dropped.
	Noted    int                  // paths that its disk lists as perhaps having a tombstone.
	Promises int                  // paths of which its disk holds nothing but a promise.
}

// PathRecord is a record and where it is.
type PathRecord struct {
	Path   string
	Record node.Record // what the replica shows.
	Slot   node.Slot   // the whole slot.
}

// Find returns the record at a path, or none.
func (e *NodeEvidence) Find(path string) node.Record {
	i, ok := slices.BinarySearchFunc(e.Records, path,
		func(r PathRecord, p string) int { return strings.Compare(r.Path, p) })
	if !ok {
		return node.Record{}
	}
	return e.Records[i].Record
}

// Slot returns what is held at a path.
func (e *NodeEvidence) Slot(path string) *node.Slot {
	i, ok := slices.BinarySearchFunc(e.Records, path,
		func(r PathRecord, p string) int { return strings.Compare(r.Path, p) })
	if !ok {
		return &node.Slot{}
	}
	return &e.Records[i].Slot
}

// Evidence collects the final state of the run, once.
func (w *World) Evidence() *Evidence {
	if w.judged != nil {
		return w.judged
	}
	e := &Evidence{Scenario: w.Scenario(), Nodes: w.members(), Ledger: &w.Ledger, Collected: w.Disks.Highest,
		Settled: w.Settled()}
	w.judged = e
	for i := range e.Nodes {
		ne := &e.Nodes[i]
		r := &w.Replicas[ne.Number]
		ne.Ended = w.Disks.Ended[ne.Number]
		ne.Noted, ne.Promises = w.tombstonesNoted(ne.Number), w.promisesLeft(ne.Number)
		ne.Records = make([]PathRecord, 0, len(w.Disks.Held[ne.Number]))
		scan(r, schema.PrefixRecord, func(key string, value []byte) bool {
			path, _ := CutRecordPrefix(key)
			slot, err := w.decode(path, value) // a memstore.Store never writes to a value again.
			switch {
			case err != nil:
				if !r.Rotten[path] || !w.nothingToRepair(r, path) {
					w.Violate(sim.Violation{Promise: sim.PromiseWorks, Node: ne.Number, Path: path,
						Detail: err.Error()})
				}
			case slot.Exists(): // otherwise it is a mere promise.
				ne.Records = append(ne.Records, PathRecord{path, ne.Electorate.Visible(&slot), slot})
			}
			return true
		})
	}
	return e
}

// Text prints a record for people.
func Text(r node.Record) string {
	switch {
	case !r.Exists():
		return "nothing"
	case r.Tombstone:
		return "a tombstone of version " + r.Version().ETag()
	}
	return fmt.Sprintf("%q of version %s", ledger.Clip(r.Value), r.Version().ETag())
}

// EachPath calls fn for every path in either of two sorted lists, once.
func EachPath(a, b []PathRecord, fn func(path string)) {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && strings.Compare(a[i].Path, b[j].Path) < 0:
			fn(a[i].Path)
			i++
		case i == len(a) || a[i].Path != b[j].Path:
			fn(b[j].Path)
			j++
		default:
			fn(a[i].Path)
			i, j = i+1, j+1
		}
	}
}
