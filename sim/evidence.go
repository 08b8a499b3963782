package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/node"
	"kvs/node/swim"
	"kvs/scenarios"
)

// Violation is one broken promise.
type Violation struct {
	Promise string // a promise of the scenario, or one of those that hold always.
	Node    int    // where; zero: nowhere in particular.
	Path    string // of the record concerned, if one is.
	At      time.Duration
	Detail  string
}

// String prints v on one line for people.
func (v Violation) String() string {
	var b strings.Builder
	b.WriteString(v.Promise + ":")
	if v.Node != 0 {
		fmt.Fprintf(&b, " n%d", v.Node)
	}
	if v.Path != "" {
		fmt.Fprintf(&b, " %q", v.Path)
	}
	b.WriteString(" " + v.Detail)
	return b.String()
}

// Promises that hold in every run, beside those that the scenario names.
const (
	promisePanic       = "no-panic"      // the node does not panic.
	promiseStarts      = "node-works"    // it starts on its own disk, stores what can be read, answers what was asked.
	promiseBounded     = "bounded"       // queues stay within their bounds, and the node does not spin.
	promiseKnownValues = "known-values"  // what is read was written, there, and not refused.
	promiseConflict    = "conflict"      // votes stick, the rule decides alike everywhere, and what is settled stays.
	promiseDelivery    = "delivery"      // what is said to be on a disk is there.
	promiseLosers      = "losers-kept"   // what took part in a conflict can be fetched for a while.
	promisePersist     = "persist-first" // nobody learns of a write before its own node has it on disk.
	promiseIndex       = "index"         // what comparisons of members see is what is there.
	promiseChosen      = "chosen"        // an acknowledged linearizable write is on the disks of a majority of the voters.
	promiseSession     = "session"       // what one disk has shown or acknowledged it does not take back.
	promiseJoin        = "join"          // a newcomer serves nothing before its time, and goes on where it stopped.
	promiseAvailable   = "available"     // who can serve does.
	promiseExpiry      = "expiry"        // a value lives as long as it says.
	promiseEnds        = "ends-known"    // nothing is dropped but tombstones that every member has had.
	promiseListing     = "listing"       // a listing shows exactly what is there.
)

// Evidence is what a run leaves behind for the checkers.
type Evidence struct {
	Scenario  *scenarios.Scenario
	Nodes     []NodeEvidence // in the order of their numbers.
	Settled   bool
	Unsettled string // what was missing, when it did not settle.

	ledger    *ledger
	collected map[string]node.Timestamp // by path: the highest tombstone that was dropped anywhere.
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

	ended    map[string]node.Slot // by path: the highest tombstone that this disk has dropped.
	noted    int                  // paths that its disk lists as perhaps having a tombstone.
	promises int                  // paths of which its disk holds nothing but a promise.
}

// PathRecord is a record and where it is.
type PathRecord struct {
	Path   string
	Record node.Record // what the replica shows.
	Slot   node.Slot   // all it holds.
}

// find returns the record at a path, or none.
func (e *NodeEvidence) find(path string) node.Record {
	i, ok := slices.BinarySearchFunc(e.Records, path, func(r PathRecord, p string) int { return strings.Compare(r.Path, p) })
	if !ok {
		return node.Record{}
	}
	return e.Records[i].Record
}

// slot returns what is held at a path.
func (e *NodeEvidence) slot(path string) *node.Slot {
	i, ok := slices.BinarySearchFunc(e.Records, path, func(r PathRecord, p string) int { return strings.Compare(r.Path, p) })
	if !ok {
		return &node.Slot{}
	}
	return &e.Records[i].Slot
}

// judge runs the checkers of the promises that the scenario names, and those that always hold.
func (e *Evidence) judge() []Violation {
	checkers := [...]struct {
		promise scenarios.Promise
		check   func(*Evidence) []Violation
	}{
		{scenarios.Finished, checkFinished},
		{scenarios.Converged, checkConverged},
		{scenarios.MembershipAgreed, func(e *Evidence) []Violation { return checkMembership(e.Nodes) }},
		{scenarios.NoLostWrite, checkLostWrites},
		{scenarios.NoResurrection, checkResurrection},
		{scenarios.TombstonesEnd, checkTombstonesEnd},
	}
	var out []Violation
	for _, c := range checkers {
		if e.Scenario.Expects(c.promise) {
			out = append(out, c.check(e)...)
		}
	}
	out = append(out, checkConflicts(e)...)
	out = append(out, checkHidden(e)...)
	out = append(out, checkLives(e)...)
	return append(out, checkKnownValues(e)...)
}

// describe prints a record for people.
func describe(r node.Record) string {
	switch {
	case !r.Exists():
		return "nothing"
	case r.Tombstone:
		return "a tombstone of version " + r.Version().ETag()
	}
	return fmt.Sprintf("%q of version %s", clip(r.Value), r.Version().ETag())
}
