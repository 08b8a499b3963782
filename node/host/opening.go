package host

import (
	"context"
	"errors"
	"log/slog"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/badgerstore"
	"kvs/node/host/config"
	"kvs/node/host/store"
	"kvs/node/slot"
)

// storeOptions are the store's options from the configuration.
func storeOptions(cfg *config.Config, logger *slog.Logger) store.Options {
	o := store.DefaultOptions(cfg.DataDir, logger)
	o.Base.MemTableBytes = int64(cfg.Disk.MemtableBytes)
	o.Base.FreeBytesMin = uint64(cfg.Disk.LowWatermark / 2)
	o.Base.BallastBytes = uint64(cfg.Disk.LowWatermark)
	return o
}

// openStore opens the data folder, and makes the watch of its free space, and the metrics.
func (h *Host) openStore(ctx context.Context, version string) (*diskWatch, error) {
	o := storeOptions(h.cfg, h.logger)
	gauge, err := badgerstore.NewGauge(badgerstore.Watermarks{
		FullBelow: uint64(h.cfg.Disk.LowWatermark), FreeFrom: uint64(h.cfg.Disk.HighWatermark),
	})
	if err != nil {
		return nil, err
	}
	o.Base.Progress = func(done, total int) {
		h.say(api.Starting{Phase: "checking the store", Done: done, Total: total})
	}
	o.Base.Damaged = func(err error) { h.damaged <- err } // once, by a store that is open.
	if h.scrub != nil {
		o.Base.Scrub = *h.scrub
	}
	opened, err := store.Open(ctx, o)
	if errors.Is(err, badgerstore.ErrDamaged) || errors.Is(err, badgerstore.ErrEmptied) {
		if err := h.setAside(err); err != nil {
			return nil, err
		}
		opened, err = store.Open(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	if err := h.observe(version, opened.Sizes); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	h.store = opened
	h.decideBy(slot.NewElectorate(nil)) // the core sets the real one before reads are served.
	h.writeRoom = o.Base.FreeBytesMin
	h.free, h.fits = badgerstore.Lately(o.Base.FreeBytes), opened.Fits
	return &diskWatch{
		dir: h.cfg.DataDir, free: badgerstore.FreeBytes, gauge: gauge, logger: h.logger,
		interval: h.cfg.Disk.CheckInterval, reserve: h.reserveGauge(),
		ballast: opened.KeepBallast, owed: opened.BallastOwed, deletes: h.deletable,
	}, nil
}

// decideBy sets the electorate by which reads decide conflicts.
func (h *Host) decideBy(e *node.Electorate) { h.view.Store(node.NewView(h.store, e)) }
