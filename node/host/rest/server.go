package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/budget"
	"kvs/node/host/connections"
	"kvs/node/host/rest/browsers"
	"kvs/node/host/rest/console"
	"kvs/node/host/rest/documents"
	"kvs/node/host/rest/forwarding"
	"kvs/node/host/rest/overview"
	"kvs/node/host/rest/recordings"
)

// Core is the running node, as far as this package needs it. It is safe for concurrent use.
type Core interface {
	// Do runs one operation. It fills the request's ID and deadline (from ctx) and takes ownership of it. An error
	// means that there is no answer: it wraps context.DeadlineExceeded when time ran out, so that a write's outcome is
	// unknown, or ErrStopping when the operation was not begun.
	Do(ctx context.Context, r *node.Request) (node.Response, error)

	// DoAll is Do for writes of different paths. It calls answer once for each, from its own goroutine.
	DoAll(ctx context.Context, rs []*node.Request, answer func(i int, resp node.Response, err error))

	// Mode is what the node does for clients at the moment. It never waits.
	Mode() node.Mode

	// Snapshot returns the state of the node.
	Snapshot() Snapshot

	// Conflicts returns the last decisions about paths that begin with prefix, newest first, at most limit. They are
	// shared and not written to. Errors are those of Do.
	Conflicts(prefix string, limit int) ([]node.ConflictRecord, error)

	// SetReadOnly makes the node read-only for the reason "operator", or ends that; it returns when that is on disk.
	// Errors are those of Do.
	SetReadOnly(on bool) error

	// Join asks the node to contact members at these addresses.
	Join(addrs []string) error

	// Leave makes the node leave the cluster for good, and stop afterwards. ctx bounds the handing over, after which an
	// error wraps ErrNotHandedOver, unless forced.
	Leave(ctx context.Context, force bool) error

	// Remove takes another member out for good. Errors wrap those of swim.Machine.Remove.
	Remove(ctx context.Context, id node.ID, force bool) error

	// Frames hands in a batch of messages from a peer. by is the peer's proved name; empty: no proof was required. The
	// body is only borrowed: it is reused when Frames returns. Errors wrap ErrStopping, ErrBusy, or else mean that the
	// batch is damaged.
	Frames(body []byte, by string) error

	// Stream hands in the messages of a peer, whose connection has become a stream, until it ends; its error says why.
	// by is as above. Room bounds the bytes in flight. The connection is closed afterwards; the Core may close it
	// earlier, as when the node stops.
	Stream(conn net.Conn, by string, room *budget.Bytes) error
}

// Errors of a Core.
var (
	ErrStopping      = errors.New("the node is shutting down") // it accepts nothing any more.
	ErrNotHandedOver = errors.New("the node is a member as before")
	ErrBusy          = errors.New("the node is busy") // it accepts nothing at the moment.
	ErrRefused       = errors.New("refused")          // Join: an address belongs to another cluster.
)

// Metrics counts requests and returns all metrics. It is safe for concurrent use.
type Metrics interface {
	// Request counts an answered request for a value or a listing. Level is that of the answer; DefaultLevel: refused
	// before it was known. Code is empty for a success.
	Request(op Op, level node.Level, code api.Code, took time.Duration)

	// Text is all metrics as text, and its media type.
	Text() (text []byte, contentType string, err error)
}

// Op is the kind of a client's request.
type Op uint8

// The operations that are counted.
const (
	OpGet Op = iota
	OpPut
	OpDelete
	OpList
	OpWatch
)

// Snapshot is the node's status with the state of its host.
type Snapshot = documents.Snapshot

// Server is the HTTP side of a node.
type Server struct {
	opts       Options
	app        *fiber.App
	nodeHeader string // the name, percent-encoded: a name may hold any character, a header may not.

	forwarder *forwarding.Forwarder
	forwarded atomic.Uint64 // requests passed on, so that members take turns.
	desk      overview.Desk

	rates    access.Rates
	refusals refusalCounters

	bodies  budget.Bytes // of clients,
	batches budget.Bytes // and of members.

	proven           sync.Map // *secured: connections with a certificate.
	failedHandshakes atomic.Uint64
	complained       atomic.Int64 // when a failed handshake was logged last, in seconds.

	mu       sync.Mutex
	listener *connections.Listener // once Serve has begun.
	bounds   connections.Bounds
	stopping bool
}

// Bounds of the data that is read before the route is known.
const (
	headerBytesMin = 4 << 10
	// unless Limits say otherwise: URL and headers together. A path of 1024 bytes may arrive percent-encoded, three
	// bytes for one.
	headerBytesMax = 16 << 10
	jsonBytesMax   = 64 << 10 // bodies other than values and frames.
)

// New returns a server that is not listening yet.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 30 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = time.Minute
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 2 * time.Minute
	}
	if o.Starting == nil {
		o.Starting = func() *api.Starting { return nil }
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits
	}
	if o.Connections == (connections.Bounds{}) {
		o.Connections = connections.DefaultBounds
	}
	s := &Server{
		opts: o, nodeHeader: url.PathEscape(o.Name), forwarder: forwarding.New(o.Dial), bounds: o.Connections,
		bodies: budget.Bytes{Max: o.Limits.BodyBytesMax}, batches: budget.Bytes{Max: batchesBytesMax},
	}
	s.desk.Forwarder, s.desk.MaxClockOffset = s.forwarder, o.MaxClockOffset
	s.rates.PerSecond, s.rates.Now = o.Limits.RequestsPerSecond, time.Now
	s.app = fiber.New(fiber.Config{
		StrictRouting:  true,
		CaseSensitive:  true,
		BodyLimit:      o.FramesBytesMax, // the limit of each route is in headerReceived.
		ReadBufferSize: o.Limits.HeaderBytesMax,
		ReadTimeout:    o.ReadTimeout,
		WriteTimeout:   o.WriteTimeout,
		IdleTimeout:    o.IdleTimeout,
		// the limit is kept in listener.go; fasthttp counts a little longer.
		Concurrency:       2 * max(o.Connections.Total(), connections.DefaultBounds.Total()),
		StreamRequestBody: true, // body.go reads them.
		// a form is a value like any other.
		DisablePreParseMultipartForm: true,
		DisableStartupMessage:        true,
		ErrorHandler:                 s.handleError,
	})
	fast := s.app.Server()
	fast.HeaderReceived = s.headerReceived
	fast.Handler = s.prepare(fast.Handler)
	fast.NoDefaultServerHeader = true
	fast.NoDefaultContentType = true
	fast.CloseOnShutdown = true
	fast.Logger = quietLogger{o.Log}
	s.routes()
	return s, nil
}

func (s *Server) routes() {
	s.app.Use(s.recoverPanics)
	s.app.Use(s.audit)
	s.app.Use(s.onlyMembers)
	s.app.Use(s.onlyHealth)
	s.app.Use(s.onlyStarted)
	s.app.Use(browsers.CORS(s.opts.CORSOrigins))
	s.app.Use(s.authorize)
	s.app.Use(s.takeBody)
	s.app.Use(browsers.Compressed())
	s.app.Use(browsers.Options)
	s.app.Get("/kv/*", s.counted(s.get))
	s.app.Put("/kv/*", s.counted(s.write))
	s.app.Delete("/kv/*", s.counted(s.write))
	s.app.Patch("/kv/*", s.counted(s.renew))
	s.app.Post(api.PathBatch, s.batch)
	s.app.Get("/conflicts", s.conflicts)
	s.app.Get("/conflicts/*", s.candidate)
	s.app.Get(votersPrefix, s.voters)
	s.app.Put(votersPrefix+"*", s.changeVoters)
	s.app.Delete(votersPrefix+"*", s.changeVoters)
	s.app.Get(keyringPath, s.onlyAdmins, s.keyring)
	s.app.Post(keyringPath, s.onlyAdmins, s.changeKeyring)
	s.app.Get(tokensPath, s.onlyAdmins, s.tokens)
	s.app.Post(tokensPath, s.onlyAdmins, s.createToken)
	s.app.Delete(tokensPath+"/:id", s.onlyAdmins, s.revokeToken)
	s.app.Get(policyPath, s.policy)
	s.app.Put(policyPath, s.setPolicy)
	s.app.Get("/members/", s.members)
	s.app.Post("/members/join", s.join)
	s.app.Post("/members/leave", s.leave)
	s.app.Delete("/members/:id<len(16)>", s.remove)
	s.app.Get("/cluster", s.cluster)
	s.app.Get("/status", s.status)
	s.app.Get("/mode", s.mode)
	s.app.Put("/mode", s.setMode)
	s.app.Get("/log-level", s.logLevel)
	s.app.Put("/log-level", s.setLogLevel)
	s.app.Get("/debug/profile", s.profile)
	s.app.Get("/debug/recording", recordings.Handler(recordings.Options{Cut: s.opts.Recording, Refuse: refuse,
		Params: func(c *fiber.Ctx, names ...string) (map[string]string, error) { return readParams(c, names...) }}))
	s.app.Get("/livez", s.livez)
	s.app.Get("/readyz", s.readyz)
	s.app.Get("/metrics", s.metrics)
	s.app.Get("/openapi.yaml", s.openapi)
	s.app.Get("/", s.index)
	s.app.Get(console.Path, console.Handler(s.opts.Console))
	s.app.Get(console.Path+"/*", console.Handler(s.opts.Console))
	s.app.Post(api.PathFrames, s.frames)
}

// bodyLimit is how long a request's body may be, by its target.
func (s *Server) bodyLimit(target []byte) int {
	target = originForm(target)
	switch {
	case bytes.HasPrefix(target, []byte(kvPrefix)):
		return s.opts.ValueBytesMax
	case bytes.HasPrefix(target, []byte(api.PathFrames)):
		return s.opts.FramesBytesMax
	case bytes.HasPrefix(target, []byte(api.PathBatch)):
		return api.BatchBytesMax
	default:
		return jsonBytesMax
	}
}

// originForm is a target without the scheme and authority that it may begin with (RFC 9112 section 3.2.2).
func originForm(target []byte) []byte {
	if bytes.HasPrefix(target, []byte("/")) {
		return target
	}
	if i := bytes.Index(target, []byte("://")); i >= 0 {
		if _, behind, ok := bytes.Cut(target[i+len("://"):], []byte("/")); ok {
			return target[len(target)-len(behind)-1:]
		}
	}
	return target
}

// headerReceived sets the body limit before the body is read: a peer's batch may be larger than a client's value.
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	return fasthttp.RequestConfig{ReadTimeout: s.opts.ReadTimeout, MaxRequestBodySize: s.bodyLimit(h.RequestURI())}
}

// prepare does what every request needs before fiber routes it.
func (s *Server) prepare(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	methods := make(map[string]bool, len(fiber.DefaultMethods))
	for _, m := range fiber.DefaultMethods {
		methods[m] = true
	}
	return func(c *fasthttp.RequestCtx) {
		c.Response.Header.SetCanonical([]byte(api.HeaderNode), []byte(s.nodeHeader))
		if !methods[string(c.Method())] {
			// fiber itself answers unknown methods, with plain text. As TRACE, which no route has, they get 405 with
			// Allow.
			c.Request.Header.SetMethod(fiber.MethodTrace)
		}
		next(c)
	}
}

// Serve answers on l until Shutdown, and returns nil then. It owns l, and is called once.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return l.Close()
	}
	o := connections.Options{Bounds: s.bounds, PerAddress: s.opts.Limits.ConnectionsPerAddress,
		Refusal: s.refusedConnection(), Report: s.acceptTrouble}
	if s.opts.TLS != nil {
		o.Secure = s.secure
	}
	s.listener = connections.New(l, o)
	s.mu.Unlock()
	err := s.app.Listener(s.listener)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil
	}
	return err
}

// Resize changes how many connections may be open. Open connections stay.
func (s *Server) Resize(b connections.Bounds) {
	s.mu.Lock()
	s.bounds = b
	l := s.listener
	s.mu.Unlock()
	if l != nil {
		l.Resize(b)
	}
}

// Open is the number of open connections.
func (s *Server) Open() int {
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l == nil {
		return 0
	}
	return l.Open()
}

func (s *Server) boundsNow() connections.Bounds {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bounds
}

// acceptTrouble logs that connections cannot be accepted, and that they can again.
func (s *Server) acceptTrouble(err error) {
	if err == nil {
		s.opts.Log.Info("connections are accepted again")
		return
	}
	s.opts.Log.Error("connections are refused: the process may not open another file; raise its limit (ulimit -n, "+
		"LimitNOFILE)",
		"error", err, "connections", s.Open())
}

// Shutdown stops listening, lets running requests end, and returns, at the latest when ctx is done, with ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	l := s.listener
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	defer s.forwarder.Close()
	err := s.app.ShutdownWithContext(ctx)
	if closeErr := l.Close(); err == nil && !errors.Is(closeErr, net.ErrClosed) {
		err = closeErr // fasthttp did not know the listener yet: Serve had only just begun.
	}
	return err
}

// quietLogger logs fasthttp's messages about broken connections at debug level: clients cause them.
type quietLogger struct{ log *slog.Logger }

func (l quietLogger) Printf(format string, args ...any) {
	l.log.Debug("http: " + fmt.Sprintf(format, args...))
}
