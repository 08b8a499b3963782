package host

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"kvs/node"
	"kvs/node/host/badgerstore"
)

// diskWatch checks the free space from time to time and makes the node read-only while there is too little.
type diskWatch struct {
	dir      string
	free     func(dir string) (uint64, error)
	gauge    *badgerstore.Gauge // for the space that writes need,
	reserve  *badgerstore.Gauge // and for the space reserved for deletions.
	logger   *slog.Logger
	interval time.Duration
	tell     func(ctx context.Context, ev event) error
	ballast  func() error  // releases the space reserved for a full disk when it is needed, or reserves it.
	owed     func() uint64 // released bytes of that space: they count as used.
	deletes  func() bool   // whether there is room for deletions, however full the disk is.
	noKeep   bool          // the lack of the reserve has been logged.
	blind    bool          // the last check failed.
}

// run looks until ctx ends, the first time at once.
func (w *diskWatch) run(ctx context.Context) {
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look checks once. If the free space cannot be read, the mode stays as it is, and one line is logged.
func (w *diskWatch) look(ctx context.Context) {
	if err := w.ballast(); err != nil && !w.noKeep {
		w.noKeep = true
		w.logger.Warn("no space is kept for a full disk", "dir", w.dir, "error", err)
	}
	free, err := w.free(w.dir)
	if err != nil {
		if !w.blind {
			w.logger.Error("free space unknown, the mode stays as it is", "dir", w.dir, "error", err)
		}
		w.blind = true
		return
	}
	w.blind = false
	w.observe(ctx, w.gauge, node.ReasonDisk, free-min(free, w.owed()),
		"disk nearly full, only deletions are taken until there is room")
	w.observe(ctx, w.reserve, node.ReasonDiskReserve, free,
		"disk all but full, deletions are refused too until there is room")
}

// observe does nothing about the reserve for deletions while the journal has room for some: they wait there.
func (w *diskWatch) observe(ctx context.Context, gauge *badgerstore.Gauge, reason string, free uint64, alarm string) {
	counts := free
	if reason == node.ReasonDiskReserve && w.deletes() {
		counts = math.MaxUint64
	}
	full, changed := gauge.Observe(counts)
	if !changed {
		return
	}
	if full {
		w.logger.Error(alarm, "dir", w.dir, "free_bytes", free)
	} else {
		w.logger.Info("there is room again", "dir", w.dir, "free_bytes", free, "reason", reason)
	}
	_ = w.tell(ctx, event{in: &node.SetReadOnly{Reason: reason, On: full}}) // fails only when the node stops.
}

// reserveGauge is the gauge at which deletions stop too, unless the journal has room for them: at three quarters of the
// space that writes need, well before the store itself stops at half of it. The configuration's check ensures that the
// watermark is above zero.
func (h *Host) reserveGauge() *badgerstore.Gauge {
	low := uint64(h.cfg.Disk.LowWatermark)
	gauge, err := badgerstore.NewGauge(badgerstore.Watermarks{FullBelow: low / 4 * 3, FreeFrom: low})
	if err != nil {
		panic(fmt.Sprintf("kvs: broken invariant: %v", err))
	}
	return gauge
}
