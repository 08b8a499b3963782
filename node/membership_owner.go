package node

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// membershipOwner implements membership.Owner for the node.
type membershipOwner struct{ *Node }

func (o membershipOwner) Pulse(to string) wire.Pulse { return o.makePulse(to) }

func (o membershipOwner) SetReadOnly(in *contract.SetReadOnly) { o.modes.Set(in) }

func (o membershipOwner) PeerMet(p *step.Peer) {
	o.comparison.Soon()
	o.bootstrap.PeerChanged(p)
	o.configuration.MemberMet(p)
}

// PeerBack sends a returned peer its hints at once.
func (o membershipOwner) PeerBack(p *step.Peer) {
	o.replication.PeerBack(p)
	o.comparison.Soon()
	o.configuration.MemberMet(p)
}

func (o membershipOwner) PeerChanged(p *step.Peer) { o.bootstrap.PeerChanged(p) }

func (o membershipOwner) PeerGone(id slot.ID) { o.quorum.Without(id) }

func (o membershipOwner) Retiring() { o.quorum.Abandon() }

func (o membershipOwner) DecideAnew() {
	for _, path := range o.conflicts.DecideAnew() {
		o.changelog.Wrote(path)
	}
}
