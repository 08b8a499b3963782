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
	by     string // the member that has proved to have sent it; empty: nothing was proved.
	places chan struct{}
}

// taken gives the batch's place to the next one.
func (b *frameBatch) taken() { <-b.places }

// Bounds of what peers may have waiting for the loop. A peer that finds no place waits, and so does what it sends.
const (
	peerBatchesMax = 32
	peerWaitMax    = 3 * time.Second // less than the time that a sender gives a batch.
)

// ErrBusy says that too much from peers is waiting already.
var ErrBusy = errors.New("the node is busy: the batch was dropped")

// Frames takes a batch that a peer has posted, who has proved to be the member of the name by; empty: no proof was
// asked for for a proof. The body may be used again when it returns. Errors wrap transport.ErrBadBatch (the peer speaks
// another version, or the batch was damaged), ErrBusy, or ErrStopped; nothing of the batch was taken then.
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

// Stream takes what a peer, by as for Frames, sends on a connection, until it ends. A stream waits for its turn with
// what it has read: its sender notices by the connection, and drops the oldest of what waits there.
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

// streams are the connections on which peers send. A node that stops ends them.
type streams struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	ended bool
}

// add says that a stream has begun. False: the node stops.
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

// end breaks the streams, and lets none begin any more.
func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for c := range s.conns {
		_ = c.Close() // whoever reads hears of it.
	}
}

// datagram takes a gossip packet. There is always a next one, so it does not wait for room.
func (h *Host) datagram(from string, data []byte) {
	// While a cluster changes over strangers are heard too, and one must not make members look old.
	if h.sealer != nil && h.cfg.TLS.Mode != config.TLSOptional && h.replayed(data) {
		h.datagramsReplayed.Add(1)
		return
	}
	if !h.loop.offer(event{in: &node.Datagram{From: from, Data: data}}) {
		h.datagramsDropped.Add(1)
	}
}

// replayed says that a datagram, which is sealed by a member, came before, or is too old to tell. What is no message
// the core counts.
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

// send carries out a send effect. Frames leave when the loop says so.
func (h *Host) send(s node.Send) {
	if s.Transport == node.TransportDatagram {
		h.datagrams.Send(s.To, s.Data)
	} else {
		h.frames.Queue(s.To, laneOf(s.Data), s.Data)
	}
}

// laneOf says how urgent a frame is.
func laneOf(frame []byte) transport.Lane {
	kind := wire.KindOf(frame)
	switch kind { // what a new voter has to have, page after page.
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
