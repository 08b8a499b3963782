package node

import (
	"fmt"
	"time"

	"kvs/node/contract"
)

// A member that returns does not know what happened while it was away: it may have been removed, and then what it holds
// is older than tombstones that were not kept for it; or its data folder may be an older copy, which has forgotten
// promises and acknowledged writes. So it serves nobody before another member has told it, in an answer to its own
// question, that it is a member still (swim.Vouched). The others remember the number of its latest run, which says
// whether the folder is an older copy.
//
// When no member can be asked within vouchWait it serves all the same: after a power cut one has to be first, and an
// eventual store does not wait for the dead. A node in its first run, and one that has never met another, has no member
// to ask.
type vouch struct {
	awaited bool
	until   time.Duration
}

const vouchWait = 5 * time.Second

// beginVouch is called when a node starts.
func (n *Node) beginVouch() {
	if n.Boots > 1 && !n.membership.Gone() && len(n.Peers) > 0 {
		n.vouch = vouch{awaited: true, until: n.Now.Mono + vouchWait}
	}
}

// watchVouch ends the wait.
func (n *Node) watchVouch() {
	if !n.vouch.awaited {
		return
	}
	ok, other := n.membership.Vouched()
	switch {
	case ok || n.membership.Gone():
	case other != 0:
		n.modes.Fail(fmt.Sprintf("the data folder of this node is an older copy: it is in its %d. run, "+
			"and the other members remember another one, its %d. "+
			"What it has acknowledged since the copy was made is not in it, "+
			"so it serves nobody. Stop it and put the newest folder back; if that one is lost, remove this member "+
			"(kvs members remove %s, on another node), set the folder aside, and start the node with an empty one",
			n.Boots, other, n.Self))
		n.Log(contract.LogError, n.modes.Failure())
	case n.Now.Mono >= n.vouch.until:
		n.Log(contract.LogWarn,
			"no other member answers: this node serves without knowing whether it is a member still", "waited",
			vouchWait)
	default:
		return
	}
	n.vouch = vouch{}
}

// syncing reports whether the node does not serve because of what it has yet to hear from others.
func (n *Node) syncing() bool { return n.vouch.awaited || n.bootstrap.Syncing() }

// syncingReason says for people what that is.
func (n *Node) syncingReason() string {
	if n.vouch.awaited {
		return "asks the other members whether it is one still"
	}
	return n.bootstrap.SyncingReason()
}

// modesOwner is the node as its machine for modes knows it, see modes.Owner.
type modesOwner struct{ *Node }

func (o modesOwner) Syncing() bool         { return o.syncing() }
func (o modesOwner) SyncingReason() string { return o.syncingReason() }
