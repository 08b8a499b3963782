package sim

import (
	"fmt"
	"strings"

	"kvs/node"
	"kvs/scenarios"
)

// recency checks what the quorum level promises: a read shows nothing older than what a client was answered, by whatever
// member, before the read began. Timestamps decide; among equal ones the winner may change as votes become known.
type recency struct {
	answered map[string]node.Timestamp // by path: the highest that was answered.
}

func newRecency() recency { return recency{answered: make(map[string]node.Timestamp)} }

// floor is what an operation that begins now must not go below.
func (r *recency) floor(path string) node.Timestamp { return r.answered[path] }

// seen takes note of an answer. It returns what is wrong with it, or nothing.
func (r *recency) seen(path string, read bool, floor, ts node.Timestamp) string {
	r.answered[path] = max(r.answered[path], ts)
	if read && ts < floor {
		return fmt.Sprintf("a read shows timestamp %s, but %s had been answered before it began", ts, floor)
	}
	return ""
}

// checkRecency looks at the answer of a client's operation.
func (w *world) checkRecency(c *client, a *answer) {
	if a.version.TS == 0 && w.ends.highest[c.op.Path] >= c.floor && c.floor > 0 {
		return // the tombstone it would have shown is gone from all members.
	}
	if w.sc.Workload.Mixed && !strings.HasPrefix(c.op.Path, scenarios.QuorumDir) {
		return
	}
	if detail := w.recency.seen(c.op.Path, c.op.Kind == scenarios.OpGet, c.floor, a.version.TS); detail != "" && !w.recencyExcused(c.op.Path, c.floor) {
		w.violate(Violation{Promise: scenarios.QuorumRecency.String(), Node: c.op.Node, Path: c.op.Path, Detail: detail})
	}
}
