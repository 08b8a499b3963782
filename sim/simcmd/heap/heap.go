// Package heap has the garbage collector work between the runs of a process that runs one world after another. Hardly
// anything is alive there, so that a collection is nearly free. One that begins in the middle of a run has the whole
// world to mark, and as long as it marks, each pointer that the world writes costs a detour.
package heap

import (
	"runtime"
	"runtime/metrics"
)

// Percent is the GOGC of a process that runs worlds, which are small and short: the collector begins by itself, in a
// run, when 16 MB were allocated since the last collection. With a larger heap a run is slower, because the caches of
// the processor hold less of it.
const Percent = 400

// collectAfter is how many bytes must have been allocated for a collection between two runs. Most worlds allocate a
// half of it, so the collector hardly ever begins by itself.
const collectAfter = 8 << 20

// Collector collects garbage between runs. It is used by one goroutine. If others run worlds meanwhile, it may cost
// more than it saves.
type Collector struct {
	sample [1]metrics.Sample
	since  uint64 // bytes that were allocated until the last collection.
}

// NewCollector returns a collector for a process in which no run is going on.
func NewCollector() *Collector {
	c := &Collector{}
	c.sample[0].Name = "/gc/heap/allocs:bytes"
	c.since = c.allocated()
	return c
}

// RunOver is called when a run is over and its result is no longer needed. It reports whether it has collected.
func (c *Collector) RunOver() bool {
	now := c.allocated()
	if now-c.since < collectAfter {
		return false
	}
	runtime.GC()
	c.since = now
	return true
}

func (c *Collector) allocated() uint64 {
	metrics.Read(c.sample[:])
	return c.sample[0].Value.Uint64()
}
