package badgerstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// FreeBytes is the space that this process may still use on the file system of dir.
func FreeBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// Watermarks define when a disk counts as full. Between the two its state does not change, so that a node does not
// change its mode with every write and every compaction.
type Watermarks struct {
	FullBelow uint64 // bytes free: below this the disk is full,
	FreeFrom  uint64 // and not before this is it free again.
}

// WatermarksFor returns watermarks well above the space at which Apply with these options refuses to write.
func WatermarksFor(o Options) Watermarks {
	return Watermarks{FullBelow: 2 * o.FreeBytesMin, FreeFrom: 3 * o.FreeBytesMin}
}

// Gauge remembers whether a disk is full. It reads no clock and no disk: its owner passes it the free space from time
// to time. It is not safe for concurrent use.
type Gauge struct {
	marks Watermarks
	full  bool
}

// NewGauge returns a Gauge that begins with a free disk.
func NewGauge(w Watermarks) (*Gauge, error) {
	if w.FreeFrom <= w.FullBelow {
		return nil, fmt.Errorf("watermarks: full below %d bytes and free from %d: the second must be larger",
			w.FullBelow, w.FreeFrom)
	}
	return &Gauge{marks: w}, nil
}

// Observe takes the bytes that are free now, and returns whether the disk counts as full, and whether that has changed.
func (g *Gauge) Observe(free uint64) (full, changed bool) {
	before := g.full
	switch {
	case free < g.marks.FullBelow:
		g.full = true
	case free >= g.marks.FreeFrom:
		g.full = false
	}
	return g.full, g.full != before
}

// Full is what the last Observe returned.
func (g *Gauge) Full() bool { return g.full }
