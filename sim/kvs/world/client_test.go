package world

import (
	"testing"

	"github.com/stretchr/testify/require"

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
