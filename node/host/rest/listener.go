package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"kvs/node/api"
)

// listener bounds the connections that are open at once, and closes those gently on which an answer was sent before the
// request had been read to its end.
type listener struct {
	net.Listener
	connsMax int64
	conns    atomic.Int64
	refusal  []byte // what a connection too many is told.
}

func newListener(l net.Listener, connsMax int, refusal []byte) *listener {
	return &listener{Listener: l, connsMax: int64(connsMax), refusal: refusal}
}

// refusalTimeout bounds the writing of a refusal. It goes into the kernel's empty buffer: this is for the worst case.
const refusalTimeout = 100 * time.Millisecond

// Accept returns the next connection within the bound.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.conns.Add(1) <= l.connsMax {
			return &conn{Conn: c, l: l}, nil
		}
		l.conns.Add(-1)
		if c.SetWriteDeadline(time.Now().Add(refusalTimeout)) == nil {
			_, _ = c.Write(l.refusal) // whoever has gone already needs no answer.
		}
		_ = c.Close()
	}
}

// refusedConnection is a whole answer, made beforehand: a node with too many connections has better things to do.
func (s *Server) refusedConnection() []byte {
	kind, err := api.Describe(api.Overloaded)
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	const status = 503 // not the 429 of api.Overloaded: it is not this client who asks too much.
	body, err := json.Marshal(api.Problem{
		Type: problemType, Title: kind.Title, Status: status, Code: api.Overloaded, Retryable: true, Outcome: api.NotApplied,
		RetryAfter: 1, Node: s.opts.Name,
		Detail: fmt.Sprintf("%d connections are open, which is the limit: close idle ones, or ask another member", s.opts.ConnectionsMax),
	})
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	head := "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n" + api.HeaderNode + ": " + s.nodeHeader +
		"\r\nContent-Type: " + api.ContentTypeProblem + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(body))
	return append([]byte(head), body...)
}

// conn is one connection. Its first Close counts.
type conn struct {
	net.Conn
	l      *listener
	once   sync.Once
	linger atomic.Bool

	unanswered atomic.Bool // something has been read since the last answer: a request has begun.
}

// Read reads from the connection. fasthttp takes io.EOF wherever it comes up for a client that has gone, and says nothing: also
// between two chunks of a body, where somebody may still wait for the answer to a request that was cut short.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.unanswered.Store(true)
	}
	if err == io.EOF && c.unanswered.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Write writes to the connection: answers alone.
func (c *conn) Write(b []byte) (int, error) {
	c.unanswered.Store(false)
	return c.Conn.Write(b)
}

// Bounds of a lingering close. A client that sends more, or more slowly, loses the answer.
const (
	lingerTimeout  = time.Second
	lingerBytesMax = 64 << 20
)

// Close closes the connection. When a refused body may still be on its way it first reads that away: a connection that is
// closed with unread data is reset by the kernel, and the reset overtakes the answer that says why (RFC 9112 section 9.6).
func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		defer c.l.conns.Add(-1)
		half, ok := c.Conn.(interface{ CloseWrite() error })
		if ok && c.linger.Load() && half.CloseWrite() == nil && c.Conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytesMax) // it ends with EOF, the deadline or the bound.
		}
		err = c.Conn.Close()
	})
	return err
}
