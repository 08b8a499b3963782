package node

import (
	"encoding/binary"
	"fmt"
	"slices"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/membership"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
)

// recoverMeta makes or reads the identity, resumes the clock above every value it ever issued, counts this start, and
// returns the address book. The changes go into the first persist.
func (n *Node) recoverMeta() (book []swim.Member, err error) {
	identity, err := n.ReadMeta(schema.KeyIdentity)
	if err != nil {
		return nil, fmt.Errorf("recover identity: %w", err)
	}
	boot, err := n.ReadMeta(schema.KeyBoot)
	if err != nil {
		return nil, fmt.Errorf("recover clock: %w", err)
	}
	if (identity == nil) != (boot == nil) {
		return nil, fmt.Errorf("recover identity: one of %s and %s is missing: %w", schema.KeyIdentity, schema.KeyBoot,
			codec.ErrCorrupt)
	}
	if identity == nil {
		return nil, n.newIdentity()
	}
	n.Self, n.Born = slot.ID(identity.U64()), slot.Timestamp(identity.U64())
	cluster := string(identity.Take(int(identity.U16())))
	n.Boots = boot.U64()
	bound := slot.Timestamp(boot.U64())
	if identity.End() != nil || boot.End() != nil || n.Self == 0 {
		return nil, fmt.Errorf("recover identity: impossible content: %w", codec.ErrCorrupt)
	}
	if cluster != n.opts.Cluster {
		return nil, fmt.Errorf("this data belongs to cluster %q, the configuration says %q: set the cluster back, or "+
			"use an empty data folder to join as a new member", cluster, n.opts.Cluster)
	}
	n.HLC = hlc.Resume(bound)
	n.Boots++
	n.Changes = append(n.Changes, n.BootChange(bound))
	announced, err := announcedRun(n.Store, n.Boots-1)
	if err != nil {
		return nil, err
	}
	n.Run = announced + 1
	n.Changes = append(n.Changes, n.runChange(announced))
	if err := n.recoverLost(); err != nil {
		return nil, err
	}
	if err := n.modes.Recover(); err != nil {
		return nil, err
	}
	if err := n.tombstones.Recover(); err != nil {
		return nil, err
	}
	if err := n.expiry.Recover(); err != nil {
		return nil, err
	}
	if err := n.changelog.Recover(); err != nil {
		return nil, err
	}
	return membership.StoredBook(n.Store, n.Tuning.MembersBytesMax)
}

// StoredIdentity returns the identity in a store, and the members that it knew; zero and none for an empty store.
func StoredIdentity(store contract.Reader) (id slot.ID, known []swim.Member, err error) {
	n := &Node{Shared: step.Shared{Store: store, Tuning: contract.DefaultTuning()}}
	identity, err := n.ReadMeta(schema.KeyIdentity)
	if err != nil || identity == nil {
		return 0, nil, err
	}
	known, err = membership.StoredBook(n.Store, n.Tuning.MembersBytesMax)
	return slot.ID(identity.U64()), known, err
}

func (n *Node) newIdentity() error {
	for n.Self == 0 {
		n.Self = slot.ID(n.Rand.Uint64())
	}
	born, bound, err := n.HLC.Next(n.Now.Wall, 0)
	if err != nil {
		return err
	}
	n.Born, n.Boots, n.Run = born, 1, 1
	b := []byte{schema.Format}
	b = binary.LittleEndian.AppendUint64(b, uint64(n.Self))
	b = binary.LittleEndian.AppendUint64(b, uint64(n.Born))
	b = codec.AppendString(b, n.opts.Cluster)
	n.Changes = append(n.Changes, contract.Change{Key: schema.KeyIdentity, Value: schema.Seal(schema.KeyIdentity, b)},
		n.BootChange(bound), n.runChange(n.Run))
	if n.standIn(); n.lost.active() {
		n.bootstrap.Begin()
	} else if !n.opts.Founder && slices.ContainsFunc(n.opts.Seeds, func(seed string) bool { return seed != n.Addr }) {
		n.bootstrap.Begin()
	}
	return nil
}
