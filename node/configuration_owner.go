package node

import (
	"time"

	"kvs/node/configuration"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// configurationOwner implements configuration.Owner for the node.
type configurationOwner struct{ *Node }

func (o configurationOwner) Options() configuration.Options {
	return configuration.Options{
		Seeds: o.opts.Seeds, ExpectedMembers: o.opts.ExpectedMembers, StrongPrefixes: o.opts.StrongPrefixes,
		Founded: o.lost.active(),
	}
}

func (o configurationOwner) Gone() bool { return o.membership.Gone() }

func (o configurationOwner) Lookup(id slot.ID) (swim.Member, bool) { return o.membership.Lookup(id) }

func (o configurationOwner) Behind(addr string) slot.ID { return o.membership.Behind(addr) }

func (o configurationOwner) MemberName(id slot.ID) string { return o.membership.MemberName(id) }

func (o configurationOwner) Decide(path string, config []byte, giveUp time.Duration) {
	o.register.DecideConfig(path, config, giveUp)
}

func (o configurationOwner) RestartRounds() { o.register.Restart() }

func (o configurationOwner) RestartQuorum() { o.quorum.Restart() }

func (o configurationOwner) DurableEntry(path string) (wire.Entry, bool, error) {
	return o.comparison.DurableEntry(path)
}

func (o configurationOwner) WriteSlot(path string, s *slot.Slot) {
	o.WriteRecord(path, slot.Encode(path, s))
}

func (o configurationOwner) Merge(from *step.Peer, path string, record []byte) error {
	_, err := o.replication.Merge(from, path, record)
	return err
}
