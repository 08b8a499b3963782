package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/voting"
	"kvs/node/wire"
)

// Two clusters of one name that were founded apart are told about each other: nothing of one gets into the other, no
// member, no value and no vote, and who is called says what is wrong.
func TestFoundingsNeverMix(t *testing.T) {
	b := newBench(t, 4)
	apart := func(from, to string) bool { return (from <= "n2") != (to <= "n2") }
	b.cut = apart
	for i := range 4 {
		b.crash(i)
		b.wipe(i)
	}
	for i, seeds := range [][]string{{"n1", "n2"}, {"n1", "n2"}, {"n3", "n4"}, {"n3", "n4"}} {
		b.startWith(i, func(o *Options) { o.Seeds = seeds })
	}
	b.run(20*time.Second, func() bool {
		for _, m := range b.machine {
			if m.node.InForce == nil || len(m.node.InForce.Voters) != 2 {
				return false
			}
		}
		return true
	})
	require.NotEqual(t, b.machine[0].node.InForce.Founding, b.machine[2].node.InForce.Founding)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "of n1", always).Code)
	require.Equal(t, contract.CodeCreated, b.doLinear(2, contract.OpPut, "a", "of n3", always).Code)
	b.do(0, contract.OpPut, "b", "of n1")
	b.cut = nil
	b.step(0, &contract.Join{Addrs: []string{"n3"}})
	b.step(3, &contract.Join{Addrs: []string{"n2"}})
	b.run(time.Minute, nil)
	for i := range 4 {
		require.Len(t, b.machine[i].node.Peers, 1, "n%d", i+1)
		require.Len(t, b.machine[i].node.InForce.Voters, 2)
	}
	for _, called := range []int{1, 2} {
		require.Positive(t, b.machine[called].node.Counters.OtherFounding)
		require.True(t, b.hasSaid(called, "another cluster of the same name sends to this one"))
	}
	require.Equal(t, "of n1", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value))
	require.Equal(t, "of n3", string(b.doLinear(3, contract.OpGet, "a", "", always).Record.Value))
	require.Empty(t, b.shows(3, "b"))
}

// Members that met before either had a configuration, and then got two, keep seeing each other and exchange nothing but
// that.
func TestFoundingsOfAcquaintancesNeverMix(t *testing.T) {
	b := newBench(t, 3)
	for _, m := range b.machine {
		m.node.opts.ExpectedMembers = 4 // so that nobody founds: what follows cannot come about by itself.
	}
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.cut = func(from, to string) bool { return (from == "n3") != (to == "n3") }
	for _, i := range []int{0, 2} {
		b.within(i, func(n *Node) {
			adopted := &voting.Config{Epoch: 1, Founding: n.NewUUID(), Voters: []slot.ID{n.Self}}
			require.NoError(t, n.configuration.HandleConfigIs(n.Peers[0], &wire.ConfigIs{Config: adopted}))
		})
	}
	b.run(20*time.Second, func() bool { return b.machine[1].node.InForce != nil })
	b.do(2, contract.OpPut, "b", "of n3")
	b.cut = nil
	b.run(time.Minute, func() bool {
		return b.machine[0].node.Counters.OtherFounding > 0 && b.machine[2].node.Counters.OtherFounding > 0 &&
			b.members(3)
	})
	b.run(time.Minute, nil)
	require.Empty(t, b.shows(0, "b"))
	require.NotEqual(t, b.machine[0].node.InForce.Founding, b.machine[2].node.InForce.Founding)
}
