package host

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/badgerstore"
	"kvs/node/host/certs"
	"kvs/node/host/committer"
	"kvs/node/host/config"
	"kvs/node/host/logging"
	"kvs/node/host/metrics"
	"kvs/node/host/rest"
	"kvs/node/host/seal"
	"kvs/node/host/transport"
	"kvs/node/host/watching"
	"kvs/node/recorder"
)

// Options of Start. All exported ones are required, except those with a default.
type Options struct {
	Config *config.Config // resolved and checked, as config.Load returns it.
	Logger *slog.Logger

	// LogLevel is the level of Logger, which clients may change while the node runs. Default: one without an effect.
	LogLevel *slog.LevelVar

	Clock   Clock  // RealClock(), except in tests of clocks.
	Version string // of the program, for /status and recordings.
	Commit  string // of which it was built, for recordings. Default: it is not known.

	// Listening receives the address, a host:port, as soon as the node answers there, at first only that it is
	// starting. Default: no call.
	Listening func(addr string)

	// wrapStore wraps the node's store in tests of broken disks; nil: no wrapper.
	wrapStore func(node.Store) node.Store

	scrub *badgerstore.Scrub // of the store, in tests; nil: the usual one.
}

// Host is a running node. Its methods are safe for concurrent use.
type Host struct {
	cfg       *config.Config
	logger    *slog.Logger
	level     *slog.LevelVar // nil: it cannot be changed.
	clock     Clock
	view      atomic.Pointer[node.View] // changes with the members.
	loop      *loop
	admission *admission
	places    chan struct{} // of batches from peers that wait for the loop.
	streams   streams       // of peers.
	watchers  *watching.Watchers

	store     node.Store
	recording *recording // nil: nothing is recorded.
	metrics   *metrics.Metrics
	datagrams *transport.Datagrams
	frames    *transport.Frames
	server    server
	listener  net.Listener
	admin     io.Closer     // the listener for monitoring; nil: there is none.
	audit     *auditLog     // nil: there is none.
	certs     *certs.Keeper // nil: no TLS.
	sealer    *seal.Sealer  // nil: gossip is not sealed.
	replays   seal.Replays  // belongs to the goroutine that serves datagrams.

	datagramsDropped  atomic.Uint64
	datagramsReplayed atomic.Uint64
	free              func(dir string) (uint64, error)
	fits              func(bytes int) bool // whether the store takes so many bytes, however full the disk is.
	writeRoom         uint64               // free bytes below which the store takes no write.
	refuses           func() bool          // whether the store takes none at the moment, and is asked again and again.
	scrub             *badgerstore.Scrub

	warnings atomic.Pointer[[]string]     // of the lookout.
	lost     atomic.Pointer[lostNote]     // the loss of the store's data, while it is being repaired.
	starting atomic.Pointer[api.Starting] // nil: the node has started, and everything above is set.
	served   chan error                   // the result of the server.
	damaged  chan error                   // what the store has found to be damaged while it was open.

	background sync.WaitGroup     // goroutines that shutdown ends.
	endWatch   context.CancelFunc // ends the goroutine that watches the disk.
	stopOnce   sync.Once
	stopping   chan struct{} // closed when the shutdown begins,
	stopped    chan struct{} // and when it is complete.
	err        error         // why the node stopped by itself; set before stopped is closed.
}

// Start brings a node up: it returns when the node answers clients. ctx only bounds the start. Errors are for people: a
// port in use, a data folder that cannot be used, and so on. After an error no goroutine, listener or lock is left.
func Start(ctx context.Context, o Options) (*Host, error) {
	if o.Config == nil || o.Logger == nil || o.Clock == nil {
		return nil, errors.New("host: configuration, logger and clock are required")
	}
	if err := o.Config.Check(); err != nil {
		return nil, err
	}
	h := &Host{
		cfg: o.Config, logger: o.Logger, level: o.LogLevel, clock: o.Clock,
		admission: newAdmission(o.Config.RequestsMax),
		places:    make(chan struct{}, peerBatchesMax),
		served:    make(chan error, 1),
		damaged:   make(chan error, 1),
		scrub:     o.scrub,
		stopping:  make(chan struct{}), stopped: make(chan struct{}),
	}
	h.watchers = watching.New(watching.Options{Max: o.Config.Limits.Watchers, Linger: watching.LingerDefault,
		Ask: func(ctx context.Context, on bool) error {
			return h.loop.post(ctx, event{in: &node.Watching{On: on}})
		}})
	var undo cleanup
	if err := h.start(ctx, &o, &undo); err != nil {
		return nil, errors.Join(err, undo.run())
	}
	return h, nil
}

// ErrDamaged is why a node stops that has found damage in its store while it ran. The next Start of the same
// configuration makes the best of it: the node stands in for what it has lost, or says what a person can do.
var ErrDamaged = errors.New("the store is damaged")

// cleanup has the steps to undo when a start fails, last first.
type cleanup []func() error

func (c *cleanup) add(f func() error) { *c = append(*c, f) }

func (c *cleanup) run() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	return errors.Join(errs...)
}

// start does its steps in an order in which nodes that start together do not wait for each other: each answers that it
// is starting before it asks the others.
func (h *Host) start(ctx context.Context, o *Options, undo *cleanup) error {
	h.say(api.Starting{Phase: "asking the other members"})
	if err := h.loadCredentials(); err != nil {
		return err
	}
	if err := h.openAudit(undo); err != nil {
		return err
	}
	if err := h.openDoor(o, undo); err != nil {
		return err
	}
	if err := h.openAdminDoor(undo); err != nil {
		return err
	}
	descriptors, err := h.fitDescriptors()
	if err != nil {
		return err
	}
	greeted, err := h.greetAsNewcomer(ctx)
	if err != nil {
		return err
	}
	disk, err := h.openStore(ctx, o.Version)
	if err != nil {
		return err
	}
	if o.wrapStore != nil {
		h.store = o.wrapStore(h.store)
	}
	undo.add(h.store.Close)
	if !greeted {
		h.say(api.Starting{Phase: "asking the other members"})
		if err := h.greet(ctx); err != nil {
			return err
		}
	}
	if err := h.openTransport(undo); err != nil {
		return err
	}
	h.say(api.Starting{Phase: "recovering what the store holds"})
	if err := h.makeLoop(o.build(), undo); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		h.loop.drain()
		return fmt.Errorf("start: %w", err)
	}
	h.launch(disk, descriptors)
	return nil
}

// say publishes the progress of the start.
func (h *Host) say(s api.Starting) { h.starting.Store(&s) }

// openDoor opens the listeners for clients and members: requests are answered that the node is starting.
func (h *Host) openDoor(o *Options, undo *cleanup) error {
	var err error
	if h.server, err = newServer(h, o.Version); err != nil {
		return err
	}
	h.listener, err = net.Listen("tcp", h.cfg.Listen)
	if err != nil {
		return listenError(err, h.cfg, "TCP")
	}
	go func() { h.served <- h.server.Serve(h.listener) }()
	undo.add(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), refusalsMax)
		defer cancel()
		err := h.server.Shutdown(ctx)
		// connections that are slow to read the answer that the node is starting.
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		_ = h.listener.Close()
		return err
	})
	if o.Listening != nil {
		o.Listening(h.Addr())
	}
	return nil
}

// refusalsMax bounds how long a failed start goes on answering requests that are in progress.
const refusalsMax = time.Second

// openTransport opens the transport between members.
func (h *Host) openTransport(undo *cleanup) error {
	resolver := transport.NewResolver()
	var err error
	h.datagrams, err = transport.ListenDatagrams(h.cfg.Listen, resolver, h.logger)
	if err != nil {
		return listenError(err, h.cfg, "UDP")
	}
	undo.add(h.datagrams.Close)
	if h.sealer != nil {
		h.datagrams.SealWith(h.sealer, h.cfg.TLS.Mode == config.TLSOptional)
	}
	frames := transport.DefaultFramesOptions(resolver, h.logger)
	frames.LocalIP = loopbackIP(h.cfg.Listen)
	if h.certs != nil {
		frames.Secure = h.certs.Dial
	}
	h.frames, err = transport.NewFrames(frames)
	return err
}

// Addr is a host:port at which this machine's clients reach the node.
func (h *Host) Addr() string { return reachable(h.listener.Addr()) }

// reachable is addr with loopback for a wildcard, which cannot be dialled.
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

// listenError adds what to do about an address that cannot be listened on.
func listenError(err error, cfg *config.Config, network string) error {
	advice := "check listen in " + cfg.File
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(cfg.Listen) // Check has ensured that it can be split.
		advice = fmt.Sprintf("port %s is in use by another process: stop that one (ss -lntup shows it), or set "+
			"listen to another port in %s", port, cfg.File)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "this machine has no such address: set listen to one of its own in " + cfg.File
	case errors.Is(err, syscall.EACCES):
		advice = "this user may not open that port: set listen to a port above 1023 in " + cfg.File
	}
	return fmt.Errorf("cannot listen on %s (%s): %w: %s", cfg.Listen, network, err, advice)
}

// makeLoop recovers the node from its store and puts the loop around it. The loop does not run yet.
func (h *Host) makeLoop(by recorder.Build, undo *cleanup) error {
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return fmt.Errorf("randomness: %w", err)
	}
	random := rand.NewChaCha8(seed)
	var err error
	if h.recording, err = h.openRecording(by, random, undo); err != nil {
		return err
	}
	l := &loop{
		clock: h.clock, logger: h.logger, calls: map[uint64]*call{},
		inbox:    make(chan event, inboxEventsMax),
		progress: progress{ready: make(chan struct{}, 1)},
		quit:     make(chan struct{}), done: make(chan struct{}), failed: make(chan struct{}),
		send: h.send, release: h.frames.Release, freed: h.admission.leave,
		decideBy: h.decideBy, decided: h.metrics.Decided,
	}
	read := node.Reader(h.store)
	if h.recording != nil && h.recording.core != nil {
		l.record, read = h.recording, h.recording.core.Store(h.store)
	}
	strong, err := node.CheckStrongPrefixes(h.cfg.StrongPrefixes)
	if err != nil {
		return fmt.Errorf("%s: %w", h.cfg.File, err)
	}
	l.core, err = node.New(l.now(), node.Options{
		Name: h.cfg.Name, Addr: h.cfg.Advertise, Cluster: h.cfg.Cluster, Store: read,
		Rand:  rand.New(random),
		Seeds: h.cfg.Seeds, Swim: h.cfg.SwimConfig(), Tuning: h.cfg.NodeTuning(), ReadOnly: h.cfg.ReadOnly,
		ExpectedMembers: h.cfg.ExpectedMembers, StrongPrefixes: strong, Lost: h.standIn(),
		LogLevel: logging.NodeLevel(h.logger),
	}, &l.eff)
	if err != nil {
		return fmt.Errorf("start the node from %s: %w", h.cfg.DataDir, err)
	}
	if l.record != nil {
		l.record.core.Record(l.core)
	}
	l.mode.Store(uint32(l.core.Mode()))
	h.watchers.Begin(l.core.ID())
	l.changed = func(parts []node.Changed) { h.watchers.Take(parts, rest.TokensPath) }
	o := committer.DefaultOptions(h.metrics.Store(h.store), l.progress.report)
	o.Refused = func(err error) bool { return errors.Is(err, badgerstore.ErrRefused) }
	o.QueueChangesMax += 4 * h.cfg.RequestsMax // every request finds room, so that the loop does not wait for the disk.
	c, err := committer.New(o)
	if err != nil {
		return err
	}
	l.submit = c.SubmitAll
	l.drain = func() { _ = c.Close() } // the loop learns of a failure through its progress.
	l.timer = time.NewTimer(0)
	h.refuses = func() bool { return c.Backlog().Refused != nil }
	h.loop = l
	return nil
}

// launch starts the goroutines.
func (h *Host) launch(disk *diskWatch, descriptors *descriptorWatch) {
	go h.loop.run()
	h.background.Go(func() { h.datagrams.Serve(h.datagram) })

	watched, endWatch := context.WithCancel(context.Background())
	h.endWatch = endWatch
	disk.tell = h.loop.post
	disk.look(watched) // before the first client's write.
	h.background.Go(func() { disk.run(watched) })
	h.background.Go(func() { descriptors.run(watched) })
	h.background.Go(func() { newLookout(h).run(watched) })
	h.background.Go(func() { (&memberWatch{h: h, interval: memberInterval}).run(watched) })
	h.background.Go(func() { h.watchers.Run(watched) })
	h.background.Go(func() { h.watchCerts(watched) })
	h.background.Go(func() { h.watchTrust(watched) })
	h.starting.Store(nil)
	go h.supervise()
	h.logger.Info("listening", "addr", h.cfg.Listen, "advertise", h.cfg.Advertise, "data_dir", h.cfg.DataDir)
}

// supervise stops the node when it cannot go on.
func (h *Host) supervise() {
	var why error
	select {
	case <-h.loop.failed:
		why = h.loop.failure
	case err := <-h.damaged:
		why = fmt.Errorf("%w: %w", ErrDamaged, err)
	case err := <-h.served:
		why = fmt.Errorf("the HTTP server ended: %w", err)
		if err == nil {
			why = errors.New("the HTTP server ended by itself")
		}
	case <-h.stopping:
		return
	}
	h.begin(why)
}

// loopbackIP is the local address from which a node on loopback connects to its peers: its own. Gossip is sent from it
// anyway; with frames from it too, a relay between nodes of one machine can distinguish the nodes. Elsewhere the system
// chooses (nil).
func loopbackIP(listen string) net.IP {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsLoopback() && ip.To4() != nil {
		return ip
	}
	return nil
}
