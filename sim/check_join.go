package sim

import (
	"fmt"

	"kvs/node"
)

// joinCheck follows newcomers: what a node in ModeSyncing answers, how far its disk says that it has come, whether it goes on from
// there after a restart, and what it holds when it takes itself for one in step. That it serves in the end is what the probes of
// the liveness phase prove.
type joinCheck struct {
	resumed int // runs that went on where a former one stopped.
	joined  int // newcomers that pulled something and are in step.
}

// heldBefore is what all other disks held when a newcomer began.
type heldBefore struct {
	path string
	ts   node.Timestamp
}

// answers takes note of an answer at the moment in which a client may hear it.
func (c *joinCheck) answers(w *world, r *replica, path string, code node.Code) {
	if r.node == nil || r.node.Mode() != node.ModeSyncing {
		return
	}
	switch code {
	case node.CodeOK, node.CodeCreated, node.CodeNotFound:
		w.violate(Violation{Promise: promiseJoin, Node: r.number, Path: path,
			Detail: fmt.Sprintf("answers %s although it has not got the data of the others yet", code)})
	}
}

// started compares what a run begins from with what the disk says.
func (c *joinCheck) started(w *world, r *replica) {
	s := r.node.Status().Bootstrap
	begins := uint64(0)
	if s != nil {
		begins = s.KeysDone
	}
	if begins != r.pulled {
		w.violate(Violation{Promise: promiseJoin, Node: r.number, Detail: fmt.Sprintf("it begins with %d keys pulled, its disk says %d", begins, r.pulled)})
	}
	if begins > 0 {
		c.resumed++
	}
	if s != nil && r.pulled == 0 {
		r.before = w.heldByOthers(r)
	}
}

// stored takes note of the durable record of a bootstrap; nil: it is over.
func (c *joinCheck) stored(w *world, r *replica, record []byte) {
	if record == nil {
		if r.pulled > 0 {
			c.joined++
		}
		c.inStep(w, r)
		r.pulled, r.before = 0, nil
		return
	}
	keys, err := node.BootstrapProgress(record)
	switch {
	case err != nil:
		w.violate(Violation{Promise: promiseJoin, Node: r.number, Detail: err.Error()})
	case keys < r.pulled:
		w.violate(Violation{Promise: promiseJoin, Node: r.number, Detail: fmt.Sprintf("it has pulled %d keys, and had %d before", keys, r.pulled)})
	}
	r.pulled = keys
}

// inStep wants to find at a newcomer what all others held when it began, and hold still: one of them may have lost its disk
// meanwhile, or a tombstone may have been collected.
func (c *joinCheck) inStep(w *world, r *replica) {
	still := w.heldByOthers(r)
	for _, b := range r.before {
		for len(still) > 0 && still[0].path < b.path {
			still = still[1:]
		}
		if len(still) == 0 || still[0].path != b.path || still[0].ts < b.ts {
			continue
		}
		if has := topOf(r, b.path); has < b.ts && !r.rotten[b.path] { // what rots on its disk is replaced as anywhere.
			w.violate(Violation{Promise: promiseJoin, Node: r.number, Path: b.path,
				Detail: fmt.Sprintf("it takes itself for one in step and holds version %s, but all others held %s before it began", has, b.ts)})
		}
	}
}

// heldByOthers returns the paths that are on every other disk, with the lowest version of each, sorted by path.
func (w *world) heldByOthers(r *replica) []heldBefore {
	var out []heldBefore
	first := 1
	if r.number == 1 {
		first = 2
	}
	if first > w.nodes {
		return nil
	}
	err := w.replicas[first].disk.store.Scan(recordPrefix, "", func(key string, _ []byte) bool {
		path, _ := cutRecordPrefix(key)
		out = append(out, heldBefore{path: path})
		return true
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	kept := out[:0]
	for _, b := range out {
		for n := 1; n <= w.nodes; n++ {
			if n == r.number {
				continue
			}
			ts := topOf(&w.replicas[n], b.path)
			if n == first || ts < b.ts {
				b.ts = ts
			}
		}
		if b.ts > 0 {
			kept = append(kept, b)
		}
	}
	return kept
}

// topOf is the version on a replica's disk; zero: none.
func topOf(r *replica, path string) node.Timestamp {
	b, found, err := r.disk.store.Get(recordPrefix + path)
	if err != nil || !found {
		return 0
	}
	slot, err := node.DecodeSlot(path, b)
	if err != nil {
		return 0
	}
	return slot.Top()
}
