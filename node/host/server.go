package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"kvs/node"
	"kvs/node/host/budget"
	"kvs/node/host/config"
	"kvs/node/host/connections"
	"kvs/node/host/rest"
	"kvs/node/host/transport"
)

// server is the HTTP door.
type server interface {
	// Serve answers connections of l, which it owns, until Shutdown, and returns nil then.
	Serve(l net.Listener) error

	// Shutdown lets no connection in, lets running requests end, and returns when they have, or with ctx's error.
	Shutdown(ctx context.Context) error

	// Resize bounds the connections that may be open at once; Open is how many are.
	Resize(b connections.Bounds)
	Open() int

	// ServeAdmin serves monitoring on l, which it owns.
	ServeAdmin(l net.Listener) *rest.Admin

	// Refusals counts what the limits have refused.
	Refusals() rest.Refusals

	// Distrust closes connections with certificates that are no longer trusted.
	Distrust(trusted func(*tls.ConnectionState) bool) (closed int)

	// HandshakesFailed counts connections that did not become secure.
	HandshakesFailed() uint64
}

// newServer makes the door for h.
func newServer(h *Host, version string) (server, error) {
	o := rest.Options{
		Core:           &door{h: h, started: time.Now(), mono: h.clock.Mono()},
		Metrics:        counter{h},
		Starting:       h.starting.Load,
		View:           h.View,
		Log:            h.logger,
		LogLevel:       h.level,
		Name:           h.cfg.Name,
		Version:        version,
		DefaultLevel:   h.cfg.DefaultConsistency,
		ValueBytesMax:  int(h.cfg.ValueBytesMax),
		FramesBytesMax: transport.BatchBytesMax,
		StreamProtocol: transport.Protocol,
		RequestTimeout: h.cfg.RequestTimeout,
		MaxClockOffset: h.cfg.MaxClockOffset,
		Dial:           h.dialMember,
		CORSOrigins:    h.cfg.CORSOrigins,
		Console:        h.cfg.Console,
		ReadTimeout:    h.cfg.Limits.ReadTimeout,
		IdleTimeout:    h.cfg.Limits.IdleTimeout,
		Watchers:       h.watchers,
		Recording:      h.Recording,
		Limits: rest.Limits{
			ConnectionsPerAddress: h.cfg.Limits.ConnectionsPerAddress,
			RequestsPerSecond:     h.cfg.Limits.RequestsPerSecond,
			BodyBytesMax:          int64(h.cfg.Limits.BodyBytesMax), HeaderBytesMax: int(h.cfg.Limits.HeaderBytesMax),
		},
	}
	if h.audit != nil {
		o.Audit = h.audit.write
	}
	if h.certs != nil {
		o.TLS, o.Peer, o.PlainToo = h.certs.Server(), h.peer, h.cfg.TLS.Mode == config.TLSOptional
	}
	if h.sealer != nil {
		o.Keyring = keyring{h}
	}
	var err error
	if o.Access, err = h.access(); err != nil {
		return nil, err
	}
	return rest.New(o)
}

// door implements the node of node/host/rest for the Host.
type door struct {
	h       *Host
	started time.Time
	mono    time.Duration

	mu   sync.Mutex
	last node.Status // the latest snapshot that the loop has given.
}

func (d *door) Do(ctx context.Context, r *node.Request) (node.Response, error) {
	resp, err := d.h.Do(ctx, r)
	return resp, worded(err)
}

func (d *door) DoAll(ctx context.Context, rs []*node.Request, answer func(i int, resp node.Response, err error)) {
	d.h.DoAll(ctx, rs, func(i int, resp node.Response, err error) { answer(i, resp, worded(err)) })
}

func (d *door) Conflicts(prefix string, limit int) ([]node.ConflictRecord, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.h.cfg.RequestTimeout)
	defer cancel()
	list, err := d.h.Conflicts(ctx, prefix, limit)
	return list, worded(err)
}

func (d *door) Mode() node.Mode { return d.h.Mode() }

func (d *door) SetReadOnly(on bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), d.h.cfg.RequestTimeout)
	defer cancel()
	return worded(d.h.SetOperatorMode(ctx, on))
}

func (d *door) Join(addrs []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), d.h.cfg.RequestTimeout)
	defer cancel()
	if err := d.h.checkClusters(ctx, addrs); err != nil {
		return fmt.Errorf("%w: %w", rest.ErrRefused, err)
	}
	return worded(d.h.Join(ctx, addrs))
}

func (d *door) Leave(ctx context.Context, force bool) error {
	err := d.h.Leave(ctx, force)
	if errors.Is(err, ErrNotHandedOver) {
		return fmt.Errorf("%w: %w", rest.ErrNotHandedOver, err)
	}
	if err == nil {
		d.h.begin(nil) // running requests are answered before the node ends.
	}
	return worded(err)
}

func (d *door) Remove(ctx context.Context, id node.ID, force bool) error {
	return worded(d.h.Remove(ctx, id, force))
}

func (d *door) Frames(body []byte, by string) error { return worded(d.h.Frames(body, by)) }

func (d *door) Stream(conn net.Conn, by string, room *budget.Bytes) error {
	return worded(d.h.Stream(conn, by, room))
}

// worded translates the host's errors to those of package rest.
func worded(err error) error {
	switch {
	case errors.Is(err, ErrStopped):
		return fmt.Errorf("%w: ask another member", rest.ErrStopping)
	case errors.Is(err, ErrBusy):
		return fmt.Errorf("%w: %w", rest.ErrBusy, err)
	}
	return err
}

// snapshotWait is how long a status waits for the loop. A slower loop has a problem, and logs that itself.
const snapshotWait = 2 * time.Second

// Snapshot always answers: the status of a failing node matters most.
func (d *door) Snapshot() rest.Snapshot {
	ctx, cancel := context.WithTimeout(context.Background(), snapshotWait)
	defer cancel()
	s, err := d.h.Status(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.last = s
	}
	out := rest.Snapshot{Status: d.last, Started: d.started, Uptime: d.h.clock.Mono() - d.mono}
	out.Reasons = append(out.Reasons, d.last.ModeReasons...)
	out.Warnings = append(d.h.certWarnings(), d.h.Warnings()...)
	out.Warnings = append(out.Warnings, d.h.lostWarnings(&d.last)...)
	out.CertExpires = d.h.certExpires()
	var unrecorded string
	if out.Recorder, unrecorded = d.h.recording.status(); unrecorded != "" {
		out.Warnings = append(out.Warnings, unrecorded)
	}
	out.Ready = err == nil && s.Retired == "" && serves(s.Mode)
	switch alone := d.h.alone(&d.last); {
	case d.h.isStopping():
		out.Ready = false
		out.Reasons = append(out.Reasons, "the node is shutting down")
	case err != nil:
		out.Reasons = append(out.Reasons, fmt.Sprintf("the node has not answered within %v: its disk or processor is "+
			"overloaded; this status is an old one", snapshotWait))
	case alone != "":
		out.Ready = false
		out.Reasons = append(append(out.Reasons, alone), out.Warnings...)
	}
	return out
}

func (h *Host) isStopping() bool {
	select {
	case <-h.stopping:
		return true
	default:
		return false
	}
}
