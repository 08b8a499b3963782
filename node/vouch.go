package node

import (
	"encoding/binary"
	"fmt"
	"time"

	"kvs/node/contract"
	"kvs/node/schema"
)

// A member that returns does not know what happened while it was away: it may have been removed, and then what it holds
// is older than tombstones that were not kept for it; or its data folder may be an older copy, which has forgotten
// promises and acknowledged writes. So it serves no client and has no voice among the voters before another member has
// told it, in an answer to its own question, that it is a member still (swim.Vouched). The others remember the number
// of its latest run, which shows whether the folder is an older copy. The code joins what membership, modes and
// bootstrap know, so it is part of package node, and no room of its own.
//
// When no member can be asked within vouchWait it serves all the same: after a power cut one has to be first, and an
// eventual store does not wait for the dead. A node in its first run, and one that has never met another, has no member
// to ask.
type vouch struct {
	until time.Duration // while Shared.Unvouched.
}

const vouchWait = 5 * time.Second

// beginVouch is called when a node starts.
func (n *Node) beginVouch() {
	switch r, err := n.ReadMeta(schema.KeyOlder); {
	case err != nil:
		n.failOlder(0)
		return
	case r != nil:
		n.failOlder(r.U64())
		return
	}
	if n.Boots > 1 && !n.membership.Gone() && len(n.Peers) > 0 {
		n.Unvouched, n.vouch.until = true, n.Now.Mono+vouchWait
	}
}

// watchVouch ends the wait.
func (n *Node) watchVouch() {
	if !n.Unvouched {
		return
	}
	ok, other := n.membership.Vouched()
	switch {
	case ok || n.membership.Gone():
	case other != 0:
		b := binary.LittleEndian.AppendUint64([]byte{schema.Format}, other)
		n.Changes = append(n.Changes, contract.Change{Key: schema.KeyOlder, Value: schema.Seal(schema.KeyOlder, b)})
		n.failOlder(other)
	case n.Now.Mono >= n.vouch.until:
		n.Log(contract.LogWarn,
			"no other member answers: this node serves without knowing whether it is still a member", "waited",
			vouchWait)
	default:
		return
	}
	n.Unvouched = false
}

// failOlder says that the data folder is an older copy. It stays one: after more starts its runs would have higher
// numbers than those that the others remember.
func (n *Node) failOlder(other uint64) {
	n.modes.Fail(fmt.Sprintf("the data folder of this node is an older copy: it is in its %d. run, "+
		"and the other members remember another one, its %d. "+
		"What it has acknowledged since the copy was made is not in it, "+
		"so it serves no client. Stop it and put the newest folder back; if that one is lost, remove this member "+
		"(kvs members remove %s, on another node), set the folder aside, and start the node with an empty one",
		n.Boots, other, n.Self))
	n.Log(contract.LogError, n.modes.Failure())
}

// syncing reports whether the node does not serve because of what it has yet to hear from others.
func (n *Node) syncing() bool { return n.Unvouched || n.bootstrap.Syncing() }

// syncingReason says for people what that is.
func (n *Node) syncingReason() string {
	if n.Unvouched {
		return "asks the other members whether it is one still"
	}
	return n.bootstrap.SyncingReason()
}

// modesOwner is the node as its machine for modes knows it, see modes.Owner.
type modesOwner struct{ *Node }

func (o modesOwner) Syncing() bool         { return o.syncing() }
func (o modesOwner) SyncingReason() string { return o.syncingReason() }
