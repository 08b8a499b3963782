package world

import (
	"kvs/node"
	"kvs/sim/pool"
)

// Disks is the records on the disks of all replicas, crashed ones too, and the tombstones that they have dropped, by
// number of the replica and path.
type Disks struct {
	Held    []map[string]*node.Slot   // what is there.
	Ended   []map[string]node.Slot    // the highest slot that was dropped.
	Highest map[string]node.Timestamp // by path: the highest tombstone that was dropped anywhere.

	slots pool.Slab[node.Slot]
}

func newDisks(nodes, paths int) Disks {
	d := Disks{Highest: make(map[string]node.Timestamp)}
	for range nodes + 1 {
		d.Held = append(d.Held, make(map[string]*node.Slot, min(paths, 128)))
		d.Ended = append(d.Ended, make(map[string]node.Slot))
	}
	return d
}

// Stored records a slot that a replica has made durable, and returns what its disk held there before.
func (d *Disks) Stored(n int, path string, s *node.Slot) (before node.Slot, held bool) {
	there := d.Held[n][path]
	if there == nil {
		there = d.slots.New()
		d.Held[n][path] = there
	} else {
		before, held = *there, true
	}
	*there = *s
	return before, held
}

// At is what a replica's disk holds at a path, if it does.
func (d *Disks) At(n int, path string) (s node.Slot, held bool) {
	if there := d.Held[n][path]; there != nil {
		return *there, true
	}
	return node.Slot{}, false
}

// Erased records that a replica has dropped a path. A mere promise leaves no trace.
func (d *Disks) Erased(n int, path string) {
	was, ok := d.At(n, path)
	delete(d.Held[n], path)
	if !ok || !was.Exists() {
		return
	}
	if before := d.Ended[n][path]; before.Top() < was.Top() {
		d.Ended[n][path] = was
	}
	d.Highest[path] = max(d.Highest[path], was.Top())
}

// Wiped drops the records of a disk.
func (d *Disks) Wiped(n int) {
	clear(d.Held[n])
	clear(d.Ended[n])
}

func (d *Disks) swapped(a, b int) {
	d.Held[a], d.Held[b] = d.Held[b], d.Held[a]
	d.Ended[a], d.Ended[b] = d.Ended[b], d.Ended[a]
}

// HasEnded reports whether replica n has dropped a tombstone of at least this timestamp.
func (d *Disks) HasEnded(n int, path string, ts node.Timestamp) bool {
	s, ok := d.Ended[n][path]
	return ok && s.Top() >= ts
}
