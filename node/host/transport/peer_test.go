package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/host/budget"
)

// peer is one with streams. handle gets each connection after the answer to the POST.
type peer struct {
	t  *testing.T
	l  net.Listener
	wg sync.WaitGroup

	mu     sync.Mutex
	frames []string
	conns  []net.Conn
	posts  int

	stopping int // so many of the first answers close the connection.
}

// newPeer grants a stream on each connection, and lets handle do what follows, one goroutine for each.
func newPeer(t *testing.T, handle func(p *peer, n int, c net.Conn)) *peer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &peer{t: t, l: l}
	p.wg.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			p.wg.Go(func() {
				defer c.Close()
				if in := p.grant(c); in != nil {
					handle(p, n, &prefixedConn{c, in})
				}
			})
		}
	})
	t.Cleanup(p.close)
	return p
}

// prefixedConn is a connection of which more has been read already.
type prefixedConn struct {
	net.Conn
	in io.Reader
}

func (c *prefixedConn) Read(b []byte) (int, error) { return c.in.Read(b) }

func (p *peer) addr() string { return p.l.Addr().String() }

func (p *peer) close() {
	_ = p.l.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// grant takes the POST in and answers it.
func (p *peer) grant(c net.Conn) io.Reader {
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil {
		return nil // it was closed before.
	}
	body, err := io.ReadAll(req.Body)
	frames, err2 := DecodeBatch(body)
	wishes := req.Header.Get("Upgrade") == Protocol && req.Header.Get("Connection") == "Upgrade"
	if errors.Join(err, err2) != nil || !wishes {
		p.t.Errorf("not the wish for a stream: %v %v %v", err, err2, req.Header)
		return nil
	}
	p.take(frames)
	p.mu.Lock()
	p.posts++
	connection := "Upgrade"
	if p.posts <= p.stopping {
		connection = "close"
	}
	p.mu.Unlock()
	_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: %s\r\nUpgrade: %s\r\n\r\n", connection,
		Protocol)
	if connection == "close" {
		return nil
	}
	return in
}

func (p *peer) take(frames [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range frames {
		p.frames = append(p.frames, string(f))
	}
}

func (p *peer) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.frames)
}

// receive is what a peer ordinarily does with a stream.
func (p *peer) receive(c net.Conn, change func(*ReceiveOptions)) error {
	o := DefaultReceiveOptions(&budget.Bytes{Max: 64 << 20}, func(frames [][]byte) error { p.take(frames); return nil })
	o.ReportDelay = time.Millisecond
	if change != nil {
		change(&o)
	}
	return Receive(c, o)
}

func ordinary(p *peer, _ int, c net.Conn) {
	if err := p.receive(c, nil); err != nil && !errors.Is(err, net.ErrClosed) {
		p.t.Errorf("receive: %v", err)
	}
}

// begin has the peer take a first frame, so that there is a stream.
func begin(t *testing.T, f *Frames, p *peer) {
	t.Helper()
	send(f, p.addr(), []byte("first"))
	require.Eventually(t, func() bool { return f.Stats().Streams == 1 }, patience, time.Millisecond)
}
