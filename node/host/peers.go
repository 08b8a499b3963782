package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kvs/node"
	"kvs/node/host/transport"
)

// frameBatch is what one peer posted, on its way through the loop.
type frameBatch struct {
	frames [][]byte
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

// Frames takes a batch that a peer has posted. The body may be used again when it returns. Errors wrap transport.ErrBadBatch
// (the peer speaks another version, or the batch was damaged), ErrBusy, or ErrStopped; nothing of the batch was taken then.
func (h *Host) Frames(body []byte) error {
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
	err = h.loop.post(ctx, event{frames: &frameBatch{frames: frames, places: h.places}})
	if err == nil {
		return nil
	}
	<-h.places
	if errors.Is(err, ErrStopped) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrBusy, err)
}

// datagram takes a gossip packet. There is always a next one, so it does not wait for room.
func (h *Host) datagram(from string, data []byte) {
	if !h.loop.offer(event{in: &node.Datagram{From: from, Data: data}}) {
		h.datagramsDropped.Add(1)
	}
}

// Stats counts what the transport did since the start.
type Stats struct {
	Datagrams        transport.DatagramStats
	DatagramsDropped uint64 // received, but the loop had no room for them.
	Frames           transport.FrameStats
}

// Stats returns the transport's counters.
func (h *Host) Stats() Stats {
	return Stats{Datagrams: h.datagrams.Stats(), DatagramsDropped: h.datagramsDropped.Load(), Frames: h.frames.Stats()}
}

// send carries out a send effect.
func (h *Host) send(s node.Send) {
	if s.Transport == node.TransportDatagram {
		h.datagrams.Send(s.To, s.Data)
	} else {
		h.frames.Send(s.To, s.Data)
	}
}
