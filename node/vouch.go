package node

import (
	"encoding/binary"
	"fmt"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/step"
)

// A member that returns does not know what happened while it was away: it may have been removed, and then what it holds
// is older than tombstones that were not kept for it; or its data folder may be an older copy, which has forgotten
// promises and acknowledged writes. So it serves no client and has no voice among the voters before another member has
// told it, in an answer to its own question, that it is a member still (swim.Vouched). The others remember the number
// of its latest run, which shows whether the folder is an older copy. The code joins what membership, modes and
// bootstrap know, so it is part of package node, and no room of its own.
//
// When no member answers within vouchWait it serves all the same: after a power cut one has to be first, and an
// eventual store does not wait for the dead. Only the time counts in which the node was awake (step.Vigil). It goes on
// asking, and fails as soon as it is told that its folder is an older copy. Until a first member has answered it has no
// voice (step.Shared.Mute). A node in its first run has no member to ask, and one that has never met another serves at
// once.
//
// The others hear of a run only when its number is on disk as announced, and a start that ends before has its number
// again. So however often a member is started on an older copy before another one answers, its number does not pass
// the one that the others remember. Two members that start together after a power cut may have to vouch for each other,
// so a member that serves is announced, answered or not: in such a way that none forgets another run because of it
// (swim.Machine.Announce).
type vouch struct {
	open     bool               // no member has said yet what it has to say.
	wait     step.Vigil         // while Shared.Unvouched.
	announce contract.PersistID // the others hear of this run when it is durable; zero: they have, or must not.
}

const (
	vouchWait = 5 * time.Second
	vouchLook = 100 * time.Millisecond // from one look whether the wait is over to the next.
)

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
	n.vouch.open = n.Boots > 1 && !n.membership.Gone()
	if n.vouch.open && len(n.Peers) > 0 {
		n.Unvouched, n.vouch.wait = true, step.NewVigil(n.Now, vouchWait, vouchLook)
		return
	}
	n.announce()
}

// watchVouch acts on the word of another member, and ends the wait for it.
func (n *Node) watchVouch() {
	if n.vouch.announce != 0 && n.Durable >= n.vouch.announce {
		n.vouch.announce = 0
		n.membership.Announce()
		n.membership.Drain()
	}
	if !n.vouch.open {
		return
	}
	ok, other := n.membership.Vouched()
	switch {
	case ok || n.membership.Gone():
		if n.Unvouched {
			n.announce()
		} else if ok {
			n.Log(contract.LogInfo, "another member has vouched for this node, which served without that")
		}
	case other != 0:
		b := binary.LittleEndian.AppendUint64([]byte{schema.Format}, other)
		n.Changes = append(n.Changes, contract.Change{Key: schema.KeyOlder, Value: schema.Seal(schema.KeyOlder, b)})
		n.failOlder(other) // it stays mute, also for the rest of this step.
		return
	case n.Unvouched && n.vouch.wait.Over(n.Now):
		n.Log(contract.LogWarn,
			"no other member answers: this node serves without knowing whether it is still a member, and goes on "+
				"asking", "waited", vouchWait)
		n.announce()
		n.Unvouched, n.Unheard = false, !n.membership.Heard()
		return
	default:
		n.Unheard = n.Unheard && !n.membership.Heard()
		return
	}
	n.vouch.open, n.Unvouched, n.Unheard = false, false, false
}

// announce has this run announced as soon as its number is on disk.
func (n *Node) announce() {
	n.Changes = append(n.Changes, n.runChange(n.Run))
	n.vouch.announce = n.NextPersist()
}

func (n *Node) runChange(announced uint64) contract.Change {
	b := binary.LittleEndian.AppendUint64([]byte{schema.Format}, n.Boots)
	b = binary.LittleEndian.AppendUint64(b, announced)
	return contract.Change{Key: schema.KeyRun, Value: schema.Seal(schema.KeyRun, b)}
}

// announcedRun is the number of the last run that was announced. Older versions of kvs announced every start, and did
// not write the record: it counts if it was written by the last of so many starts.
func announcedRun(store contract.Reader, boots uint64) (uint64, error) {
	n := &Node{Shared: step.Shared{Store: store}}
	r, err := n.ReadMeta(schema.KeyRun)
	if err != nil {
		return 0, fmt.Errorf("recover the number of the run: %w", err)
	}
	if r == nil {
		return boots, nil
	}
	of, announced := r.U64(), r.U64()
	switch {
	case r.End() != nil || announced > of:
		return 0, fmt.Errorf("recover the number of the run: impossible content: %w", codec.ErrCorrupt)
	case of != boots:
		return boots, nil
	}
	return announced, nil
}

// StoredRun is the number that the next run of the member in a store will have for the others; zero: there is none.
func StoredRun(store contract.Reader) (uint64, error) {
	n := &Node{Shared: step.Shared{Store: store}}
	boot, err := n.ReadMeta(schema.KeyBoot)
	if err != nil || boot == nil {
		return 0, err
	}
	announced, err := announcedRun(store, boot.U64())
	return announced + 1, err
}

// failOlder says that the data folder is an older copy. It stays one: after more starts its runs would have higher
// numbers than those that the others remember.
func (n *Node) failOlder(other uint64) {
	n.modes.Fail(fmt.Sprintf("the data folder of this node is an older copy: it is in its %d. run, "+
		"and the other members remember another one, its %d. "+
		"What it has acknowledged since the copy was made is not in it, "+
		"so it serves no client. Stop it, set this folder aside and keep it: if the node has served since the copy "+
		"was put back, as its log says, what it acknowledged then may be in this folder alone. Put the newest folder "+
		"back; if that one is lost, remove this member (kvs members remove %s, on another node), and start the node "+
		"with an empty one",
		n.Run, other, n.Self))
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
