package connections

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// place is the group in which a connection is counted.
type place uint8

const (
	placeClient place = iota
	placeMember
	placeWatcher
	placeSpare   // its request is not known yet.
	placeNowhere // it has been closed, or is about to be.
)

// Conn is one connection. Its first Close counts.
type Conn struct {
	net.Conn
	l        *Listener
	opened   time.Time
	wasSpare bool // when it was accepted.
	once     sync.Once
	linger   atomic.Bool
	place    place  // guarded by the listener's mutex.
	lodges   bool   // it watches from the place of a client. Guarded likewise.
	ip       string // by which it is counted.

	known      atomic.Bool // the head of a request has come in whole.
	unanswered atomic.Bool // something has been read since the last answer: a request has begun.

	reads, writes deadline
}

// Of is a connection that a Listener has accepted; nil: it is none of them.
func Of(c net.Conn) *Conn {
	out, _ := c.(*Conn)
	return out
}

// Linger makes Close wait for what the other end is still sending, so that it gets the answer. A nil Conn does nothing.
func (c *Conn) Linger() {
	if c != nil {
		c.linger.Store(true)
	}
}

// Begun says that a request has begun: if the connection ends from now on, the request is cut short. A nil Conn does
// nothing.
func (c *Conn) Begun() {
	if c != nil {
		c.unanswered.Store(true)
	}
}

// Known says that the head of a request has come in whole: a spare connection gives way to no other from then on. A nil
// Conn does nothing.
func (c *Conn) Known() {
	if c != nil {
		c.known.Store(true)
	}
}

// Spare reports whether the connection is beyond the bound of clients, and its request is not known yet.
func (c *Conn) Spare() bool { return c != nil && c.wasSpare && c.l.placeOf(c) == placeSpare }

// Promote makes a spare connection that of a member. False: members have too many.
func (c *Conn) Promote() bool { return c.l.promote(c) }

// Watch gives the connection of a client that watches from now on its place. False: too many watch.
func (c *Conn) Watch() bool { return c.l.watch(c) }

// Read reads from the connection. fasthttp takes any io.EOF for a client that has gone, and sends no answer; between
// two chunks of a body this is wrong, because the client may still wait for the answer to its truncated request.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.unanswered.Store(true)
	}
	if err == io.EOF && c.unanswered.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Write writes to the connection: only answers are written.
func (c *Conn) Write(b []byte) (int, error) {
	c.unanswered.Store(false)
	return c.Conn.Write(b)
}

// SetReadDeadline is that of the connection, shortened for a spare one.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.wasSpare {
		if end := c.opened.Add(spareTimeout); c.l.placeOf(c) == placeSpare && t.After(end) {
			t = end
		}
	}
	return c.reads.move(t)
}

// SetWriteDeadline is that of the connection.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.writes.move(t) }

// SetDeadline sets both.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Bounds of a lingering close. A client that sends more, or more slowly, loses the answer.
const (
	LingerTimeout  = time.Second
	lingerBytesMax = 64 << 20
)

// Close closes the connection. When a refused body may still be in flight it first reads and discards it: the kernel
// resets a connection that is closed with unread data, and the reset overtakes the answer with the reason (RFC 9112
// section 9.6).
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		defer func() {
			c.l.mu.Lock()
			defer c.l.mu.Unlock()
			c.l.forget(c)
			if c.l.byIP[c.ip]--; c.l.byIP[c.ip] <= 0 {
				delete(c.l.byIP, c.ip)
			}
		}()
		half, ok := c.Conn.(interface{ CloseWrite() error })
		if ok && c.linger.Load() && half.CloseWrite() == nil &&
			c.Conn.SetReadDeadline(time.Now().Add(LingerTimeout)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytesMax) // it ends with EOF, the deadline or the bound.
		}
		err = c.Conn.Close()
	})
	return err
}
