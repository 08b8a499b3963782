package node

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
)

// rots damages a record on a disk.
func (b *bench) rots(i int, path string) {
	raw := slices.Clone(b.machine[i].get(schema.PrefixRecord + path))
	raw[len(raw)/2] ^= 1
	b.machine[i].put(schema.PrefixRecord+path, raw)
	if b.machine[i].replica.Up() {
		b.machine[i].node.ForgetRecent(path)
	}
}

func (b *bench) blind(i int, path string) bool {
	c := b.slot(i, path).Consensus
	return c != nil && c.Blind
}

// A voter whose slot rotted does not say what it had, and the others go on without it. The next record that it accepts
// makes it one that sees.
func TestARottenVoterIsBlindUntilItAccepts(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "one", always).Code)
	b.run(time.Minute, b.same)
	b.rots(1, "a")
	b.run(10*time.Minute, b.same) // a peer's copy replaces it.
	require.True(t, b.blind(1, "a"))
	require.Equal(t, "one", b.shows(1, "a"))
	require.Equal(t, contract.CodeOK, b.doLinear(1, contract.OpGet, "a", "", always).Code)
	require.True(t, b.blind(1, "a"), "a read that finds a majority agreed writes nothing")
	b.crash(2)
	b.run(time.Minute, nil)
	r := b.doLinear(0, contract.OpPut, "a", "two", always)
	require.Equal(t, contract.CodeNoQuorum, r.Code, "of three voters, two have to see")
	require.Equal(t, contract.OutcomeNotApplied, r.Outcome)
	b.start(2)
	b.run(time.Minute, nil)
	require.Equal(t, contract.CodeOK, b.doLinear(1, contract.OpPut, "a", "two", always).Code)
	b.run(time.Minute, b.same)
	require.False(t, b.blind(1, "a"))
	b.crash(2)
	b.run(time.Minute, nil)
	require.Equal(t, "two", string(b.doLinear(0, contract.OpGet, "a", "", always).Record.Value))
}

// Of two voters one that sees is enough, no matter who asks and what the other one has forgotten in a restart.
func TestOneOfTwoVotersSees(t *testing.T) {
	for _, asks := range []int{0, 1} {
		for _, repaired := range []bool{false, true} {
			b := founded(t, 2)
			require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "one", always).Code)
			b.run(time.Minute, b.same)
			b.crash(1)
			b.rots(1, "a")
			b.start(1)
			if repaired {
				b.run(10*time.Minute, b.same)
			} else {
				b.run(100*time.Millisecond, nil)
			}
			r := b.doLinear(asks, contract.OpGet, "a", "", always)
			require.Equal(t, contract.CodeOK, r.Code, r.Detail)
			require.Equal(t, "one", string(r.Record.Value))
			require.False(t, b.blind(1, "a"), "the read has written it once more")
			require.Equal(t, contract.CodeOK, b.doLinear(asks, contract.OpPut, "a", "two", always).Code)
			b.rots(0, "a")
			r = b.doLinear(asks, contract.OpGet, "a", "", always)
			require.Equal(t, "two", string(r.Record.Value), "now it is the other one that sees")
		}
	}
}

// What a voter promised before its slot rotted stands, also after a restart: no lower ballot is accepted.
func TestRotForgetsNoPromise(t *testing.T) {
	b := founded(t, 2)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "one", always).Code)
	b.run(time.Minute, b.same)
	held := b.slot(1, "a").Consensus
	b.crash(1)
	b.rots(1, "a")
	b.start(1)
	b.run(10*time.Minute, b.same)
	require.True(t, b.blind(1, "a"))
	require.Positive(t, b.slot(1, "a").Consensus.Promised.Compare(held.Promised))
	require.Positive(t, b.slot(1, "a").Consensus.Promised.Compare(held.Ballot))
}

// A voter that is blind since a former epoch sees again once it has caught up with voters that see: the others may be
// demoted then.
func TestCatchingUpMakesAVoterSee(t *testing.T) {
	b := founded(t, 2)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "one", always).Code)
	b.run(time.Minute, b.same)
	b.rots(1, "a")
	b.run(10*time.Minute, b.same)
	require.True(t, b.blind(1, "a"))
	b.nextReq++
	b.step(1, &contract.Request{ID: b.nextReq, Op: contract.OpDemote, Level: contract.Linearizable, Hold: true,
		Path: b.machine[0].node.Self.String(), Deadline: b.now + 10*time.Second})
	b.run(time.Minute, func() bool {
		s := b.machine[1].node.Status()
		return len(s.Config.Voters) == 1 && s.CaughtUp == s.Config.Epoch
	})
	b.run(time.Second, nil)
	require.False(t, b.blind(1, "a"))
	b.crash(0)
	r := b.doLinear(1, contract.OpGet, "a", "", always)
	require.Equal(t, contract.CodeOK, r.Code, r.Detail)
	require.Equal(t, "one", string(r.Record.Value))
}
