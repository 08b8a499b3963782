package node

import (
	"errors"
	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// datagram opens a gossip packet.
func (n *Node) datagram(in *contract.Datagram) {
	kind, from, body, err := wire.Open(in.Data, n.Cluster)
	if err == nil && kind != wire.KindGossip {
		err = codec.ErrBadMessage
	}
	if err == nil && n.configuration.Foreign(kind, from, in.Data) {
		n.Counters.DatagramsIn++
		return
	}
	var m wire.Gossip
	if err == nil {
		err = m.Decode(body)
	}
	if err == nil {
		n.hearPulse(from, &m.Pulse)
		n.clocks.Watch()
		err = n.membership.HandleDatagram(in.From, m.Swim)
	}
	n.Counters.DatagramsIn++
	n.countBad(err, &n.Counters.DatagramsBad)
}

// frame takes in a message that came over a stream.
func (n *Node) frame(in *contract.Frame) {
	n.Counters.FramesIn++
	kind, from, body, err := wire.Open(in.Data, n.Cluster)
	if err == nil {
		err = n.membership.Vet(from, in.By)
	}
	if err == nil {
		err = n.take(kind, swim.Speaker{ID: from, Name: in.By}, body, in.Data, false)
	}
	n.countBad(err, &n.Counters.FramesBad)
}

// hearsayOwner implements hearsay.Owner for the node.
type hearsayOwner struct{ *Node }

func (o hearsayOwner) Again(frame []byte) {
	kind, from, body, err := wire.Open(frame, o.Cluster)
	if err == nil {
		err = o.take(kind, swim.Speaker{ID: from}, body, frame, true)
	}
	o.countBad(err, &o.Counters.FramesBad)
}

// take takes in an opened frame of a member; confirmed: the member has confirmed that it sealed it.
func (n *Node) take(kind wire.Kind, by swim.Speaker, body, frame []byte, confirmed bool) error {
	if n.configuration.Foreign(kind, by.ID, frame) {
		return nil
	}
	n.InStamp = wire.ReadStamp(frame)
	if kind != wire.KindMemberTable && n.tombstones.TooLate(by.ID, n.InStamp) {
		n.Counters.FramesLate++
		return nil
	}
	return n.dispatch(kind, by, body, frame, confirmed)
}

func (n *Node) countBad(err error, counter *uint64) {
	switch {
	case err == nil:
	case errors.Is(err, wire.ErrOtherCluster):
		n.Counters.OtherCluster++
	case errors.Is(err, step.ErrUnconfirmed):
	case errors.Is(err, swim.ErrImpostor):
		n.Counters.FramesForeign++
		n.membership.SayImpostor(err)
	case errors.Is(err, step.ErrRead): // the frame is valid, and its sender tries again.
		n.Log(contract.LogError, "message not answered", "error", err.Error())
	default:
		*counter++
		n.Log(contract.LogDebug, "message dropped", "error", err.Error())
	}
}
