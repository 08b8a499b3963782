package badgerstore

import (
	"fmt"
	"sync"
	"time"

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

// latelyFor is far below the time in which a disk fills by the space that FreeBytesMin keeps.
const latelyFor = 10 * time.Millisecond

// Lately returns a function that answers as free does, for callers that ask before each write: for 10 ms it repeats an
// answer instead of asking the file system, which costs some microseconds each time. It knows one folder, and may be
// called from any goroutine. Errors are not repeated.
func Lately(free func(dir string) (uint64, error)) func(dir string) (uint64, error) {
	return lately(free, time.Now)
}

func lately(free func(dir string) (uint64, error), now func() time.Time) func(dir string) (uint64, error) {
	var (
		mu    sync.Mutex
		asked time.Time
		last  uint64
	)
	return func(dir string) (uint64, error) {
		mu.Lock()
		defer mu.Unlock()
		if at := now(); asked.IsZero() || at.Sub(asked) >= latelyFor {
			bytes, err := free(dir)
			if err != nil {
				asked = time.Time{}
				return 0, err
			}
			asked, last = at, bytes
		}
		return last, nil
	}
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
