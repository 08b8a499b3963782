package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
)

// A member that stands in for one whose store lost data still knows so after a restart: it does not serve what it has
// when nobody answers for a while, and it removes its former identity when it has everything.
func TestAStandInGoesOnAfterARestart(t *testing.T) {
	b := founded(t, 3)
	b.do(0, contract.OpPut, "a", "v")
	b.run(5*time.Second, func() bool { return b.shows(2, "a") == "v" })
	former := b.machine[2].node.Self
	b.crash(2)
	b.wipe(2)
	b.newcomers = true
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	b.startWith(2, func(o *Options) { o.Lost = &Lost{Former: []slot.ID{former}} })
	self := b.machine[2].node.Self
	require.NotEqual(t, former, self)
	b.run(time.Second, nil) // its identity is on disk.

	b.crash(2)
	b.start(2)
	m := b.machine[2]
	require.Equal(t, self, m.node.Self)
	require.True(t, m.node.Status().Lost)
	b.run(time.Minute, nil)
	require.Equal(t, contract.ModeSyncing, m.node.Mode(), "others know better")
	require.Contains(t, m.node.Status().ModeReasons[0], "in the place of "+former.String())

	b.cut = nil
	b.run(time.Minute, func() bool { return m.node.Mode() == contract.ModeNormal && !m.node.Status().Lost })
	require.Equal(t, "v", b.shows(2, "a"))
	require.Equal(t, "removed", b.state(0, former))
	b.run(time.Second, nil) // that is on disk.
	b.crash(2)
	b.start(2)
	require.False(t, m.node.Status().Lost, "all that is done")
}
