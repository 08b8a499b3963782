package sim

import (
	"fmt"
	"slices"
	"strings"

	"kvs/node"
	"kvs/node/swim"
	"kvs/scenarios"
)

// Availability, as far as a single answer shows it. That all is served in the end is what `finished` asks of the core and of the end of
// a run, where clients try again; a member that refuses now and then passes there.
//
//   - An eventual operation needs nobody else: a member in mode normal does it, if its disk can be read.
//   - Operations of the other levels may be refused at once when no majority of the voters can be had, and for that reason they are
//     refused only then, as far as the member itself knows.

// checkAvailable looks at an answer that leaves r, and at the mode that it had when it was asked.
func (w *world) checkAvailable(r *replica, c *call, resp *node.Response) {
	if c.mode != node.ModeNormal || r.node == nil {
		return
	}
	path := c.request.Path
	bad := func(format string, args ...any) {
		w.violate(Violation{Promise: promiseAvailable, Node: r.number, Path: path, Detail: fmt.Sprintf(format, args...)})
	}
	write := c.write != noWrite
	if w.askedLevel(c) == node.Eventual && !(write && strong(r.node.Config(), w.sc, path)) {
		if !eventualMay(resp.Code, r.rotten[path]) && (resp.Code != node.CodeStorage || r.disk.readErrorPPM == 0) {
			bad("answers an eventual operation with %s (%s), in mode normal", resp.Code, resp.Detail)
		}
		return
	}
	config := r.node.Config()
	if resp.Code != node.CodeNoQuorum || c.askedAt != w.now || resp.Outcome == node.OutcomeUnknown || config == nil {
		return
	}
	if alive := takenForAlive(r, config); alive >= config.Majority() {
		bad("refuses an operation at once (%s), and takes %d of %d voters for alive", resp.Detail, alive, len(config.Voters))
	}
}

// eventualMay lists how an eventual operation may end in mode normal. The mode can change while it waits for the disk.
func eventualMay(code node.Code, rotten bool) bool {
	switch code {
	case node.CodeOK, node.CodeCreated, node.CodeNotFound, node.CodeFailed:
		return true
	case node.CodeCorrupt:
		return rotten
	}
	return false
}

// strong reports whether a path is under a strong prefix.
func strong(config *node.Config, sc *scenarios.Scenario, path string) bool {
	if config == nil {
		return sc.Voters.Strong
	}
	return slices.ContainsFunc(config.Strong, func(p string) bool { return p == "/" || strings.HasPrefix(path, p) })
}

// takenForAlive counts the voters that a member does not take for dead.
func takenForAlive(r *replica, config *node.Config) (count int) {
	members := r.node.Status().Members
	for _, id := range config.Voters {
		if id == r.id || slices.ContainsFunc(members, func(m swim.Member) bool { return m.ID == id && (m.State == swim.Alive || m.State == swim.Suspect) }) {
			count++
		}
	}
	return count
}
