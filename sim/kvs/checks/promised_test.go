package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/checks/promises"
)

// A promise above the bound that the voter has on disk is found.
func TestPromiseWithoutBoundIsFound(t *testing.T) {
	w, by := bare(t), speaker(7)
	c := promises.New(w)
	says := func(kind wire.Kind, body wire.Body) {
		c.Observe(&sim.Event{Kind: sim.EventSent, Replica: w.Replicas[1].Replica,
			Send: &sim.Send{Data: by.Frame(kind, body)}})
	}
	yes := func(round uint64, b slot.Ballot, record []byte) {
		a := wire.Answer{Round: round, Epoch: 1, OK: true, Promised: b}
		says(wire.KindPromised, &wire.Promised{Answer: a, Record: record})
	}
	bounded := func(ts slot.Timestamp, epoch uint64) {
		b := append([]byte{2}, make([]byte, 40)...)
		b[25], b[33] = byte(ts), byte(epoch)
		require.NoError(t, w.Replicas[1].Store().Apply([]node.Change{
			{Key: schema.KeyPromises, Value: schema.Seal(schema.KeyPromises, b)}}))
	}
	yes(1, wire.Introduction(3, 7), nil) // to a look.
	bounded(20, 1)
	yes(1, slot.Ballot{Epoch: 1, TS: 20, Member: 9}, nil)
	require.Empty(t, w.Violations())
	yes(1, slot.Ballot{Epoch: 1, TS: 21}, nil)
	requireBroken(t, w.TakeViolations(), promises.Name, "and the bound on its disk is 1/0.00020")
	yes(1, slot.Ballot{Epoch: 2, TS: 5}, nil)
	requireBroken(t, w.TakeViolations(), promises.Name, "promises 2/0.00005")
	bounded(30, 2)
	yes(1, slot.Ballot{Epoch: 2, TS: 5}, nil)
	yes(1, slot.Ballot{Epoch: 1, TS: 99}, nil)
	require.Empty(t, w.Violations())

	path := schema.ConfigPath(2)
	b := slot.Ballot{Epoch: 2, TS: 50, Member: 9}
	says(wire.KindPrepare, &wire.Question{Round: 4, Epoch: 2, Path: path, Ballot: b})
	yes(4, b, slot.Encode(path, &slot.Slot{Consensus: &slot.Consensus{Promised: b}}))
	require.Empty(t, w.Violations())
	yes(4, b, nil)
	requireBroken(t, w.TakeViolations(), promises.Name, "in a record that says otherwise")
}
