package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
)

// Bounds are how many connections may be open at once. Connections beyond Clients are spare ones: a request for the
// node's health is answered and the connection closed, a member that brings messages stays as one of Members, and all
// others are refused. So clients alone can neither hide the node from monitoring nor cut it off from its peers.
type Bounds struct {
	Clients int // of any sender.
	Members int // further ones, of members.
	Spares  int // further ones whose request is not known yet.
}

// DefaultBounds fit a process that may open many files.
var DefaultBounds = Bounds{Clients: 4096, Members: 256, Spares: 64}

func (b *Bounds) total() int { return b.Clients + b.Members + b.Spares }

// spareTimeout is how long a spare connection may take to send its request.
const spareTimeout = 2 * time.Second

// Pauses while the process may not open another file.
const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// listener bounds the connections that are open at once, goes on when the process has used up its file descriptors, and
// lingers on closing connections whose answer was sent before the whole request was read.
type listener struct {
	net.Listener
	refusal []byte // the answer for a connection beyond the bounds.
	// called when a connection could not be accepted for want of a file descriptor; nil error: they can again.
	report  func(shed error)
	secure  func(net.Conn) net.Conn // puts TLS around a connection; nil: there is none.
	ended   chan struct{}           // closed by Close.
	endOnce sync.Once

	perAddress int // connections of one address; 0: no limit.
	refusals   *refusalCounters

	mu      sync.Mutex
	byIP    map[string]int
	bounds  Bounds
	clients int
	members int
	spares  []*conn  // the oldest first.
	reserve *os.File // a descriptor reserved for the moment when no other is left; nil: in use, or not available.
}

func newListener(l net.Listener, bounds Bounds, refusal []byte, report func(error)) *listener {
	out := &listener{Listener: l, bounds: bounds, refusal: refusal, report: report, ended: make(chan struct{})}
	out.reserve, _ = os.Open(os.DevNull) // without it connections wait where they would be refused.
	return out
}

// resize changes the bounds. Connections that are open stay.
func (l *listener) resize(b Bounds) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bounds = b
}

// open is the number of open connections.
func (l *listener) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clients + l.members + len(l.spares)
}

// Close stops listening.
func (l *listener) Close() error {
	l.endOnce.Do(func() { close(l.ended) })
	l.mu.Lock()
	if l.reserve != nil {
		_ = l.reserve.Close()
		l.reserve = nil
	}
	l.mu.Unlock()
	return l.Listener.Close()
}

// Accept returns the next connection within the bounds. It survives a lack of file descriptors, which would end
// fasthttp.
func (l *listener) Accept() (net.Conn, error) {
	pause := time.Duration(0)
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			if pause > 0 {
				pause = 0
				l.report(nil)
			}
			if admitted := l.admit(c); admitted != nil {
				return admitted, nil
			}
			continue
		}
		if !exhausted(err) {
			return nil, err
		}
		if pause == 0 {
			l.report(err)
		}
		pause = min(max(2*pause, acceptPauseMin), acceptPauseMax)
		if l.shed() {
			continue
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-l.ended:
			wait.Stop()
			return nil, net.ErrClosed
		}
	}
}

// exhausted reports whether an error of accept is temporary: for want of file descriptors or memory.
func exhausted(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// shedWait is how long shed looks for a waiting connection: accept fails for want of a descriptor also without one.
const shedWait = 5 * time.Millisecond

// shed refuses one waiting connection, with the reserved descriptor. False: none waits, or it failed.
func (l *listener) shed() bool {
	timed, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	if !ok || !l.letGo() {
		return false
	}
	defer l.keep()
	if timed.SetDeadline(time.Now().Add(shedWait)) != nil {
		return false
	}
	c, err := l.Listener.Accept()
	_ = timed.SetDeadline(time.Time{})
	if err != nil {
		return false
	}
	l.refuse(c)
	return true
}

// letGo closes the reserved descriptor. False: there is none, and keep should be tried.
func (l *listener) letGo() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve == nil {
		l.reserve, _ = os.Open(os.DevNull)
		return false
	}
	_ = l.reserve.Close()
	l.reserve = nil
	return true
}

// keep takes a descriptor for shed, unless the listener has been closed.
func (l *listener) keep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.ended:
	default:
		l.reserve, _ = os.Open(os.DevNull)
	}
}

// refusalTimeout bounds the writing of a refusal. It goes into the kernel's empty buffer: this is for the worst case.
const refusalTimeout = 100 * time.Millisecond

func (l *listener) refuse(c net.Conn) {
	if l.secure != nil { // a refusal would take a handshake, for which there is no time; the client tries again.
		_ = c.Close()
		return
	}
	if c.SetWriteDeadline(time.Now().Add(refusalTimeout)) == nil {
		_, _ = c.Write(l.refusal) // a client that has gone needs no answer.
	}
	_ = c.Close()
}

// admit gives a connection its place, or refuses it and returns nil. When all spare places are taken the connection
// that has been silent for longest is closed: a request for the node's health comes at once.
func (l *listener) admit(c net.Conn) *conn {
	ip := ipOf(c)
	l.mu.Lock()
	if l.perAddress > 0 && l.byIP[ip] >= l.perAddress {
		l.mu.Unlock()
		l.refusals.address.Add(1)
		l.refuse(c)
		return nil
	}
	out := &conn{Conn: c, l: l, opened: time.Now()}
	if l.secure != nil {
		out.Conn = l.secure(c)
	}
	var silent *conn
	switch {
	case l.clients < l.bounds.Clients:
		l.clients++
	case len(l.spares) < l.bounds.Spares:
		out.place, out.wasSpare = placeSpare, true
		l.spares = append(l.spares, out)
	default:
		i := slices.IndexFunc(l.spares, func(s *conn) bool { return !s.unanswered.Load() })
		if i < 0 {
			l.mu.Unlock()
			if l.refusals != nil {
				l.refusals.connections.Add(1)
			}
			l.refuse(c)
			return nil
		}
		out.place, silent, out.wasSpare = placeSpare, l.spares[i], true
		l.spares = append(slices.Delete(l.spares, i, i+1), out)
		silent.place = placeNowhere
	}
	if l.byIP == nil {
		l.byIP = map[string]int{}
	}
	l.byIP[ip]++
	out.ip = ip
	l.mu.Unlock()
	if silent != nil {
		l.refuse(silent.Conn)
	}
	return out
}

// promote makes a spare connection that of a member. False: members have too many.
func (l *listener) promote(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place != placeSpare || l.members >= l.bounds.Members {
		return false
	}
	l.forget(c)
	c.place = placeMember
	l.members++
	return true
}

// forget takes a connection out of the count of its place. The caller holds mu.
func (l *listener) forget(c *conn) {
	switch c.place {
	case placeClient:
		l.clients--
	case placeMember:
		l.members--
	case placeSpare:
		l.spares = slices.DeleteFunc(l.spares, func(s *conn) bool { return s == c })
	}
	c.place = placeNowhere
}

// placeOf is the place of a connection.
func (l *listener) placeOf(c *conn) place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.place
}

// health are the routes that a node answers when all ordinary connections are taken.
var health = []string{"/livez", "/readyz", "/status", "/metrics"}

// onlyHealth lets a spare connection ask for the node's health, or bring a member's messages, and nothing else.
func (s *Server) onlyHealth(c *fiber.Ctx) error {
	conn, ok := c.Context().Conn().(*conn)
	if !ok || !conn.wasSpare || conn.l.placeOf(conn) != placeSpare {
		return c.Next()
	}
	path := string(c.Request().URI().PathOriginal())
	if path == api.PathFrames && conn.l.promote(conn) {
		if err := conn.SetReadDeadline(time.Now().Add(s.opts.ReadTimeout)); err != nil {
			return err
		}
		return c.Next()
	}
	c.Context().SetConnectionClose()
	if slices.Contains(health, path) && c.Method() != fiber.MethodPost {
		return c.Next()
	}
	conn.linger.Store(true)
	return &problem{code: api.Overloaded, status: fiber.StatusServiceUnavailable, detail: s.tooManyConnections()}
}

func (s *Server) tooManyConnections() string {
	return fmt.Sprintf("%d connections are open, which is the limit: close idle ones, or ask another member",
		s.bounds().Clients)
}

// refusedConnection is a whole answer, made beforehand, so that a refusal costs little.
func (s *Server) refusedConnection() []byte {
	kind, err := api.Describe(api.Overloaded)
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	const status = 503 // not the 429 of api.Overloaded: the load is not this client's.
	body, err := json.Marshal(api.Problem{
		Type: problemType, Title: kind.Title, Status: status, Code: api.Overloaded, Retryable: true,
		Outcome:    api.NotApplied,
		RetryAfter: 1, Node: s.opts.Name,
		Detail: "too many connections are open: close idle ones, or ask another member",
	})
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n%s: %s\r\n",
		api.HeaderNode, s.nodeHeader)
	fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s", api.ContentTypeProblem, len(body), body)
	return b.Bytes()
}
