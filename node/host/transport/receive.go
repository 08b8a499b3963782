package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"kvs/node"
	"kvs/node/host/budget"
)

// ReceiveOptions are the options of Receive. All are required.
type ReceiveOptions struct {
	// Deliver takes frames, which belong to it, in the order of their lanes, and returns when there is room for more.
	// With an error the stream ends.
	Deliver func(frames [][]byte) error

	// Room bounds the parts of incomplete frames that all streams together hold.
	Room *budget.Bytes

	SilenceMax  time.Duration // the stream ends when nothing comes for so long.
	ReportDelay time.Duration // from an arrival to its report,
	ReportEvery time.Duration // and to the next report, while the frame is not taken.
}

// DefaultReceiveOptions returns what production runs with.
func DefaultReceiveOptions(room *budget.Bytes, deliver func(frames [][]byte) error) ReceiveOptions {
	return ReceiveOptions{
		Deliver: deliver, Room: room, SilenceMax: SilenceMax,
		ReportDelay: 20 * time.Millisecond, ReportEvery: time.Second,
	}
}

// Bounds of a receiver.
const (
	receiveBufferBytes = 32 << 10
	deliverFramesMax   = 1024
	reportSoonBytes    = 256 << 10 // taken bytes without a report: the sender may be waiting for the report.
	reportTimeout      = 5 * time.Second
)

// receiver is the receiving end of a stream. Fields below the blank line are guarded by mu.
type receiver struct {
	conn    net.Conn
	o       *ReceiveOptions
	in      *bufio.Reader
	parts   [lanes]part
	arrived chan struct{} // data has arrived: a report has become due.
	soon    chan struct{} // the report must not wait.
	done    chan struct{}

	mu       sync.Mutex
	taken    account
	reported account
	pending  bool // data has arrived that is not taken yet.
	due      bool // what has arrived will be reported: arrived was signalled for it.
}

// part is the arrived part of a frame that goes on.
type part struct {
	frame []byte
	held  int // bytes of the room that it has.
}

// Receive takes in the frames of a stream until its sender ends it, and returns nil then, or until it breaks. The
// caller closes conn; closing it earlier ends Receive.
func Receive(conn net.Conn, o ReceiveOptions) error {
	r := &receiver{
		conn: conn, o: &o, in: bufio.NewReaderSize(conn, receiveBufferBytes),
		arrived: make(chan struct{}, 1), soon: make(chan struct{}, 1), done: make(chan struct{}),
	}
	var reporting sync.WaitGroup
	reporting.Go(r.report)
	err := r.receive()
	close(r.done)
	reporting.Wait()
	for i := range r.parts {
		o.Room.Give(r.parts[i].held)
	}
	return err
}

// receive delivers frames, all that have arrived at once.
func (r *receiver) receive() error {
	var frames [][]byte
	var got account
	for {
		if err := r.conn.SetReadDeadline(time.Now().Add(r.o.SilenceMax)); err != nil {
			return err
		}
		frames, got = frames[:0], account{}
		for first := true; first || len(frames) < deliverFramesMax && r.whole(); first = false {
			frame, lane, err := r.piece(first)
			switch {
			case first && err == io.EOF && !r.unfinished():
				return nil
			case err == io.EOF:
				return io.ErrUnexpectedEOF
			case err != nil:
				return err
			case frame != nil:
				frames = append(frames, frame)
				got.add(lane, len(frame))
			}
		}
		if len(frames) > 0 {
			r.note(true)
			if err := r.o.Deliver(append([][]byte(nil), frames...)); err != nil {
				return err
			}
		}
		r.book(&got)
		clear(frames)
	}
}

// whole reports whether another complete piece is in the buffer.
func (r *receiver) whole() bool {
	if r.in.Buffered() < pieceHeader {
		return false
	}
	head, err := r.in.Peek(pieceHeader)
	return err == nil && r.in.Buffered() >= pieceHeader+pieceLength(head)
}

func pieceLength(head []byte) int { return int(head[1]) | int(head[2])<<8 | int(head[3])<<16 }

// unfinished reports whether a frame has arrived in part.
func (r *receiver) unfinished() bool {
	for i := range r.parts {
		if len(r.parts[i].frame) > 0 {
			return true
		}
	}
	return false
}

// piece reads one piece, and returns the frame that ends with it, or nil.
func (r *receiver) piece(note bool) (frame []byte, l Lane, err error) {
	var head [pieceHeader]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return nil, 0, err
	}
	if note {
		r.note(false)
	}
	l, n, more := Lane(head[0]&^pieceMore), pieceLength(head[:]), head[0]&pieceMore != 0
	switch {
	case head == [pieceHeader]byte{}:
		return nil, 0, nil // a ping.
	case l >= lanes || n == 0 || n > pieceMax:
		return nil, 0, fmt.Errorf("%w: a piece of %d bytes on lane %d", ErrBadStream, n, l)
	case len(r.parts[l].frame)+n > node.FrameBytesMax:
		return nil, 0, fmt.Errorf("%w: a frame of more than %d bytes", ErrBadStream, node.FrameBytesMax)
	}
	p := &r.parts[l]
	if len(p.frame) == 0 && !more { // nearly all frames.
		frame = make([]byte, n)
		_, err = io.ReadFull(r.in, frame)
		return frame, l, unexpected(err)
	}
	if err := p.grow(n, r.o.Room); err != nil {
		return nil, 0, err
	}
	was := len(p.frame)
	p.frame = p.frame[:was+n]
	if _, err := io.ReadFull(r.in, p.frame[was:]); err != nil || more {
		return nil, l, unexpected(err)
	}
	frame = p.frame
	r.o.Room.Give(p.held)
	*p = part{}
	return frame, l, nil
}

// unexpected is err, but for an end where more has to follow.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

var errNoRoom = errors.New("frames that have arrived in part fill the room that is set aside for them")

// grow makes room for n more bytes.
func (p *part) grow(n int, room *budget.Bytes) error {
	need := len(p.frame) + n
	if need <= cap(p.frame) {
		return nil
	}
	size := min(max(2*cap(p.frame), need), node.FrameBytesMax)
	if !room.Take(size - p.held) {
		return errNoRoom
	}
	p.held = size
	p.frame = append(make([]byte, 0, size), p.frame...)
	return nil
}

// note records that data has arrived. A delivery is pending until it is booked.
func (r *receiver) note(delivering bool) {
	r.mu.Lock()
	r.pending = delivering || r.unfinished()
	r.expect()
	r.mu.Unlock()
}

// expect makes a report due. The goroutine that writes reports is not woken for one that is due already. The caller
// holds mu.
func (r *receiver) expect() {
	if !r.due {
		r.due = true
		signal(r.arrived)
	}
}

// book adds taken frames to the account.
func (r *receiver) book(got *account) {
	r.mu.Lock()
	r.taken.frames += got.frames
	unreported := uint64(0)
	for i := range got.bytes {
		r.taken.bytes[i] += got.bytes[i]
		unreported += r.taken.bytes[i] - r.reported.bytes[i]
	}
	r.pending = r.unfinished()
	r.expect()
	r.mu.Unlock()
	if unreported >= reportSoonBytes {
		signal(r.soon)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been signalled already.
	}
}

// report writes reports until the stream ends.
func (r *receiver) report() {
	timer := time.NewTimer(r.o.ReportDelay)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-r.arrived:
			timer.Reset(r.o.ReportDelay)
			continue
		case <-timer.C:
		case <-r.soon:
		case <-r.done:
			return
		}
		switch pending, err := r.tell(); {
		case err != nil:
			_ = r.conn.Close() // the reader gets an error.
			return
		case pending:
			timer.Reset(r.o.ReportEvery)
		default:
			timer.Stop()
		}
	}
}

// tell writes a report. pending: another one has to follow, even if no more data arrives.
func (r *receiver) tell() (pending bool, err error) {
	r.mu.Lock()
	r.reported, pending, r.due = r.taken, r.pending, false
	r.mu.Unlock()
	if err := r.conn.SetWriteDeadline(time.Now().Add(reportTimeout)); err != nil {
		return false, err
	}
	_, err = r.conn.Write(r.reported.appendTo(make([]byte, 0, reportBytes)))
	return pending, err
}
