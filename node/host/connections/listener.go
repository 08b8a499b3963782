// Package connections bounds the connections that are open at once, goes on when the process has used up its file
// descriptors, and lingers on closing connections whose answer was sent before the whole request was read.
//
// It reads no requests. Begin with Listener.
package connections

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds are how many connections may be open at once. Connections beyond Clients are spare ones: a request for the
// node's health is answered and the connection closed, a member that brings messages stays as one of Members, and all
// others are refused. So clients alone can neither hide the node from monitoring nor cut it off from its peers.
type Bounds struct {
	Clients int // of any sender.
	Members int // further ones, of members.
	Spares  int // further ones whose request is not known yet.
	// Watchers are further ones of clients that watch; more of them count as clients, up to a quarter of those.
	Watchers int
}

// DefaultBounds fit a process that may open many files.
var DefaultBounds = Bounds{Clients: 4096, Members: 256, Spares: 64, Watchers: 10000}

// Total is how many connections may be open at once.
func (b *Bounds) Total() int { return b.Clients + b.Members + b.Spares + b.Watchers }

// spareTimeout is how long a spare connection may take to send its request.
const spareTimeout = 2 * time.Second

// Pauses while the process may not open another file.
const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// Options of New.
type Options struct {
	Bounds     Bounds
	PerAddress int    // connections of one address; 0: no limit.
	Refusal    []byte // the answer for a connection beyond the bounds.
	// Report is called when a connection could not be accepted for want of a file descriptor; nil error: they can
	// again.
	Report func(shed error)
	Secure func(net.Conn) net.Conn // puts TLS around a connection; nil: there is none.
}

// Listener is a net.Listener whose connections are Conns.
type Listener struct {
	net.Listener
	o       Options
	ended   chan struct{} // closed by Close.
	endOnce sync.Once

	refusedAddress, refusedConnections atomic.Uint64

	mu      sync.Mutex
	byIP    map[string]int
	bounds  Bounds
	clients int
	members int
	// watchers have places of their own; lodgers watch from the places of clients.
	watchers, lodgers int
	spares            []*Conn // the oldest first.
	// a descriptor reserved for the moment when no other is left; nil: in use, or not available.
	reserve *os.File
}

// New returns a Listener around l, which it owns.
func New(l net.Listener, o Options) *Listener {
	out := &Listener{Listener: l, o: o, bounds: o.Bounds, ended: make(chan struct{})}
	out.reserve, _ = os.Open(os.DevNull) // without it connections wait where they would be refused.
	return out
}

// Refused counts connections that were refused: of addresses that have too many, and because all places are taken.
func (l *Listener) Refused() (address, connections uint64) {
	return l.refusedAddress.Load(), l.refusedConnections.Load()
}

// Resize changes the bounds. Connections that are open stay.
func (l *Listener) Resize(b Bounds) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bounds = b
}

// Open is the number of open connections.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clients + l.members + len(l.spares) + l.watchers
}

// Close stops listening.
func (l *Listener) Close() error {
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
func (l *Listener) Accept() (net.Conn, error) {
	pause := time.Duration(0)
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			if pause > 0 {
				pause = 0
				l.o.Report(nil)
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
			l.o.Report(err)
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
func (l *Listener) shed() bool {
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
func (l *Listener) letGo() bool {
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
func (l *Listener) keep() {
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

func (l *Listener) refuse(c net.Conn) {
	if l.o.Secure != nil { // a refusal would take a handshake, for which there is no time; the client tries again.
		_ = c.Close()
		return
	}
	if c.SetWriteDeadline(time.Now().Add(refusalTimeout)) == nil {
		_, _ = c.Write(l.o.Refusal) // a client that has gone needs no answer.
	}
	_ = c.Close()
}

// admit gives a connection its place, or refuses it and returns nil. When all spare places are taken one of them is
// closed: that which has been silent for longest, or else the oldest one whose request is not there yet. A request for
// the node's health comes at once and whole.
func (l *Listener) admit(c net.Conn) *Conn {
	ip := ipOf(c)
	l.mu.Lock()
	if l.o.PerAddress > 0 && l.byIP[ip] >= l.o.PerAddress {
		l.mu.Unlock()
		l.refusedAddress.Add(1)
		l.refuse(c)
		return nil
	}
	out := &Conn{Conn: c, l: l, opened: time.Now()}
	if l.o.Secure != nil {
		out.Conn = l.o.Secure(c)
	}
	out.reads.set, out.writes.set = out.Conn.SetReadDeadline, out.Conn.SetWriteDeadline
	var silent *Conn
	switch {
	case l.clients < l.bounds.Clients:
		l.clients++
	case len(l.spares) < l.bounds.Spares:
		out.place, out.wasSpare = placeSpare, true
		l.spares = append(l.spares, out)
	default:
		i := slices.IndexFunc(l.spares, func(s *Conn) bool { return !s.unanswered.Load() })
		if i < 0 {
			i = slices.IndexFunc(l.spares, func(s *Conn) bool { return !s.known.Load() })
		}
		if i < 0 {
			l.mu.Unlock()
			l.refusedConnections.Add(1)
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
func (l *Listener) promote(c *Conn) bool {
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

// watch gives a client's connection that watches from now on its place. False: too many watch.
func (l *Listener) watch(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.place != placeClient || c.lodges:
		return false
	case l.watchers < l.bounds.Watchers:
		l.forget(c)
		c.place = placeWatcher
		l.watchers++
	case l.lodgers < l.bounds.Clients/4:
		c.lodges = true
		l.lodgers++
	default:
		return false
	}
	return true
}

// forget takes a connection out of the count of its place. The caller holds mu.
func (l *Listener) forget(c *Conn) {
	switch c.place {
	case placeClient:
		l.clients--
		if c.lodges {
			l.lodgers--
		}
	case placeMember:
		l.members--
	case placeWatcher:
		l.watchers--
	case placeSpare:
		l.spares = slices.DeleteFunc(l.spares, func(s *Conn) bool { return s == c })
	}
	c.place = placeNowhere
}

// placeOf is the place of a connection.
func (l *Listener) placeOf(c *Conn) place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.place
}

// ipOf is the address that connections are counted by.
func ipOf(c net.Conn) string {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return t.IP.String()
	}
	return ""
}
