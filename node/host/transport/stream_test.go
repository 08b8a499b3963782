package transport

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

func TestAStreamCarriesFramesWithoutAnswers(t *testing.T) {
	p := newPeer(t, ordinary)
	f := newTestFrames(t, nil)
	begin(t, f, p)
	want := []string{"first"}
	for i := range 2000 {
		want = append(want, fmt.Sprintf("frame %d %s", i, strings.Repeat("x", i)))
		send(f, p.addr(), []byte(want[i+1]))
	}
	for _, n := range []int{pieceMax - 1, pieceMax, pieceMax + 1, 3*pieceMax + 7, node.FrameBytesMax} {
		large := strings.Repeat("abcdefg", n/7+1)[:n]
		want = append(want, large)
		send(f, p.addr(), []byte(large))
	}
	flush(t, f)
	require.Equal(t, want, p.taken())
	st := f.Stats()
	require.EqualValues(t, len(want), st.Frames)
	require.Zero(t, st.Lost+st.Dropped+st.Stale+st.Failures, "%+v", st)
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Equal(t, 1, p.posts, "everything behind the first batch went over the stream")
}

// What is urgent overtakes what is not: also a large frame of which a part has left already.
func TestUrgentFramesOvertakeBulk(t *testing.T) {
	release := make(chan struct{})
	p := newPeer(t, func(p *peer, n int, c net.Conn) {
		<-release
		ordinary(p, n, c)
	})
	f := newTestFrames(t, nil)
	begin(t, f, p)
	const bulk, size = 64, 400 << 10
	for i := range bulk {
		f.Queue(p.addr(), Bulk, bytes.Repeat([]byte{byte(i)}, size))
	}
	f.Release()
	f.Queue(p.addr(), Records, []byte("record"))
	f.Queue(p.addr(), Prompt, []byte("prompt"))
	f.Release()
	close(release)
	flush(t, f)
	got := p.taken()
	require.Len(t, got, 1+bulk+2)
	before := int(windows[Bulk])/size + 2
	require.LessOrEqual(t, slices.Index(got, "prompt"), before)
	require.LessOrEqual(t, slices.Index(got, "record"), before+1)
	i := 0
	for _, frame := range got {
		if len(frame) == size {
			require.EqualValues(t, i, frame[0], "a lane keeps its order")
			i++
		}
	}
	require.Equal(t, bulk, i)
}

// Bulk gets its share of each write, however much is urgent.
func TestBulkIsNotSilent(t *testing.T) {
	f := newTestFrames(t, nil)
	s := newSender(f, "x")
	s.stream = newStream(s)
	s.conn, _ = net.Pipe()
	for range 100 {
		s.queues.push(queued(Prompt, 'p', 60<<10))
		s.queues.push(queued(Bulk, 'b', 60<<10))
	}
	s.stream.fill()
	require.Contains(t, string(s.stream.buf), "bbb")
	require.Contains(t, string(s.stream.buf), "ppp")
	require.LessOrEqual(t, len(s.stream.buf), quanta[Prompt]+quanta[Bulk]+2*(pieceMax+pieceHeader))
}

// A peer that does not report anything gets no more than its windows, and more when it does.
func TestWindowsBoundWhatIsOnItsWay(t *testing.T) {
	const size = 100 << 10
	f := newTestFrames(t, nil)
	s := newSender(f, "x")
	s.stream = newStream(s)
	var far net.Conn
	s.conn, far = net.Pipe()
	defer far.Close()
	for range 100 {
		for l := range lanes {
			s.queues.push(queued(l, 'x', size))
		}
	}
	fill := func() (total int) {
		for s.stream.fill(); len(s.stream.buf) > 0; s.stream.fill() {
			total += len(s.stream.buf)
		}
		return total
	}
	require.Positive(t, fill())
	for l := range lanes {
		require.GreaterOrEqual(t, s.stream.begun.bytes[l], windows[l])
		require.Less(t, s.stream.begun.bytes[l], windows[l]+size)
	}
	taken := account{frames: 3}
	taken.bytes[Bulk] = 3 * size
	require.NoError(t, s.stream.heard(&taken, &line{conn: s.conn}))
	before := s.stream.begun.frames
	require.Positive(t, fill())
	require.EqualValues(t, 3, s.stream.begun.frames-before)
	require.EqualValues(t, 3, f.Stats().Frames)
}

// Frames on a connection that breaks are lost, not repeated; those behind them take the next one.
func TestAStreamThatBreaksInTheMiddleOfAFrame(t *testing.T) {
	for what, how := range map[string]func(c net.Conn){
		"closed": func(net.Conn) {},
		"reset":  func(c net.Conn) { _ = c.(*prefixedConn).Conn.(*net.TCPConn).SetLinger(0) },
	} {
		t.Run(what, func(t *testing.T) {
			p := newPeer(t, func(p *peer, n int, c net.Conn) {
				if n > 1 {
					ordinary(p, n, c)
					return
				}
				_, _ = io.CopyN(io.Discard, c, pieceMax/2)
				how(c)
			})
			f := newTestFrames(t, nil)
			begin(t, f, p)
			send(f, p.addr(), make([]byte, 1<<20))
			require.Eventually(t, func() bool { return f.Stats().Lost == 1 }, patience, time.Millisecond)
			send(f, p.addr(), []byte("next"))
			require.Eventually(t, func() bool { return len(p.taken()) == 2 }, patience, time.Millisecond)
			require.Equal(t, []string{"first", "next"}, p.taken())
			require.Positive(t, f.Stats().Failures)
		})
	}
}

// A server that is stopping answers the wish for a stream with yes and closes the connection.
func TestAPeerThatStopsWhileItGrantsAStream(t *testing.T) {
	p := newPeer(t, ordinary)
	p.mu.Lock()
	p.stopping = 1
	p.mu.Unlock()
	f := newTestFrames(t, nil)
	send(f, p.addr(), []byte("first"))
	require.Eventually(t, func() bool { return len(p.taken()) == 1 }, patience, time.Millisecond)
	send(f, p.addr(), []byte("next"))
	require.Eventually(t, func() bool { return len(p.taken()) == 2 }, patience, time.Millisecond)
	require.Equal(t, []string{"first", "next"}, p.taken())
	require.Eventually(t, func() bool { return f.Stats().Streams == 1 }, patience, time.Millisecond)
}

// Half of the connection is open: what is sent disappears, and nothing comes back.
func TestAPeerThatGivesNoSignIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	p := newPeer(t, func(p *peer, n int, c net.Conn) {
		if n > 1 {
			ordinary(p, n, c)
			return
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
		<-release
	})
	defer close(release)
	f := newTestFrames(t, func(o *FramesOptions) { o.AnswerTimeout = 300 * time.Millisecond })
	require.Eventually(t, func() bool { // a busy machine may miss the time of an answer.
		send(f, p.addr(), []byte("first"))
		return f.Stats().Streams == 1
	}, patience, 50*time.Millisecond)
	send(f, p.addr(), []byte("lost"))
	require.Eventually(t, func() bool {
		s := f.Stats()
		return s.Lost > 0 && s.Streams == 0
	}, patience, time.Millisecond)
	require.Eventually(t, func() bool {
		send(f, p.addr(), []byte("next"))
		return slices.Contains(p.taken(), "next")
	}, patience, 50*time.Millisecond)
	require.NotContains(t, p.taken(), "lost")
}

// A stream that nobody uses is tried, so that a dead one is known before somebody needs it.
func TestIdleStreamsArePinged(t *testing.T) {
	pings := make(chan struct{}, 100)
	p := newPeer(t, func(p *peer, _ int, c net.Conn) {
		var b [pieceHeader]byte
		for {
			if _, err := io.ReadFull(c, b[:]); err != nil || b != [pieceHeader]byte{} {
				return
			}
			pings <- struct{}{}
			if len(pings) > 1 {
				return // as if it had died: without an answer.
			}
			_, _ = c.Write(make([]byte, reportBytes))
		}
	})
	f := newTestFrames(t, func(o *FramesOptions) { o.PingInterval = 5 * time.Millisecond })
	begin(t, f, p)
	<-pings
	require.Eventually(t, func() bool { return f.Stats().Failures > 0 }, patience, time.Millisecond)
	require.Zero(t, f.Stats().Lost)
}

// A peer that takes its time says so, and is not given up.
func TestASlowPeerIsNotGivenUp(t *testing.T) {
	blocked := make(chan struct{})
	p := newPeer(t, func(p *peer, _ int, c net.Conn) {
		_ = p.receive(c, func(o *ReceiveOptions) {
			o.ReportEvery = time.Millisecond
			o.Deliver = func(frames [][]byte) error { <-blocked; p.take(frames); return nil }
		})
	})
	f := newTestFrames(t, func(o *FramesOptions) { o.AnswerTimeout = time.Second })
	begin(t, f, p)
	send(f, p.addr(), []byte("slow"))
	f.mu.Lock()
	s := f.peers[p.addr()]
	f.mu.Unlock()
	require.Eventually(t, func() bool { // longer than it has for an answer.
		f.mu.Lock()
		defer f.mu.Unlock()
		return s.stream == nil || time.Since(s.stream.since) > 2*f.o.AnswerTimeout
	}, patience, 10*time.Millisecond)
	require.Equal(t, 1, f.Stats().Streams)
	close(blocked)
	flush(t, f)
	require.Equal(t, []string{"first", "slow"}, p.taken())
}

func TestWhatNoReceiverSaysEndsTheStream(t *testing.T) {
	report := func(frames, bytes uint64) []byte {
		a := account{frames: frames}
		a.bytes[Prompt] = bytes
		return a.appendTo(nil)
	}
	for what, text := range map[string][]byte{
		"more frames": report(2, 1), "more bytes": report(1, 7),
		"less than before": append(report(1, 1), report(0, 0)...),
	} {
		t.Run(what, func(t *testing.T) {
			p := newPeer(t, func(_ *peer, _ int, c net.Conn) {
				_, _ = io.CopyN(io.Discard, c, pieceHeader+1)
				_, _ = c.Write(text)
				_, _ = io.Copy(io.Discard, c)
			})
			f := newTestFrames(t, nil)
			begin(t, f, p)
			send(f, p.addr(), []byte("x"))
			require.Eventually(t, func() bool { return f.Stats().Failures == 1 }, patience, time.Millisecond)
		})
	}
}

func TestIdleStreamsEnd(t *testing.T) {
	p := newPeer(t, ordinary)
	f := newTestFrames(t, func(o *FramesOptions) { o.IdleTimeout = 20 * time.Millisecond })
	send(f, p.addr(), []byte("x"))
	require.Eventually(t, func() bool {
		s := f.Stats()
		return s.Frames == 1 && s.Peers == 0
	}, patience, time.Millisecond)
	send(f, p.addr(), []byte("y"))
	require.Eventually(t, func() bool { return f.Stats().Frames == 2 }, patience, time.Millisecond)
	require.Zero(t, f.Stats().Failures)
}

func TestCloseDoesNotWaitForAStreamThatHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	p := newPeer(t, func(*peer, int, net.Conn) { <-release })
	f := newTestFrames(t, func(o *FramesOptions) { o.AnswerTimeout = time.Hour })
	begin(t, f, p)
	for range 20 {
		send(f, p.addr(), make([]byte, 1<<20)) // more than the system keeps.
	}
	f.Close() // hangs here if it waits for the write.
	require.Positive(t, f.Stats().Lost)
}
