package host

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/committer"
	"kvs/node/host/config"
	"kvs/node/host/logging"
	"kvs/node/host/metrics"
	"kvs/node/host/transport"
)

// Options of Start. All that are exported are required.
type Options struct {
	Config  *config.Config // resolved and checked, as config.Load returns it.
	Logger  *slog.Logger
	Clock   Clock  // RealClock(), but for tests about clocks.
	Version string // of the program, for /status.

	// wrapStore stands between the node and its store in tests about broken disks; nil: nothing does.
	wrapStore func(node.Store) node.Store
}

// Host is a running node. Its methods are safe for concurrent use.
type Host struct {
	cfg       *config.Config
	logger    *slog.Logger
	clock     Clock
	view      atomic.Pointer[node.View] // changes with the members.
	loop      *loop
	admission *admission
	places    chan struct{} // of batches from peers that wait for the loop.

	store     node.Store
	metrics   *metrics.Metrics
	datagrams *transport.Datagrams
	frames    *transport.Frames
	server    server
	listener  net.Listener

	datagramsDropped atomic.Uint64

	background sync.WaitGroup     // goroutines that shutdown ends.
	endWatch   context.CancelFunc // ends the one that looks at the disk.
	stopOnce   sync.Once
	stopping   chan struct{} // closed when the shutdown begins,
	stopped    chan struct{} // and when it is over.
	err        error         // why the node stopped by itself; set before stopped is closed.
}

// Start brings a node up: it returns when the node answers clients. ctx only bounds the start. Errors are for people, and
// nothing is left behind: a port in use, a data folder that cannot be used, and so on.
func Start(ctx context.Context, o Options) (*Host, error) {
	if o.Config == nil || o.Logger == nil || o.Clock == nil {
		return nil, errors.New("host: configuration, logger and clock are required")
	}
	if err := o.Config.Check(); err != nil {
		return nil, err
	}
	h := &Host{
		cfg: o.Config, logger: o.Logger, clock: o.Clock,
		admission: newAdmission(o.Config.RequestsMax),
		places:    make(chan struct{}, peerBatchesMax),
		stopping:  make(chan struct{}), stopped: make(chan struct{}),
	}
	var undo cleanup
	if err := h.start(ctx, &o, &undo); err != nil {
		return nil, errors.Join(err, undo.run())
	}
	return h, nil
}

// cleanup is what to undo when a start fails, last first.
type cleanup []func() error

func (c *cleanup) add(f func() error) { *c = append(*c, f) }

func (c *cleanup) run() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	return errors.Join(errs...)
}

// start takes the steps in an order in which nodes that start together do not wait for each other: each asks the others before
// it listens itself.
func (h *Host) start(ctx context.Context, o *Options, undo *cleanup) error {
	if err := tryListen(h.cfg.Listen); err != nil {
		return listenError(err, h.cfg, "TCP")
	}
	greeted, err := h.greetAsNewcomer(ctx)
	if err != nil {
		return err
	}
	gauge, err := h.openStore(o.Version)
	if err != nil {
		return err
	}
	if o.wrapStore != nil {
		h.store = o.wrapStore(h.store)
	}
	undo.add(h.store.Close)
	if !greeted {
		if err := h.greet(ctx); err != nil {
			return err
		}
	}
	if err := h.listen(undo); err != nil {
		return err
	}
	if h.server, err = newServer(h, o.Version); err != nil {
		return err
	}
	if err := h.makeLoop(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		h.loop.drain()
		return fmt.Errorf("start: %w", err)
	}
	h.launch(gauge)
	return nil
}

// listen opens the doors for clients and members.
func (h *Host) listen(undo *cleanup) error {
	var err error
	h.listener, err = net.Listen("tcp", h.cfg.Listen)
	if err != nil {
		return listenError(err, h.cfg, "TCP")
	}
	undo.add(h.listener.Close)
	resolver := transport.NewResolver()
	h.datagrams, err = transport.ListenDatagrams(h.cfg.Listen, resolver, h.logger)
	if err != nil {
		return listenError(err, h.cfg, "UDP")
	}
	undo.add(h.datagrams.Close)
	frames := transport.DefaultFramesOptions(resolver, h.logger)
	frames.LocalIP = loopbackIP(h.cfg.Listen)
	h.frames, err = transport.NewFrames(frames)
	return err
}

// Addr is a host:port at which this machine's clients reach the node.
func (h *Host) Addr() string { return reachable(h.listener.Addr()) }

// reachable is addr with loopback for a wildcard, which nobody can dial.
func reachable(addr net.Addr) string {
	t, ok := addr.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return addr.String()
	}
	loopback := net.IPv6loopback
	if t.IP.To4() != nil {
		loopback = net.IPv4(127, 0, 0, 1)
	}
	return (&net.TCPAddr{IP: loopback, Port: t.Port}).String()
}

// listenError says what to do about an address that cannot be listened on.
func listenError(err error, cfg *config.Config, network string) error {
	advice := "check listen in " + cfg.File
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(cfg.Listen) // Check has seen that it can be split.
		advice = fmt.Sprintf("port %s is in use by another process: stop that one (ss -lntup shows it), or set listen to another port in %s", port, cfg.File)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "this machine has no such address: set listen to one of its own in " + cfg.File
	case errors.Is(err, syscall.EACCES):
		advice = "this user may not open that port: set listen to a port above 1023 in " + cfg.File
	}
	return fmt.Errorf("cannot listen on %s (%s): %w: %s", cfg.Listen, network, err, advice)
}

// openStore opens the data folder, and makes the gauge of its free space, and the metrics.
func (h *Host) openStore(version string) (*badgerstore.Gauge, error) {
	o := badgerstore.DefaultOptions(h.cfg.DataDir, h.logger)
	o.MemTableBytes = int64(h.cfg.Disk.MemtableBytes)
	o.FreeBytesMin = uint64(h.cfg.Disk.LowWatermark / 2)
	gauge, err := badgerstore.NewGauge(badgerstore.Watermarks{
		FullBelow: uint64(h.cfg.Disk.LowWatermark), FreeFrom: uint64(h.cfg.Disk.HighWatermark),
	})
	if err != nil {
		return nil, err
	}
	store, err := badgerstore.Open(o)
	if err != nil {
		return nil, err
	}
	if err := h.observe(version, store.Sizes); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	h.store = store
	h.decideBy(node.NewElectorate(nil)) // the core brings the real one before anybody can ask.
	return gauge, nil
}

// decideBy makes reads decide conflicts by these members.
func (h *Host) decideBy(e *node.Electorate) { h.view.Store(node.NewView(h.store, e)) }

// makeLoop recovers the node from its store and puts the loop around it. The loop does not run yet.
func (h *Host) makeLoop() error {
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return fmt.Errorf("randomness: %w", err)
	}
	l := &loop{
		clock: h.clock, logger: h.logger, calls: map[uint64]*call{},
		inbox:    make(chan event, inboxEventsMax),
		progress: progress{ready: make(chan struct{}, 1)},
		quit:     make(chan struct{}), done: make(chan struct{}), failed: make(chan struct{}),
		send: h.send, freed: h.admission.leave, decideBy: h.decideBy, decided: h.metrics.Decided,
	}
	strong, err := node.CheckStrongPrefixes(h.cfg.StrongPrefixes)
	if err != nil {
		return fmt.Errorf("%s: %w", h.cfg.File, err)
	}
	l.core, err = node.New(l.now(), node.Options{
		Name: h.cfg.Name, Addr: h.cfg.Advertise, Cluster: h.cfg.Cluster, Store: h.store, Rand: rand.New(rand.NewChaCha8(seed)),
		Seeds: h.cfg.Seeds, Swim: h.cfg.SwimConfig(), Tuning: h.cfg.NodeTuning(), ReadOnly: h.cfg.ReadOnly,
		ExpectedMembers: h.cfg.ExpectedMembers, StrongPrefixes: strong,
		LogLevel: logging.NodeLevel(h.logger),
	}, &l.eff)
	if err != nil {
		return fmt.Errorf("start the node from %s: %w", h.cfg.DataDir, err)
	}
	l.mode.Store(uint32(l.core.Mode()))
	o := committer.DefaultOptions(h.metrics.Store(h.store), l.progress.report)
	o.Refused = func(err error) bool { return errors.Is(err, badgerstore.ErrRefused) }
	o.QueueOpsMax += 4 * h.cfg.RequestsMax // every request finds room, so that the loop does not wait for the disk.
	c, err := committer.New(o)
	if err != nil {
		return err
	}
	l.submit = c.Submit
	l.drain = func() { _ = c.Close() } // the loop hears of a failure through its progress.
	l.timer = time.NewTimer(0)
	h.loop = l
	return nil
}

// launch starts the goroutines.
func (h *Host) launch(gauge *badgerstore.Gauge) {
	go h.loop.run()
	h.background.Go(func() { h.datagrams.Serve(h.datagram) })

	watched, endWatch := context.WithCancel(context.Background())
	h.endWatch = endWatch
	w := &diskWatch{
		dir: h.cfg.DataDir, free: badgerstore.FreeBytes, gauge: gauge, logger: h.logger,
		interval: h.cfg.Disk.CheckInterval, tell: h.loop.post, reserve: h.reserveGauge(),
	}
	w.look(watched) // before the first client's write.
	h.background.Go(func() { w.run(watched) })

	served := make(chan error, 1)
	h.background.Go(func() { served <- h.server.Serve(h.listener) })
	go h.supervise(served)
	h.logger.Info("listening", "addr", h.cfg.Listen, "advertise", h.cfg.Advertise, "data_dir", h.cfg.DataDir)
}

// supervise stops the node when it cannot go on.
func (h *Host) supervise(served <-chan error) {
	var why error
	select {
	case <-h.loop.failed:
		why = h.loop.failure
	case err := <-served:
		why = fmt.Errorf("the HTTP server ended: %w", err)
		if err == nil {
			why = errors.New("the HTTP server ended by itself")
		}
	case <-h.stopping:
		return
	}
	h.begin(why)
}

// loopbackIP is the address that a node on loopback calls its peers from: its own. Gossip leaves from it anyway; with frames
// doing so too, whoever stands between nodes of one machine can tell them apart. Elsewhere the system chooses (nil).
func loopbackIP(listen string) net.IP {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsLoopback() && ip.To4() != nil {
		return ip
	}
	return nil
}
