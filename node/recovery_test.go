package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/node/voting"
	"kvs/sim/memstore"
)

// recoverAt replaces the voters in the store of a machine that is down.
func (b *bench) recoverAt(i int, draw uint32, voters ...int) *voting.Config {
	b.t.Helper()
	m := b.machine[i]
	r, err := InspectRecovery(m.store)
	require.NoError(b.t, err)
	require.Equal(b.t, m.node.Self, r.ID)
	var ids []slot.ID
	for _, v := range voters {
		ids = append(ids, b.machine[v].node.Self)
	}
	c, ops, err := r.Recover(ids, slot.UUID{15: byte(draw)}, draw)
	require.NoError(b.t, err)
	require.NoError(b.t, m.store.Apply(ops))
	return c
}

// Three of five voters are lost for ever. The two survivors are made the voters on one of them; the other one takes
// that over, brings what it holds, and linearizable operations are possible again.
func TestVotersAreRecovered(t *testing.T) {
	b := founded(t, 5)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "everywhere", always).Code)
	b.run(time.Second, nil)
	for i := 2; i < 5; i++ {
		b.crash(i)
	}
	require.Equal(t, contract.CodeNoQuorum, b.doLinear(0, contract.OpGet, "a", "", always).Code)
	before := b.machine[1].node.InForce
	b.crash(0)
	c := b.recoverAt(0, 7, 0, 1)
	require.Equal(t, []slot.UUID{before.Founding}, c.Former)
	require.Greater(t, c.Epoch, before.Epoch)
	b.start(0)
	b.run(time.Minute, func() bool {
		return b.machine[1].node.InForce.Founding == c.Founding && b.machine[1].node.CaughtUp == c.Epoch
	})
	require.Equal(t, "everywhere", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value))
	require.Equal(t, contract.CodeOK, b.doLinear(0, contract.OpPut, "a", "after", always).Code)

	// A voter of before that comes back takes the configuration over, without a vote, and becomes a voter as everybody
	// does.
	b.start(2)
	b.run(time.Minute, func() bool { return b.machine[2].node.InForce.Founding == c.Founding })
	b.run(2*time.Minute, func() bool { return b.machine[0].node.InForce.Votes(b.machine[2].node.Self) })
	require.Equal(t, []slot.UUID{before.Founding}, b.machine[2].node.InForce.Former,
		"a change of voters keeps what the founding took the place of")
	require.Equal(t, "after", string(b.doLinear(2, contract.OpGet, "a", "", always).Record.Value))
	for i := range 3 {
		require.Zero(t, b.machine[i].node.Counters.OtherFounding)
	}

	// And it can happen again.
	for i := range 3 {
		b.crash(i)
	}
	again := b.recoverAt(1, 3, 1)
	require.Equal(t, []slot.UUID{before.Founding, c.Founding}, again.Former)
	b.start(1)
	// nobody is there to vouch for it.
	b.run(2*vouchWait, func() bool { return b.machine[1].node.Mode() == contract.ModeNormal })
	require.Equal(t, "after", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value))
	b.start(3) // knows the first founding alone.
	b.run(time.Minute, func() bool { return b.machine[3].node.InForce.Founding == again.Founding })
}

// What one of the survivors has is not lost when all of them are chosen: none takes part before it holds what all of
// them hold. One that has fetched everything stands for the others.
func TestRecoveryKeepsWhatAChosenVoterHas(t *testing.T) {
	b := founded(t, 7)
	require.Equal(t, contract.CodeCreated, b.doLinear(2, contract.OpPut, "a", "one", always).Code)
	b.run(2*time.Second, nil)
	b.cut = func(from, to string) bool { return from == "n1" || to == "n1" || from == "n2" || to == "n2" }
	require.Equal(t, contract.CodeOK, b.doLinear(2, contract.OpPut, "a", "two", always).Code)
	for i := range 7 {
		b.crash(i)
	}
	b.cut = nil
	c := b.recoverAt(0, 7, 0, 1, 2)
	b.start(0)
	b.start(1)
	b.run(time.Minute, func() bool { return b.machine[1].node.InForce.Founding == c.Founding })
	b.run(10*time.Second, nil)
	r := b.doLinear(0, contract.OpGet, "a", "", always)
	require.Equal(t, contract.CodeNoQuorum, r.Code, "a majority of the chosen voters is there, but n3 alone has "+
		"the last write")
	require.Contains(t, r.Detail, "of which "+b.machine[2].node.Self.String()+" are missing")
	require.Contains(t, r.Detail, "kvs recover --voters")
	r = b.doLinear(1, contract.OpPut, "a", "three", always)
	require.Equal(t, contract.OutcomeNotApplied, r.Outcome)
	for _, i := range []int{0, 1} {
		b.nextReq++
		b.step(i, &contract.Request{ID: b.nextReq, Op: contract.OpGet, Level: contract.Quorum, Path: "a",
			Deadline: b.now + time.Second})
		require.Equal(t, contract.CodeNoQuorum, b.machine[i].replies[b.nextReq].Code)
	}

	// n3 tells n1 everything, and is lost: n2 can have it from n1.
	b.cut = func(from, to string) bool { return from == "n2" && to == "n3" || from == "n3" && to == "n2" }
	b.start(2)
	b.run(time.Minute, func() bool { return b.machine[0].node.CaughtUp == c.Epoch })
	b.crash(2)
	b.run(time.Minute, func() bool { return b.machine[1].node.CaughtUp == c.Epoch })
	require.Equal(t, "two", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value))
}

// A chosen voter that is lost as well stands against everything, until the voters are replaced again without it.
func TestRecoveryWithoutALostSurvivor(t *testing.T) {
	b := founded(t, 5)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "kept", always).Code)
	b.run(2*time.Second, nil)
	for i := range 5 {
		b.crash(i)
	}
	c := b.recoverAt(0, 7, 0, 1, 2)
	b.start(0)
	b.start(1)
	b.run(time.Minute, func() bool { return b.machine[1].node.InForce.Founding == c.Founding })
	b.run(time.Minute, nil)
	require.Equal(t, contract.CodeNoQuorum, b.doLinear(0, contract.OpGet, "a", "", always).Code)
	b.crash(0)
	r, err := InspectRecovery(b.machine[0].store)
	require.NoError(t, err)
	require.Equal(t, 3, r.Needed(), "a majority is there, and it is not enough")
	again := b.recoverAt(0, 8, 0, 1)
	b.start(0)
	b.run(time.Minute, func() bool {
		return b.machine[0].node.CaughtUp == again.Epoch &&
			b.machine[1].node.CaughtUp == again.Epoch
	})
	require.Equal(t, "kept", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value))
	b.crash(0)
	r, err = InspectRecovery(b.machine[0].store)
	require.NoError(t, err)
	require.Equal(t, 2, r.Needed())
}

// Two members recovered each for itself are two clusters, and say so; whoever was in neither follows the first that it
// meets.
func TestRivalRecoveriesStayApart(t *testing.T) {
	b := founded(t, 3)
	b.run(time.Second, nil)
	for i := range 3 {
		b.crash(i)
	}
	one, two := b.recoverAt(0, 1, 0), b.recoverAt(1, 2, 1)
	require.NotEqual(t, one.Epoch, two.Epoch)
	for i := range 3 {
		b.start(i)
	}
	b.run(time.Minute, func() bool {
		return b.machine[0].node.Counters.OtherFounding > 0 && b.machine[1].node.Counters.OtherFounding > 0
	})
	b.run(time.Minute, func() bool { return len(b.machine[2].node.InForce.Former) == 1 })
	b.run(30*time.Second, nil)
	require.Equal(t, one.Founding, b.machine[0].node.InForce.Founding)
	require.Equal(t, two.Founding, b.machine[1].node.InForce.Founding)
	require.False(t, b.machine[0].node.InForce.Votes(b.machine[1].node.Self))
	require.False(t, b.machine[1].node.InForce.Votes(b.machine[0].node.Self))
}

func TestRecoveriesRefused(t *testing.T) {
	_, err := InspectRecovery(memstore.New())
	require.ErrorContains(t, err, "has never run")

	b := founded(t, 1)
	b.run(time.Second, nil)
	r, err := InspectRecovery(b.machine[0].store)
	require.NoError(t, err)
	require.Equal(t, "test", r.Cluster)
	founding := slot.UUID{1}
	r.Members = []swim.Member{{ID: 8, State: swim.Dead}, {ID: 9, State: swim.Removed, GoneAt: 1}}
	for want, voters := range map[string][]slot.ID{
		"0 voters":            nil,
		"must be one of":      {8},
		"never heard of":      {r.ID, 7},
		"left or was removed": {r.ID, 9},
	} {
		_, _, err := r.Recover(voters, founding, 1)
		require.ErrorContains(t, err, want)
	}
	c, _, err := r.Recover([]slot.ID{r.ID, 8, r.ID}, founding, 1<<31)
	require.NoError(t, err)
	require.Len(t, c.Voters, 2)
	require.EqualValues(t, 1<<recoveryEpochShift, c.Epoch, "only 20 bits are drawn")
	r.Config = nil
	_, _, err = r.Recover([]slot.ID{r.ID}, founding, 1)
	require.ErrorContains(t, err, "never founded")
	r.Config = &voting.Config{Epoch: 1, Former: make([]slot.UUID, voting.FoundingsMax)}
	_, _, err = r.Recover([]slot.ID{r.ID}, founding, 1)
	require.ErrorContains(t, err, "which is the most")
}

func TestConfigSections(t *testing.T) {
	plain := voting.Config{Epoch: 3, Founding: slot.UUID{1}, Previous: []slot.ID{1, 2}, Voters: []slot.ID{1}}
	recovered := plain
	recovered.Former = []slot.UUID{{7}, {8}}
	both := recovered
	both.Strong = []string{"/", "a/b/"}
	for _, c := range []voting.Config{plain, recovered, both} {
		r := codec.Read(voting.Append(nil, &c))
		require.Equal(t, &c, voting.Read(r))
		require.NoError(t, r.End())
	}
	encoded := string(voting.Append(nil, &plain))
	former := strings.TrimPrefix(string(voting.Append(nil, &recovered)), encoded)
	for what, bad := range map[string]string{
		"a section of a newer kvs": "\x63", "a section without content": "\x01",
		"an empty section": "\x01\x00\x00\x00\x00", "a section twice": former + former,
		"cut short": former[:len(former)-1],
	} {
		r := codec.Read([]byte(encoded + bad))
		voting.Read(r)
		require.Error(t, r.End(), what)
	}
}

// A removal that was a mistake is taken back on all members, while they are stopped.
func TestARemovalIsTakenBack(t *testing.T) {
	b := founded(t, 3)
	b.do(0, contract.OpPut, "a", "v")
	b.run(5*time.Second, func() bool { return b.shows(2, "a") == "v" })
	id := b.machine[2].node.Self
	b.step(0, &contract.Remove{ID: id, Force: true})
	b.run(20*time.Second, func() bool { return b.machine[2].node.membership.Gone() && b.state(1, id) == "removed" })
	b.run(time.Second, nil)
	for i := range 3 {
		b.crash(i)
	}
	for i := range 3 {
		r, err := InspectRecovery(b.machine[i].store)
		require.NoError(t, err)
		_, err = r.NotRemoved([]slot.ID{12345})
		require.ErrorContains(t, err, "never heard of")
		change, err := r.NotRemoved([]slot.ID{id})
		require.NoError(t, err)
		require.NoError(t, b.machine[i].store.Apply([]contract.Change{change}))
	}
	for i := range 3 {
		b.start(i)
	}
	b.run(time.Minute, func() bool { return b.members(3) && b.machine[2].node.Mode() == contract.ModeNormal })
	b.do(2, contract.OpPut, "b", "back")
	b.run(20*time.Second, func() bool { return b.shows(0, "b") == "back" && b.machine[0].node.InForce.Votes(id) })
}
