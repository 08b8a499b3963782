package node

import (
	"slices"

	"kvs/node/codec"
	"kvs/node/invariant"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// handlers has the handler of each kind of messages. Membership messages are not in it: node/swim takes them in, also
// from senders that are not members yet. The other properties of a kind are in its codec file in node/wire.
type handlers [256]func(from *step.Peer, body []byte) error

func (h *handlers) bind(all []step.Handler) {
	for _, b := range all {
		invariant.That(h[b.Kind] == nil, "a kind of messages is taken in twice", "kind", b.Kind)
		h[b.Kind] = b.Handle
	}
}

// allHandlers collects the handlers of all machines.
func (n *Node) allHandlers() []step.Handler {
	return slices.Concat(
		n.bootstrap.Handlers(),
		n.comparison.Handlers(),
		n.quorum.Handlers(),
		n.register.Handlers(),
		n.replication.Handlers(),
		n.tombstones.Handlers(),
		n.configuration.Handlers(),
		n.hearsay.Handlers(),
	)
}

// dispatch hands a frame to the handler of its kind; confirmed: its sender has confirmed that it sealed it.
func (n *Node) dispatch(kind wire.Kind, by swim.Speaker, body, frame []byte, confirmed bool) error {
	if kind == wire.KindMemberTable {
		return n.membership.HandleTable(by, body)
	}
	p := n.Peer(by.ID)
	if p == nil {
		return nil // not a member yet, or no longer: the sender tries again after this node has got the member table.
	}
	if n.bootstrap.Quiet() && kind.Compares() {
		return nil // the peer gives up: this node's data is no answer yet.
	}
	if !confirmed && !n.hearsay.Confirmed(p, frame) {
		return nil
	}
	if handle := n.handlers[kind]; handle != nil {
		return handle(p, body)
	}
	return codec.ErrBadMessage
}
