package world

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/node/hlc"
	"kvs/scenarios"
	"kvs/sim"
)

// What an operation must not go below is what was answered on its path before it began, to any client.
func TestFloorsRise(t *testing.T) {
	w := unjudged(t)
	a, b := w.addClient(&Client{number: 1}), w.addClient(&Client{number: 2})
	begin := func(c *Client) node.Timestamp {
		c.Op = scenarios.Op{Kind: scenarios.OpGet, Path: "a", Node: 1, Level: node.Quorum}
		c.Begin()
		return c.Floor
	}
	end := func(c *Client, status linearize.Status, ts node.Timestamp) {
		c.End(&sim.Operation{}, &sim.Answer{Status: status, Body: &Answer{Found: true, Version: node.Version{TS: ts}}})
	}
	require.Zero(t, begin(a))
	require.Zero(t, begin(b))
	end(a, linearize.OK, hlc.Make(5, 0))
	require.Zero(t, b.Floor, "it began before that")
	end(b, linearize.OK, hlc.Make(4, 0))
	require.Equal(t, hlc.Make(5, 0), begin(a))
	end(a, linearize.Info, hlc.Make(9, 0))
	require.Equal(t, hlc.Make(5, 0), begin(b))
	b.Op.Path = "b"
	b.Begin()
	require.Zero(t, b.Floor)
}

// A compare-and-set that requires a value may write down that there is none, whichever value it requires. Whoever looks
// for the origin of a tombstone has to know of it (everything 1043).
func TestWritesThatWantAValue(t *testing.T) {
	w := unjudged(t)
	c := w.addClient(&Client{number: 1})
	wants := func(kind scenarios.OpKind) (any, wants bool) {
		c.Op = scenarios.Op{Kind: kind, Path: "a", Node: 1, Level: node.Linearizable, Value: []byte("x")}
		c.Begin()
		return c.names.any, w.Ledger.Writes[c.write].WantsValue
	}
	w.Own.Workload.Conditions = 0
	for _, kind := range []scenarios.OpKind{scenarios.OpPut, scenarios.OpCAS, scenarios.OpDelete} {
		_, wants := wants(kind)
		require.False(t, wants, kind)
	}
	w.Own.Workload.Conditions = chaos.PPMAll / 2
	for _, kind := range []scenarios.OpKind{scenarios.OpCAS, scenarios.OpCASDelete} {
		seen := map[bool]bool{}
		for range 50 {
			any, wants := wants(kind)
			require.Equal(t, any, wants, "it knows no value, so that it can only want any")
			seen[any] = true
		}
		require.Len(t, seen, 2, kind)
	}
}
