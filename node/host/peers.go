package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"kvs/node"
	"kvs/node/host/budget"
	"kvs/node/host/config"
	"kvs/node/host/transport"
	"kvs/node/wire"
)

// frameBatch is what one peer posted, on its way through the loop.
type frameBatch struct {
	frames [][]byte
	by     string // the proved name of its sender; empty: no name was proved.
	places chan struct{}
}

// taken frees the batch's place for the next one.
func (b *frameBatch) taken() { <-b.places }

// Bounds of the batches of peers that wait for the loop. A peer that finds no place waits, and with it its messages.
const (
	peerBatchesMax = 32
	peerWaitMax    = 3 * time.Second // less than the time that a sender gives a batch.
)

// ErrBusy means that too many batches of peers are waiting already.
var ErrBusy = errors.New("the node is busy: the batch was dropped")

// Frames takes a batch that a peer has posted. by is the peer's proved name; empty: no proof was required. The body may
// be used again when it returns. Errors wrap transport.ErrBadBatch (the peer speaks another version, or the batch was
// damaged), ErrBusy, or ErrStopped; no frame of the batch was taken then.
func (h *Host) Frames(body []byte, by string) error {
	ctx, cancel := context.WithTimeout(context.Background(), peerWaitMax)
	defer cancel()
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return ErrBusy
	case <-h.loop.done:
		return ErrStopped
	}
	frames, err := transport.DecodeBatch(body)
	if err != nil {
		<-h.places
		return err
	}
	err = h.loop.post(ctx, event{frames: &frameBatch{frames: frames, by: by, places: h.places}})
	if err == nil {
		return nil
	}
	<-h.places
	if errors.Is(err, ErrStopped) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrBusy, err)
}

// Stream takes what a peer, by as for Frames, sends on a connection, until it ends. A stream holds the frames that it
// has read until the loop has a place: the connection slows its sender, which drops the oldest waiting frames.
func (h *Host) Stream(conn net.Conn, by string, room *budget.Bytes) error {
	if !h.streams.add(conn) {
		return ErrStopped
	}
	defer h.streams.remove(conn)
	return transport.Receive(conn, transport.DefaultReceiveOptions(room, func(frames [][]byte) error {
		return h.deliver(frames, by)
	}))
}

// deliver hands frames of a stream to the loop, and returns when it has a place for them.
func (h *Host) deliver(frames [][]byte, by string) error {
	select {
	case h.places <- struct{}{}:
	case <-h.loop.done:
		return ErrStopped
	}
	err := h.loop.post(context.Background(), event{frames: &frameBatch{frames: frames, by: by, places: h.places}})
	if err != nil {
		<-h.places
	}
	return err
}

// streams are the connections on which peers send. A stopping node closes them.
type streams struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	ended bool
}

// add registers a new stream. False: the node is stopping.
func (s *streams) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if s.conns == nil {
		s.conns = map[net.Conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *streams) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *streams) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// end closes the streams, and refuses new ones.
func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for c := range s.conns {
		_ = c.Close() // the reader gets an error.
	}
}

// datagram takes a gossip packet. There is always a next one, so it does not wait for room.
func (h *Host) datagram(from string, data []byte) {
	// While a cluster changes over, unauthenticated datagrams are accepted too, and they must not make members'
	// datagrams count as replays.
	if h.sealer != nil && h.cfg.TLS.Mode != config.TLSOptional && h.replayed(data) {
		h.datagramsReplayed.Add(1)
		return
	}
	if !h.loop.offer(event{in: &node.Datagram{From: from, Data: data}}) {
		h.datagramsDropped.Add(1)
	}
}

// replayed reports whether a datagram, which is sealed by a member, came before, or is too old to tell. The core counts
// datagrams that are no messages.
func (h *Host) replayed(data []byte) bool {
	_, from, _, err := wire.Open(data, wire.ClusterHash(h.cfg.Cluster))
	return err == nil && !h.replays.Fresh(uint64(from), uint64(wire.ReadStamp(data)), h.clock.Mono())
}

// Stats counts what the transport did since the start.
type Stats struct {
	Datagrams         transport.DatagramStats
	DatagramsDropped  uint64 // received, but the loop had no room for them.
	DatagramsReplayed uint64 // received a second time, or much later than others of their sender.
	Frames            transport.FrameStats
	StreamsIn         int // of peers, now.
}

// Stats returns the transport's counters.
func (h *Host) Stats() Stats {
	return Stats{
		Datagrams: h.datagrams.Stats(), DatagramsDropped: h.datagramsDropped.Load(),
		DatagramsReplayed: h.datagramsReplayed.Load(),
		Frames:            h.frames.Stats(), StreamsIn: h.streams.len(),
	}
}

// send carries out a send effect. Frames leave when the loop releases them.
func (h *Host) send(s node.Send) {
	if s.Transport == node.TransportDatagram {
		h.datagrams.Send(s.To, s.Data)
	} else {
		h.frames.Queue(s.To, laneOf(s.Data), s.Data)
	}
}

// laneOf is the urgency of a frame.
func laneOf(frame []byte) transport.Lane {
	kind := wire.KindOf(frame)
	switch kind { // the catch-up of a new voter, page after page.
	case wire.KindCatchRange, wire.KindCatchKeys, wire.KindCatchPull, wire.KindCatchSlots:
		return transport.Bulk
	}
	switch kind.About() {
	case wire.SubjectRecords, wire.SubjectTombstones:
		return transport.Records
	case wire.SubjectComparison, wire.SubjectBootstrap:
		return transport.Bulk
	}
	return transport.Prompt
}
