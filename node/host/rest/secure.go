package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
	"kvs/node/host/connections"
)

// Peer is the identity that the other end of a connection has proved by a certificate. The zero Peer is none.
type Peer struct {
	Name   string
	Member bool // of this cluster.
	Admin  bool // may do everything.
	Client bool // may do what the rules for its name allow.
}

// handshakeTimeout bounds the time in which a connection has to be secured.
const handshakeTimeout = 10 * time.Second

// recordHandshake is the first byte of every TLS connection (RFC 8446 section 5.1). No HTTP request begins with it.
const recordHandshake = 0x16

// secured is a connection of a server with TLS. Its first byte decides: it is secured, or, where that is allowed,
// plain. The first reader does the handshake, so that the listener does not wait.
type secured struct {
	net.Conn // the raw connection, for addresses and deadlines.
	s        *Server

	once   sync.Once
	inner  net.Conn   // the connection that is read and written; nil: it failed.
	secure *tls.Conn  // inner, if it is secured.
	peer   Peer       // zero unless secure.
	failed error      // why there is no inner.
	mu     sync.Mutex // guards inner, secure and peer for goroutines other than the one that called decide.
}

func (s *Server) secure(raw net.Conn) net.Conn { return &secured{Conn: raw, s: s} }

var errPlain = errors.New("the client does not speak TLS")

// plainAnswer is the answer to plain HTTP where only TLS is accepted.
var plainAnswer = func() []byte {
	const text = "this node speaks TLS alone: use https://, or with kvs the flags --ca and --token-file\n"
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"+
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	return b.Bytes()
}()

// decide reads the first byte, and does the handshake if the byte begins one.
func (c *secured) decide() {
	var first [1]byte
	if _, err := io.ReadFull(c.Conn, first[:]); err != nil {
		c.failed = err
		return
	}
	begun := &prefixed{Conn: c.Conn, prefix: first[:]}
	switch {
	case first[0] == recordHandshake:
	case c.s.opts.PlainToo:
		c.set(begun, nil, Peer{})
		return
	default:
		c.failed = errPlain
		tellPlain(begun)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	conn := tls.Server(begun, c.s.opts.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		c.failed = fmt.Errorf("TLS handshake: %w", err)
		c.s.handshakeFailed(c.Conn.RemoteAddr(), err)
		return
	}
	state := conn.ConnectionState()
	c.set(conn, conn, c.s.opts.Peer(&state))
	if len(state.PeerCertificates) > 0 {
		c.s.proven.Store(c, nil)
	}
}

// Distrust closes the connections whose certificate is no longer trusted, because it has expired or its authority was
// taken out. It is needed because streams of members stay open for long.
func (s *Server) Distrust(trusted func(*tls.ConnectionState) bool) (closed int) {
	s.proven.Range(func(key, _ any) bool {
		c := key.(*secured)
		if state := c.secure.ConnectionState(); !trusted(&state) {
			_ = c.Conn.Close() // the raw one: the reader gets an error.
			closed++
		}
		return true
	})
	return closed
}

// tellPlain answers a client that uses plain HTTP, and reads the rest of its request, because otherwise the answer
// would be lost.
func tellPlain(c *prefixed) {
	if c.SetDeadline(time.Now().Add(connections.LingerTimeout)) != nil {
		return
	}
	if _, err := c.Write(plainAnswer); err != nil || c.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, headerBytesMax) // it ends with EOF, the deadline or the bound.
}

func (c *secured) set(inner net.Conn, secure *tls.Conn, peer Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inner, c.secure, c.peer = inner, secure, peer
}

func (c *secured) decided() (net.Conn, Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inner, c.peer
}

func (c *secured) Read(b []byte) (int, error) {
	c.once.Do(c.decide)
	inner, _ := c.decided()
	if inner == nil {
		return 0, c.failed
	}
	return inner.Read(b)
}

func (c *secured) Write(b []byte) (int, error) {
	inner, _ := c.decided()
	if inner == nil { // nothing has been read: there is no request to answer.
		return 0, net.ErrClosed
	}
	return inner.Write(b)
}

func (c *secured) Close() error {
	c.s.proven.Delete(c)
	if inner, _ := c.decided(); inner != nil {
		return inner.Close()
	}
	return c.Conn.Close()
}

// CloseWrite closes the connection for writing.
func (c *secured) CloseWrite() error {
	inner, _ := c.decided()
	if half, ok := inner.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// prefixed is a connection of which the first bytes have been read already.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

func (p *prefixed) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// handshakeComplaints is the time between two lines of the log about handshakes that failed. All of them are counted.
const handshakeComplaints = 10 * time.Second

func (s *Server) handshakeFailed(from net.Addr, err error) {
	n := s.failedHandshakes.Add(1)
	now := time.Now().Unix()
	last := s.complained.Load()
	if errors.Is(err, io.EOF) || time.Duration(now-last)*time.Second < handshakeComplaints ||
		!s.complained.CompareAndSwap(last, now) {
		return
	}
	s.opts.Log.Warn("a connection was refused: TLS handshake failed", "from", from.String(), "error", err,
		"refused_so_far", n)
}

// HandshakesFailed counts connections that did not become secure, since the start.
func (s *Server) HandshakesFailed() uint64 { return s.failedHandshakes.Load() }

// peerOf is the proved identity of the other end of a request's connection.
func peerOf(c *fiber.Ctx) (p Peer, isSecure bool) {
	conn := connections.Of(c.Context().Conn())
	if conn == nil {
		return Peer{}, false
	}
	s, ok := conn.Conn.(*secured)
	if !ok {
		return Peer{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer, s.secure != nil
}

// onlyMembers refuses requests for the route of members from senders that are no members of this cluster, before a byte
// of the body is read. It uses the path that fiber routes by.
func (s *Server) onlyMembers(c *fiber.Ctx) error {
	if c.Path() != api.PathFrames || s.fromMember(c) {
		return c.Next()
	}
	connections.Of(c.Context().Conn()).Linger() // a body may be in flight.
	c.Context().SetConnectionClose()
	return refuse(api.NotAllowed,
		"this route is for members of the cluster, which prove themselves by a certificate: this connection has "+
			"none of a member")
}

// onlyAdmins admits only administrators, where connections are secured. With credentials authorize does that.
func (s *Server) onlyAdmins(c *fiber.Ctx) error {
	if peer, _ := peerOf(c); s.opts.Access != nil || s.opts.TLS == nil || peer.Admin || peer.Member {
		return c.Next()
	}
	return refuse(api.NotAllowed, "this route is for administrators, who prove themselves by a certificate")
}

// provenMember is the name of the member that a connection has proved; empty: none, or a proof is not required.
func (s *Server) provenMember(c *fiber.Ctx) string {
	if peer, _ := peerOf(c); peer.Member && !s.opts.PlainToo {
		return peer.Name
	}
	return ""
}

// fromMember reports whether a request comes from a member, if this server requires a proof.
func (s *Server) fromMember(c *fiber.Ctx) bool {
	peer, isSecure := peerOf(c)
	return s.opts.TLS == nil || peer.Member || s.opts.PlainToo && !isSecure
}
