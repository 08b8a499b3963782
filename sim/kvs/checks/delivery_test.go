package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/slot"
)

func TestDeliveryFires(t *testing.T) {
	w := bare(t)
	r := &w.Replicas[1]
	r.ID, r.Config = 1, &node.Config{Epoch: 1, Voters: []node.ID{1, 2, 3}}
	on := func(c *deliveryCheck, id node.ID, ts node.Timestamp) {
		s := slot.Of(&node.Record{TS: ts, UUID: node.UUID{1}, Origin: 1})
		c.stored(id, "p", &s)
	}
	answer := func(level node.Level) *node.Response { return &node.Response{Level: level, Record: node.Record{TS: 9}} }

	c := newDeliveryCheck(bare(t))
	c.acknowledged(r, "p", answer(node.Eventual), nil)
	requireBroken(t, c.w.Violations(), promiseDelivery, "not on its disk")

	c = newDeliveryCheck(bare(t))
	on(c, 1, 9)
	on(c, 2, 8)
	c.acknowledged(r, "p", answer(node.Quorum), []node.ID{2, 3})
	requireBroken(t, c.w.Violations(), promiseDelivery, "on 1 of the 3 voters' disks")
	c.w.TakeViolations()
	on(c, 3, 10)
	c.acknowledged(r, "p", answer(node.Quorum), []node.ID{2, 3})
	require.Empty(t, c.w.Violations(), "a newer version counts")

	c = newDeliveryCheck(bare(t))
	on(c, 1, 9)
	owe := func() { c.acknowledged(r, "p", answer(node.Eventual), []node.ID{2, 3}) }
	owe()
	c.idle(r, &node.Status{Peers: []node.PeerStatus{{ID: 2, QueueEntries: 1}, {ID: 3, Dropped: 1}}})
	require.Empty(t, c.w.Violations(), "something waits for one, and not everything went to the other")
	on(c, 2, 9)
	c.idle(r, &node.Status{Peers: []node.PeerStatus{{ID: 2}}})
	require.Empty(t, c.w.Violations())
	owe()
	c.idle(r, &node.Status{Peers: []node.PeerStatus{{ID: 3}}})
	requireBroken(t, c.w.Violations(), promiseDelivery, "whose disk never held")
	c.w.TakeViolations()
	owe()
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Restart, Nodes: []int{1}}))
	c.idle(r, &node.Status{Peers: []node.PeerStatus{{ID: 3}}})
	require.Empty(t, c.w.Violations(), "a restart loses queues")
}

func TestHLCFollowsWhatWasReceived(t *testing.T) {
	c := newHLCCheck(bare(t))
	c.holds(1, 50)
	c.stored(1, 1, "p", node.Version{TS: 51})
	require.Empty(t, c.w.Violations())
	c.holds(1, 60)
	c.restarted(1)
	c.stored(1, 1, "p", node.Version{TS: 55})
	require.Empty(t, c.w.Violations(), "a restart may forget")
	c.holds(1, 70)
	c.stored(1, 1, "p", node.Version{TS: 70})
	requireBroken(t, c.w.Violations(), "hlc-monotone", "although it had received")
}
