package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Protocol is the name, in the Upgrade header of a POST to Path, of the protocol after the answer 101: a stream, format
// 1. The posted batch has been taken then. A peer that answers otherwise, as an older version does, takes only batches.
//
// A stream carries frames in one direction, in pieces, so that an urgent frame need not wait for the end of a large
// one. Integers are little-endian.
//
//	0      lane; 128 is added when the frame goes on in the next piece of this lane
//	1-3    length of the piece, 1 to 65536. 0: a ping, of lane 0, which is no frame
//	4-     the piece
//
// In the other direction there are reports. A report follows soon on every arrival, and then one a second for as long
// as the data is not taken, so that a sender can distinguish a dead peer from a slow one.
//
//	0-7    frames taken since the stream began
//	8-31   bytes of those frames, for each lane
//
// A receiver closes a stream that violates this format, or on which nothing came for SilenceMax. Frames without a
// report when a stream ends are lost: they are not sent again.
const Protocol = "kvs-frames/1"

const (
	streamFormat = 1 // the number in Protocol.

	pieceHeader  = 4
	pieceMax     = 64 << 10
	pieceMore    = 0x80
	reportBytes  = 8 + 8*int(lanes)
	pingInterval = 10 * time.Second
)

// SilenceMax is how long a receiver waits for data from a sender: several ping intervals.
const SilenceMax = 3 * pingInterval

// ErrBadStream is wrapped by errors about data that violates the format.
var ErrBadStream = errors.New("bad stream of frames")

// quanta are the bytes that a lane may add to one write, so that none waits for another for long.
var quanta = [lanes]int{Prompt: 128 << 10, Records: 128 << 10, Bulk: 64 << 10}

// windows bound the bytes of a lane in flight: a lane with so many unreported bytes begins no further frame. That of
// Bulk is small, since urgent frames cannot overtake bytes that are in the connection already.
var windows = [lanes]uint64{Prompt: 4 << 20, Records: 4 << 20, Bulk: 1 << 20}

// account is the content of a report, and a sender's own count.
type account struct {
	frames uint64
	bytes  [lanes]uint64
}

func (a *account) add(l Lane, frame int) {
	a.frames++
	a.bytes[l] += uint64(frame)
}

func (a *account) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, a.frames)
	for _, n := range a.bytes {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func (a *account) read(b []byte) {
	a.frames = binary.LittleEndian.Uint64(b)
	for i := range a.bytes {
		a.bytes[i] = binary.LittleEndian.Uint64(b[8+8*i:])
	}
}

// within reports whether no number of a is above that of b.
func (a *account) within(b *account) bool {
	for i := range a.bytes {
		if a.bytes[i] > b.bytes[i] {
			return false
		}
	}
	return a.frames <= b.frames
}

// stream is the sending end. Its fields are guarded by Frames.mu, but for those in the last group, which belong to the
// sender's goroutine.
type stream struct {
	s            *sender
	begun, taken account // frames whose sending has begun, and those that the peer has reported.
	pinged       bool    // a ping has not been answered.
	since        time.Time

	current [lanes]frameQueue // frames whose sending has begun; of the first one, what is left.
	buf     []byte
	timer   *time.Timer // of a wait for frames; nil: there was none yet.
}

func newStream(s *sender) *stream { return &stream{s: s, since: time.Now()} }

// owed reports whether the peer owes a report.
func (t *stream) owed() bool { return t != nil && (t.begun.frames != t.taken.frames || t.pinged) }

// bufferKeptMax is the largest buffer that a stream keeps while it has nothing to write.
const bufferKeptMax = 64 << 10

// write sends frames on the stream until it was idle for a while, or the stream breaks. idle: the peer was removed, or
// Frames is being closed.
func (s *sender) write() (idle bool, err error) {
	t, l := s.stream, s.line
	ended := make(chan struct{})
	var heard error
	go func() {
		defer close(ended)
		heard = t.listen(l)
		_ = l.conn.Close() // the writer gets an error.
	}()
	for err == nil && !idle {
		if t.fill(); len(t.buf) == 0 {
			idle, err = t.await(ended)
			continue
		}
		err = t.send(t.buf)
	}
	_ = l.conn.Close()
	<-ended
	if t.end(idle); idle {
		return true, nil
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, errStreamEnded) {
		err = heard // the reason why it could not be written to.
	}
	s.f.o.Resolver.Doubt(s.addr)
	s.complain("stream broke", "error", err)
	return false, err
}

var errStreamEnded = errors.New("the peer has ended the stream")

// await waits for frames to write. It returns idle when the peer was removed, or Frames is closed.
func (t *stream) await(ended <-chan struct{}) (idle bool, err error) {
	o := &t.s.f.o
	if cap(t.buf) > bufferKeptMax {
		t.buf = nil
	}
	select {
	case <-t.s.wake: // often there is something already.
		return false, nil
	default:
	}
	if t.timer == nil {
		t.timer = time.NewTimer(min(o.PingInterval, o.IdleTimeout))
	} else {
		t.timer.Reset(min(o.PingInterval, o.IdleTimeout))
	}
	defer t.timer.Stop()
	for waited := time.Duration(0); ; {
		select {
		case <-t.s.wake:
			return false, nil
		case <-ended:
			return false, errStreamEnded
		case <-t.s.f.closing:
			return true, nil
		case <-t.timer.C:
		}
		waited += min(o.PingInterval, o.IdleTimeout)
		if waited >= o.IdleTimeout {
			return t.forget(), nil
		}
		if err := t.ping(); err != nil {
			return false, err
		}
		t.timer.Reset(min(o.PingInterval, o.IdleTimeout-waited))
	}
}

func (t *stream) forget() bool {
	t.s.f.mu.Lock()
	defer t.s.f.mu.Unlock()
	t.pinged = false // no answer is needed any more.
	return t.s.forget()
}

// ping asks the peer for a report.
func (t *stream) ping() error {
	t.s.f.mu.Lock()
	t.expect()
	t.pinged = true
	t.s.f.mu.Unlock()
	return t.send(make([]byte, pieceHeader))
}

// send writes b, as long as the peer sends reports.
func (t *stream) send(b []byte) error {
	conn := t.s.line.conn
	if err := conn.SetWriteDeadline(time.Now().Add(t.s.f.o.AnswerTimeout)); err != nil {
		return err
	}
	_, err := conn.Write(b)
	t.s.f.mu.Lock()
	defer t.s.f.mu.Unlock()
	if err == nil {
		t.s.f.stats.Batches++
		t.s.f.stats.Bytes += uint64(len(b))
	}
	return err
}

// expect starts the timer for the peer's report, unless it is running. The caller holds Frames.mu.
func (t *stream) expect() {
	if !t.owed() {
		// If it cannot be set, writing fails as well.
		_ = t.s.conn.SetReadDeadline(time.Now().Add(t.s.f.o.AnswerTimeout))
	}
}

// fill puts the next pieces into buf: each lane's share, the most urgent lane first.
func (t *stream) fill() {
	t.begin()
	t.buf = t.buf[:0]
	for l := range lanes {
		for end := len(t.buf) + quanta[l]; len(t.buf) < end && t.current[l].len() > 0; {
			t.piece(l)
		}
	}
}

// begin takes frames from the queues, within the windows, as many as the next write needs.
func (t *stream) begin() {
	f := t.s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	oldest := time.Now().Add(-f.o.FrameAgeMax)
	for l := range lanes {
		f.stats.Stale += uint64(t.s.queues.dropOlder(l, oldest))
		q := &t.s.queues.lane[l]
		for q.len() > 0 && t.current[l].bytes < quanta[l] && t.begun.bytes[l]-t.taken.bytes[l] < windows[l] {
			t.expect()
			w := q.pop()
			t.begun.add(l, len(w.frame))
			t.current[l].push(w)
		}
	}
	if !t.owed() {
		f.settled.Broadcast()
	}
}

// piece adds the next piece of a lane to buf.
func (t *stream) piece(l Lane) {
	q := &t.current[l]
	rest := &q.first().frame
	part := (*rest)[:min(len(*rest), pieceMax)]
	head := byte(l)
	if len(part) < len(*rest) {
		head |= pieceMore
	}
	t.buf = append(t.buf, head, byte(len(part)), byte(len(part)>>8), byte(len(part)>>16))
	t.buf = append(t.buf, part...)
	*rest = (*rest)[len(part):]
	if q.bytes -= len(part); len(*rest) == 0 {
		q.pop()
	}
}

// listen takes in reports until the stream ends, and returns why.
func (t *stream) listen(l *line) error {
	var b [reportBytes]byte
	for {
		if _, err := io.ReadFull(l.in, b[:]); err != nil {
			return fmt.Errorf("%w: %w", errStreamEnded, err)
		}
		var taken account
		taken.read(b[:])
		if err := t.heard(&taken, l); err != nil {
			return err
		}
	}
}

// heard takes in a report.
func (t *stream) heard(taken *account, l *line) error {
	f := t.s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if !t.taken.within(taken) || !taken.within(&t.begun) {
		return fmt.Errorf("%w: the peer reports %d frames after %d, of %d",
			ErrBadStream, taken.frames, t.taken.frames, t.begun.frames)
	}
	f.stats.Frames += taken.frames - t.taken.frames
	t.taken, t.pinged = *taken, false
	var end time.Time
	if t.owed() {
		end = time.Now().Add(f.o.AnswerTimeout)
	} else {
		f.settled.Broadcast()
	}
	if t.s.queues.len() > 0 { // a window may have opened.
		t.s.rouse()
	}
	if err := l.conn.SetReadDeadline(end); err != nil {
		return err
	}
	return l.conn.SetWriteDeadline(time.Now().Add(f.o.AnswerTimeout)) // it is slow, but alive.
}

// end counts the frames in flight as lost.
func (t *stream) end(idle bool) {
	f := t.s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Lost += t.begun.frames - t.taken.frames
	if t.s.stream = nil; !idle {
		f.stats.Failures++
		t.s.failing = true
	}
	f.settled.Broadcast()
}
