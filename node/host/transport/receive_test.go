package transport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/budget"
)

// appendPieces puts frames of one lane together, as a sender writes them.
func appendPieces(b []byte, l Lane, frames ...[]byte) []byte {
	for _, f := range frames {
		for part := range slices.Chunk(f, pieceMax) {
			b = appendPiece(b, l, part, len(f) > len(part))
			f = f[len(part):]
		}
	}
	return b
}

func appendPiece(b []byte, l Lane, part []byte, more bool) []byte {
	head := byte(l)
	if more {
		head |= pieceMore
	}
	return append(append(b, head, byte(len(part)), byte(len(part)>>8), byte(len(part)>>16)), part...)
}

// connection is what a receiver reads and writes.
type connection struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *connection) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *connection) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *connection) SetReadDeadline(time.Time) error  { return nil }
func (c *connection) SetWriteDeadline(time.Time) error { return nil }
func (c *connection) Close() error                     { return nil }

// received is what a receiver makes of a stream.
func received(stream []byte, room int64) (frames []string, left int64, err error) {
	b := &budget.Bytes{Max: room}
	err = Receive(&connection{in: bytes.NewReader(stream)}, DefaultReceiveOptions(b, func(fs [][]byte) error {
		for _, f := range fs {
			frames = append(frames, string(f))
		}
		return nil
	}))
	return frames, b.Used(), err
}

func TestReceiveTakesStreamsApart(t *testing.T) {
	large := bytes.Repeat([]byte("x"), node.FrameBytesMax)
	small := []byte("small")
	var mixed []byte
	mixed = appendPiece(mixed, Bulk, []byte("be"), true)
	mixed = appendPieces(mixed, Prompt, small)
	mixed = append(mixed, 0, 0, 0, 0) // a ping.
	mixed = appendPiece(mixed, Records, []byte("re"), true)
	mixed = appendPiece(mixed, Bulk, []byte("gun"), false)
	mixed = appendPiece(mixed, Records, []byte("cord"), false)
	for what, c := range map[string]struct {
		stream []byte
		want   []string
		err    error
		room   int64
	}{
		"nothing":             {stream: nil},
		"one":                 {stream: appendPieces(nil, Bulk, small), want: []string{"small"}},
		"lanes side by side":  {stream: mixed, want: []string{"small", "begun", "record"}},
		"the largest":         {stream: appendPieces(nil, Bulk, large), want: []string{string(large)}},
		"larger":              {stream: appendPieces(nil, Bulk, append(large, 'x')), err: ErrBadStream},
		"too many small ones": {stream: appendPieces(nil, Bulk, append(large, large...)), err: ErrBadStream},
		"an unknown lane":     {stream: appendPieces(nil, lanes, small), err: ErrBadStream},
		"a piece too long":    {stream: appendPiece(nil, Bulk, large[:pieceMax+1], false), err: ErrBadStream},
		"an empty piece":      {stream: appendPiece(nil, Bulk, nil, false), err: ErrBadStream},
		"an empty one before": {stream: appendPiece(nil, Prompt, nil, true), err: ErrBadStream},
		"cut in a header":     {stream: []byte{0, 1}, err: io.ErrUnexpectedEOF},
		"cut behind a header": {stream: []byte{0, 1, 0, 0}, err: io.ErrUnexpectedEOF},
		"cut in a frame":      {stream: mixed[:6], err: io.ErrUnexpectedEOF},
		"cut in a piece":      {stream: appendPieces(nil, Bulk, large)[:pieceMax/2], err: io.ErrUnexpectedEOF},
		"no room":             {stream: appendPieces(nil, Bulk, large), err: errNoRoom, room: 1 << 20},
	} {
		if c.room == 0 {
			c.room = 64 << 20
		}
		frames, left, err := received(c.stream, c.room)
		require.ErrorIs(t, err, c.err, what)
		require.Equal(t, c.want, frames, what)
		require.Zero(t, left, "%s: what was held is given back", what)
	}
}

// Format 1 as it is on the wire: what a sender of this version writes is the golden file, and a receiver reads it.
func TestStreamFormat1(t *testing.T) {
	require.Equal(t, fmt.Sprintf("kvs-frames/%d", streamFormat), Protocol)
	golden, err := os.ReadFile("testdata/stream1.hex")
	require.NoError(t, err)
	lines := strings.Fields(string(golden))
	require.Len(t, lines, 2)

	f := newTestFrames(t, nil)
	s := newSender(f, "x")
	s.stream = newStream(s)
	var far net.Conn
	s.conn, far = net.Pipe()
	defer far.Close()
	for _, w := range []waiting{queued(Bulk, 'b', 5), queued(Records, 'r', pieceMax+2), queued(Prompt, 'p', 3)} {
		s.queues.push(w)
	}
	s.stream.fill()
	written := hex.EncodeToString(s.stream.buf)
	long := strings.Repeat(hex.EncodeToString([]byte("r")), pieceMax)
	require.Equal(t, strings.Replace(lines[0], "...", long, 1), written)

	stream, err := hex.DecodeString(written)
	require.NoError(t, err)
	c := &connection{in: bytes.NewReader(stream)}
	taken := account{}
	o := DefaultReceiveOptions(&budget.Bytes{Max: 1 << 20}, func(frames [][]byte) error {
		for _, frame := range frames {
			taken.add(Lane(strings.IndexByte("prb", frame[0])), len(frame))
		}
		return nil
	})
	require.NoError(t, Receive(c, o))
	require.Equal(t, lines[1], hex.EncodeToString(taken.appendTo(nil)))
}

func FuzzReceive(f *testing.F) {
	f.Add(appendPieces(nil, Prompt, []byte("a"), []byte("bc")))
	f.Add(appendPiece(appendPiece(nil, Bulk, []byte("a"), true), Bulk, []byte("b"), false))
	f.Add([]byte{0x82, 255, 255, 255, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		frames, left, err := received(stream, 1<<20)
		require.Zero(t, left)
		if err == nil && len(stream) < 1<<10 { // then no piece went on that did not end.
			require.LessOrEqual(t, len(strings.Join(frames, ""))+pieceHeader*len(frames), len(stream))
		}
	})
}

// pipe starts a receiver and returns the sender's end.
func pipe(o ReceiveOptions) (sender net.Conn, result chan error) {
	near, far := net.Pipe()
	result = make(chan error, 1)
	go func() {
		result <- Receive(far, o)
		_ = far.Close()
	}()
	return near, result
}

func nextReport(t *testing.T, c net.Conn) account {
	t.Helper()
	var b [reportBytes]byte
	_, err := io.ReadFull(c, b[:])
	require.NoError(t, err)
	var a account
	a.read(b[:])
	return a
}

func TestReportsFollowWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		o := DefaultReceiveOptions(&budget.Bytes{Max: 1 << 20}, func([][]byte) error { <-release; return nil })
		c, result := pipe(o)
		start := time.Now()
		_, err := c.Write(make([]byte, pieceHeader))
		require.NoError(t, err)
		require.Zero(t, nextReport(t, c), "a ping is answered")
		require.Equal(t, o.ReportDelay, time.Since(start))

		// A frame that is not taken: a sign of life each second.
		_, err = c.Write(appendPieces(nil, Records, []byte("frame")))
		require.NoError(t, err)
		for range 3 {
			require.Zero(t, nextReport(t, c))
		}
		require.Equal(t, 2*o.ReportDelay+2*o.ReportEvery, time.Since(start))
		release <- struct{}{}
		require.Equal(t, account{frames: 1, bytes: [lanes]uint64{Records: 5}}, nextReport(t, c))
		require.Equal(t, 3*o.ReportDelay+2*o.ReportEvery, time.Since(start))

		// A frame that has arrived in part: the same.
		_, err = c.Write(appendPiece(nil, Bulk, []byte("part"), true))
		require.NoError(t, err)
		require.EqualValues(t, 1, nextReport(t, c).frames)
		require.EqualValues(t, 1, nextReport(t, c).frames)
		_, err = c.Write(appendPiece(nil, Bulk, []byte("s"), false))
		require.NoError(t, err)
		release <- struct{}{}
		require.EqualValues(t, 2, nextReport(t, c).frames)

		require.NoError(t, c.Close())
		require.NoError(t, <-result)
	})
}

func TestAReceiverEndsWithASilentSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, result := pipe(DefaultReceiveOptions(&budget.Bytes{Max: 1 << 20}, func([][]byte) error { return nil }))
		start := time.Now()
		err := <-result
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, SilenceMax, time.Since(start))
		require.NoError(t, c.Close())
	})
}

// A sender that does not read its reports is let go as well.
func TestAReceiverEndsWithASenderThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, result := pipe(DefaultReceiveOptions(&budget.Bytes{Max: 1 << 20}, func([][]byte) error { return nil }))
		_, err := c.Write(appendPieces(nil, Prompt, []byte("x")))
		require.NoError(t, err)
		start := time.Now()
		require.Error(t, <-result)
		require.Less(t, time.Since(start), SilenceMax)
		require.NoError(t, c.Close())
	})
}

func TestADeliveryThatFailsEndsTheStream(t *testing.T) {
	stopped := errors.New("the node stops")
	err := Receive(&connection{in: bytes.NewReader(appendPieces(nil, Prompt, []byte("x")))},
		DefaultReceiveOptions(&budget.Bytes{Max: 1 << 20}, func([][]byte) error { return stopped }))
	require.ErrorIs(t, err, stopped)
}
