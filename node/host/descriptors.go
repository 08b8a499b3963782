package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"kvs/node/host/connections"
)

// The number of open files and connections of a process is limited. Clients must not use up the limit: the store opens
// files as it grows, and members need connections. So the bounds on connections are computed from the limit and the
// number of other open files.

const (
	descriptorsInterval = time.Second // how often open files are counted.
	clientsMin          = 8           // with fewer a node does not start.
)

// ErrDescriptors means that the process may open too few files.
var ErrDescriptors = errors.New("too few files may be open")

// raiseDescriptorLimit raises the process's own limit to the highest that it may choose, and returns it.
func raiseDescriptorLimit() (int, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	if l.Cur < l.Max {
		raised := syscall.Rlimit{Cur: l.Max, Max: l.Max}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil { // otherwise the lower limit remains.
			l = raised
		}
	}
	return int(min(l.Cur, math.MaxInt32)), nil
}

// openDescriptors counts the open files of this process.
func openDescriptors() (int, error) {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return len(names) - 1, err // without d itself.
}

// fitConnections is how many connections may be open when the process may open limit files, of which others are used
// otherwise, and watchers at most are wanted: they get what clients leave.
func fitConnections(limit, others, watchers int) (connections.Bounds, error) {
	b := connections.DefaultBounds
	b.Spares = min(max(limit/16, 4), b.Spares)
	b.Members = min(max(limit/8, 8), b.Members)
	kept := min(max(limit/8, 32), 512) // for the store's files, and for connections to members.
	room := limit - others - kept - b.Spares - b.Members
	b.Clients = max(min(room, b.Clients), 1)
	b.Watchers = max(min(watchers, room-b.Clients), 0)
	if room < clientsMin {
		return b,
			fmt.Errorf("%w: the limit is %d, and %d are needed: raise it (ulimit -n, or LimitNOFILE= in the service)",
				ErrDescriptors, limit, limit-room+clientsMin)
	}
	return b, nil
}

// descriptorWatch adapts the bounds on connections to the number of other open files.
type descriptorWatch struct {
	limit int
	// that may be open.
	watchers int
	count    func() (int, error)
	open     func() int // connections.
	resize   func(connections.Bounds)
	last     connections.Bounds
}

// look counts once. If counting fails, the bounds stay.
func (w *descriptorWatch) look() error {
	ours := w.open()
	all, err := w.count()
	if err != nil {
		return nil
	}
	b, err := fitConnections(w.limit, max(all-ours, 0), w.watchers)
	if b != w.last {
		w.last = b
		w.resize(b)
	}
	return err
}

// fitDescriptors fits the server's connections to the number of files that may be open. It fails when the limit is too
// low to serve.
func (h *Host) fitDescriptors() (*descriptorWatch, error) {
	limit, err := raiseDescriptorLimit()
	if err != nil {
		return nil, err
	}
	w := &descriptorWatch{limit: limit, watchers: h.cfg.Limits.Watchers, count: openDescriptors, open: h.server.Open,
		resize: h.server.Resize}
	if err := w.look(); err != nil {
		return nil, err
	}
	if w.last != (connections.Bounds{}) && w.last.Clients < connections.DefaultBounds.Clients {
		h.logger.Warn(
			"the limit of open files allows few connections: raise it (ulimit -n, or LimitNOFILE= in the service)",
			"limit", limit, "connections", w.last.Clients)
	}
	return w, nil
}

// run looks until ctx ends.
func (w *descriptorWatch) run(ctx context.Context) {
	tick := time.NewTicker(descriptorsInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = w.look() // a running node continues with the present bounds.
		case <-ctx.Done():
			return
		}
	}
}
