package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kvs/node"
	"kvs/node/swim"
)

// Stop ends the node: it lets no new request in, answers those in flight, flushes the queues to peers, makes everything
// durable, and closes the store. No acknowledged write is lost. The node does not announce that it leaves: a node that
// stops comes back. Stop returns when all is done, or with ctx's error, while the rest goes on.
func (h *Host) Stop(ctx context.Context) error {
	h.begin(nil)
	select {
	case <-h.stopped:
		return h.err
	case <-ctx.Done():
		return fmt.Errorf("the node has not stopped in time: %w", ctx.Err())
	}
}

// Wait returns when the node has stopped: nil after Stop, otherwise the reason why it could not go on.
func (h *Host) Wait() error {
	<-h.stopped
	return h.err
}

// Stopping is closed when the node begins to stop, for any reason.
func (h *Host) Stopping() <-chan struct{} { return h.stopping }

// begin starts the shutdown, once. why is nil when it was asked for.
func (h *Host) begin(why error) {
	h.stopOnce.Do(func() {
		close(h.stopping)
		if why != nil {
			h.logger.Error("node stops", "error", why)
		} else {
			h.logger.Info("node stops")
		}
		go func() {
			h.err = h.shutdown(why)
			h.logger.Info("node stopped")
			close(h.stopped)
		}()
	})
}

// shutdown does its steps in order, all within shutdown_timeout. No acknowledged write depends on the last steps: a
// disk that does not answer, or a data folder that was removed, does not keep the process from ending.
func (h *Host) shutdown(why error) error {
	// A quarter of the time is reserved for steps that cannot be cut short, so that a caller that waits as long as
	// configured sees the end.
	polite := h.cfg.ShutdownTimeout * 3 / 4
	ctx, cancel := context.WithTimeout(context.Background(), polite)
	defer cancel()
	end := time.After(h.cfg.ShutdownTimeout)

	h.admission.close()
	select {
	case <-h.admission.empty:
	case <-ctx.Done():
		h.logger.Warn("requests in flight were not answered in time")
	}
	h.flushReplication(ctx, polite/2)
	h.streams.end()
	h.endWatchers(ctx)
	if err := h.server.Shutdown(ctx); err != nil {
		h.logger.Warn("connections were cut", "error", err)
	}
	if h.admin != nil {
		_ = h.admin.Close()
	}
	if h.audit != nil {
		_ = h.audit.file.Close()
	}
	_ = h.listener.Close() // a server that was stopped before it began to listen has not closed it.
	h.endWatch()
	errs := []error{why, h.datagrams.Close()}

	written := make(chan error, 1)
	go func() { written <- h.writeDown(ctx, why) }()
	select {
	case err := <-written:
		errs = append(errs, err)
	case <-end:
		errs = append(errs, fmt.Errorf("the store was not closed within %v (shutdown_timeout); what was acknowledged "+
			"is on disk, if %s is still there",
			h.cfg.ShutdownTimeout, h.cfg.DataDir))
	}
	return errors.Join(errs...)
}

// watchersTimeout bounds how long watchers may take for their last bookmark.
const watchersTimeout = time.Second

func (h *Host) endWatchers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, watchersTimeout)
	defer cancel()
	h.watchers.End(ctx)
}

// writeDown ends the loop and closes the store when everything is written.
func (h *Host) writeDown(ctx context.Context, why error) error {
	var errs []error
	h.background.Wait()
	close(h.loop.quit)
	<-h.loop.done
	if failure := h.loop.failure; failure != nil && why != failure { // it happened during the shutdown.
		errs = append(errs, failure)
	}
	if err := h.frames.Flush(ctx); err != nil {
		h.logger.Debug("frames to peers were dropped", "error", err)
	}
	h.frames.Close()
	if err := h.recording.close(); err != nil {
		errs = append(errs, err)
	}
	if err := h.store.Close(); err != nil {
		errs = append(errs, fmt.Errorf("close the store: %w", err))
	}
	return errors.Join(errs...)
}

// flushReplication waits, for at most limit, until the living peers have acknowledged all records queued for them.
// Comparisons bring them the rest when this node is back.
func (h *Host) flushReplication(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	err := h.poll(ctx, func(s *node.Status) bool { return s.Mode == node.ModeFailed || unacknowledged(s) == 0 })
	if err != nil {
		h.logger.Warn("some writes have not reached all members yet; they follow when this node is back", "waited",
			time.Since(start), "error", err)
	}
}

// unacknowledged counts the records that wait for members that are alive.
func unacknowledged(s *node.Status) int {
	n := 0
	for _, p := range s.Peers {
		for _, m := range s.Members {
			if m.ID == p.ID && m.State == swim.Alive {
				n += p.QueueEntries
			}
		}
	}
	return n
}
