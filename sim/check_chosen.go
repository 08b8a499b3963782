package sim

import (
	"fmt"
	"slices"

	"kvs/node"
)

// checkChosen looks at the disks at the moment in which the cluster says that a linearizable write is done: a majority of the
// voters has that version, or one that came after it, or has dropped a tombstone as high by the rule; of those before, if the
// configuration has changed since it was chosen. A voter whose disk was wiped since, or
// whose copy is rotten, counts as if it had it.
func (w *world) checkChosen(r *replica, path string, v node.Version) {
	config := r.node.Config()
	if config == nil {
		w.violate(Violation{Promise: promiseChosen, Node: r.number, Path: path, Detail: "acknowledges a linearizable write without a configuration"})
		return
	}
	now, before := w.holders(config.Voters, path, v), w.holders(config.Previous, path, v)
	if now < config.Majority() && (len(config.Previous) == 0 || before < len(config.Previous)/2+1) {
		w.violate(Violation{Promise: promiseChosen, Node: r.number, Path: path,
			Detail: fmt.Sprintf("acknowledges version %s, which %d of %d voters have on disk, and %d of %d before the last change",
				v.ETag(), now, len(config.Voters), before, len(config.Previous))})
	}
}

// holders counts the voters that have a version, or one after it, on disk.
func (w *world) holders(voters []node.ID, path string, v node.Version) int {
	holds := len(voters)
	for i := range w.replicas {
		other := &w.replicas[i]
		if _, votes := slices.BinarySearch(voters, other.id); !votes {
			continue
		}
		b, found, err := other.disk.store.Get(recordPrefix + path)
		if err != nil {
			continue
		}
		slot, err := node.DecodeSlot(path, b)
		if (!found || err != nil || slot.Top() < v.TS) && !other.rotten[path] && !w.ends.hasEnded(other.number, path, v.TS) {
			holds--
		}
	}
	return holds
}
