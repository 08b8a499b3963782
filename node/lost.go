package node

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// A member whose store has lost data.
//
// Such a store has forgotten promises, accepted values, acknowledged copies and deletes, and it cannot tell which. The
// other members cannot tell either: a promise may be known only to the member that received it, and a record that shows
// again may be one whose tombstone all members have dropped since. So the identity ends with the store. The host sets
// the store aside (and removes nothing of it), and starts the node on an empty one with Options.Lost. The node takes a
// new identity, which has promised nothing, and
//
//   - it is syncing until it has pulled everything from a member in step. It never considers the cluster a new one,
//     founds none, gives no promise to a founder, and does not begin to serve without a member in step: other members
//     have newer records;
//   - then it is a member that does not vote, as every newcomer, and is promoted as one: after it has caught up with a
//     majority of the voters (catchup.go);
//   - then it removes the identity that ended: only this member knows that it never comes back.
//
// The record m/lost exists from the first persist until all that is done, so that a restart continues there. It holds a
// 16-bit count, and the identities that ended.
//
// This file is part of package node, and no room of its own: it joins bootstrap, configuration and membership.

// Lost is what the host knows of the member that this one replaces.
type Lost struct {
	Former []slot.ID // the identities that ended; none: they could not be read.
	Addrs  []string  // where the other members were, beside the seeds.
}

// lostFormerMax bounds the identities that are remembered: a disk that loses more in a row needs an operator.
const lostFormerMax = 16

const lostInterval = time.Second

// lost is that state.
type lost struct {
	on     bool
	former []slot.ID     // those that are not known to be gone, sorted.
	next   time.Duration // when they are looked at again.
	pulled bool
}

func (l *lost) active() bool { return l.on }

func (l *lost) due() time.Duration {
	if l.on && l.pulled {
		return l.next
	}
	return 0 // the end of the bootstrap comes first.
}

// reason is why the node is syncing, for people.
func (l *lost) reason() string {
	if !l.on {
		return ""
	}
	var place string
	if len(l.former) > 0 {
		place = ", in the place of " + strings.Join(slot.IDStrings(l.former), ", ")
	}
	return "the store of this node had lost data and was set aside; it gets everything from the others" + place +
		", and does not vote: "
}

// seeds are the addresses through which a node joins.
func (l *Lost) seeds(own []string) []string {
	if l == nil {
		return own
	}
	return slices.Concat(own, l.Addrs)
}

// standIn makes a new identity the one that stands in for those that ended.
func (n *Node) standIn() {
	if n.opts.Lost == nil {
		return
	}
	former := slices.Compact(slices.Sorted(slices.Values(n.opts.Lost.Former)))
	n.lost = lost{on: true, former: former[:min(len(former), lostFormerMax)]}
	n.noteLost()
}

func (n *Node) noteLost() {
	change := contract.Change{Key: schema.KeyLost}
	if n.lost.on {
		b := binary.LittleEndian.AppendUint16([]byte{schema.Format}, uint16(len(n.lost.former)))
		for _, id := range n.lost.former {
			b = binary.LittleEndian.AppendUint64(b, uint64(id))
		}
		change.Value = schema.Seal(schema.KeyLost, b)
	}
	n.Changes = append(n.Changes, change)
}

func (n *Node) recoverLost() error {
	r, err := n.ReadMeta(schema.KeyLost)
	if err != nil {
		return fmt.Errorf("recover what was lost: %w", err)
	}
	if r == nil {
		return nil
	}
	n.lost.on = true
	for range min(r.U16(), lostFormerMax) {
		n.lost.former = append(n.lost.former, slot.ID(r.U64()))
	}
	if r.End() != nil {
		return fmt.Errorf("recover what was lost: impossible content: %w", codec.ErrCorrupt)
	}
	return nil
}

// resumeLost comes after the bootstrap has been recovered.
func (n *Node) resumeLost() {
	if !n.lost.on {
		return
	}
	n.bootstrap.Insist(n.lost.reason())
	n.Log(contract.LogError, "the store of this node had lost data: it gets everything from the others before "+
		"it serves, and has a new identity, which votes when the others promote it", "former",
		slot.IDStrings(n.lost.former))
}

// tickLost removes the identities that ended, once this member is in step.
func (n *Node) tickLost() {
	l := &n.lost
	if !l.on || !n.bootstrap.Complete() || l.pulled && n.Now.Mono < l.next {
		return
	}
	l.pulled, l.next = true, n.Now.Mono+lostInterval
	if n.InForce == nil || n.membership.Gone() {
		return
	}
	left := slices.DeleteFunc(slices.Clone(l.former), func(id slot.ID) bool {
		m, known := n.membership.Lookup(id)
		return known && m.State.Gone() && !n.InForce.Votes(id) || !known && !n.InForce.Votes(id)
	})
	for _, id := range left {
		if m, known := n.membership.Lookup(id); known && !m.State.Gone() {
			n.Log(contract.LogWarn, "the identity that this node had before its store lost data is removed: it "+
				"never comes back",
				"id", id.String())
			n.membership.Remove(&contract.Remove{ID: id, Force: true})
		}
	}
	if len(left) == len(l.former) && len(left) > 0 {
		return
	}
	if l.former = left; len(left) == 0 {
		l.on = false
		n.Log(contract.LogInfo, "what the store of this node had lost is made good")
	}
	n.noteLost()
}

// standsIn says for people what is left to do when the data is there.
func (n *Node) standsIn() string {
	if !n.lost.on || !n.bootstrap.Complete() {
		return ""
	}
	return fmt.Sprintf("this node stands in for %s, whose store lost data: "+
		"it waits until a majority of the voters has taken that one out of the configuration",
		strings.Join(slot.IDStrings(n.lost.former), ", "))
}
