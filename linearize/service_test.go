package linearize

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestService(t *testing.T) {
	op := func(node string, from, to int64, s Status) Op {
		o := Op{Node: node, Kind: Put, Path: "a", Invoke: from, Return: to, Status: s}
		if s == Info || s == Open {
			o.Return, o.GaveUp = Never, to
		}
		return o
	}
	h := &History{Header: Header{Nodes: []string{"n1", "n2", "n3"}}, Ops: []Op{
		op("n1", 90, 105, OK),    // began before: its answer counts, it does not.
		op("n1", 110, 120, OK),   //
		op("n1", 130, 190, OK),   // 70 without an answer before it.
		op("n1", 195, 230, OK),   // answered later: the last 10 are without one.
		op("n2", 100, 180, Info), // given up.
		op("n2", 185, 186, Fail),
		op("n2", 187, 0, Open),
		op("n2", 200, 201, OK), // too late.
		op("elsewhere", 100, 200, OK),
	}}
	require.Equal(t, []NodeService{
		{Node: "n1", OK: 3, Slowest: 60 * time.Nanosecond, Gap: 70 * time.Nanosecond},
		{Node: "n2", Fail: 1, Unknown: 2, Slowest: 80 * time.Nanosecond, Gap: 100 * time.Nanosecond},
		{Node: "n3", Gap: 100 * time.Nanosecond},
	}, Service(h, 100, 200))
}
