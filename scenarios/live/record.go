package live

import (
	"fmt"
	"strings"

	"kvs/scenarios"
)

// record is the clients' knowledge of one path.
type record struct {
	// top is the highest timestamp of an acknowledged write; empty: none. Both a put and a delete may have it: a
	// conflict, which either may win.
	top                       string
	topPut, topDelete         bool
	topEnds                   bool // a put of that timestamp has a time to live.
	putUnknown, deleteUnknown bool // there was one of unknown outcome.
	// the same for puts with a time to live: there was one, there was one of unknown outcome.
	ends, endUnknown bool

	answered         string // highest timestamp in an answer to any client, of a read or a write.
	answeredIsDelete bool
	deletesBegun     int
	deletesSettled   int // of those begun: answered, or certainly not done.
}

// floor is the lower bound of an operation: the highest answer when it began.
type floor struct {
	timestamp    string
	isDelete     bool
	deletesBegun int
	deletesOpen  bool // one was under way, or its outcome is unknown.
}

// newer compares timestamps as the API prints them: milliseconds, a dot, a counter of fixed width.
func newer(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

func (r *runner) at(path string) *record {
	if r.records[path] == nil {
		r.records[path] = &record{}
	}
	return r.records[path]
}

// begin records an operation before it is sent.
func (r *runner) begin(op scenarios.Op) floor {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.at(op.Path)
	if op.Kind == scenarios.OpDelete || op.Kind == scenarios.OpCASDelete {
		p.deletesBegun++
	}
	p.ends = p.ends || op.TTL > 0
	return floor{p.answered, p.answeredIsDelete, p.deletesBegun, p.deletesBegun > p.deletesSettled}
}

// end records the outcome of an operation, and returns what is wrong with the answer of a read: it must not be older
// than any answer, of any member, before the read began. The clients share a process and so a clock.
func (r *runner) end(op scenarios.Op, f floor, timestamp string, found, ok, unknown bool) (wrong string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.at(op.Path)
	isDelete := op.Kind == scenarios.OpDelete || op.Kind == scenarios.OpCASDelete
	if isDelete && !unknown {
		p.deletesSettled++
	}
	p.deleteUnknown = p.deleteUnknown || unknown && isDelete
	p.putUnknown = p.putUnknown || unknown && !isDelete
	p.endUnknown = p.endUnknown || unknown && op.TTL > 0
	if !ok {
		return ""
	}
	if op.Kind == scenarios.OpGet {
		wrong = p.stale(op.Path, f, timestamp, found)
	} else {
		p.acknowledged(timestamp, isDelete, op.TTL > 0)
	}
	switch {
	case newer(timestamp, p.answered):
		p.answered, p.answeredIsDelete = timestamp, isDelete
	case isDelete && timestamp == p.answered: // a conflict with a write, which the votes may give to the delete.
		p.answeredIsDelete = true
	}
	if !r.o.Scenario.Expects(scenarios.QuorumRecency) || r.own.Workload.Mixed &&
		!strings.HasPrefix(op.Path, r.o.Prefix+scenarios.QuorumDir) {
		return ""
	}
	return wrong
}

func (p *record) acknowledged(timestamp string, isDelete, ends bool) {
	if newer(timestamp, p.top) {
		p.top, p.topPut, p.topDelete, p.topEnds = timestamp, false, false, false
	}
	if timestamp == p.top {
		p.topEnds = p.topEnds || ends
		p.topPut, p.topDelete = p.topPut || !isDelete, p.topDelete || isDelete
	}
}

// stale compares the result of a read with earlier answers. An absent value has no timestamp: any delete that may have
// come after, or a value with a time to live, can explain it.
func (p *record) stale(path string, f floor, timestamp string, found bool) string {
	switch {
	case found && newer(f.timestamp, timestamp):
		return fmt.Sprintf("%s: a read shows timestamp %s, but %s had been answered before it began", path, timestamp,
			f.timestamp)
	case !found && f.timestamp != "" && !f.isDelete && !f.deletesOpen && !p.ends && p.deletesBegun == f.deletesBegun:
		return fmt.Sprintf("%s: a read shows nothing, but %s had been answered before, and no client deleted it",
			path, f.timestamp)
	}
	return ""
}
