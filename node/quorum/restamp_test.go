package quorum

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step/steptest"
	"kvs/node/wire"
)

// covered is the word of a member that it holds a higher version than what it was asked to store.
func (a *alone) covered(from slot.ID, ask wire.Body, above slot.Timestamp) {
	a.Step(func() {
		_ = a.HandleCovered(a.Bench.Peer(from), &wire.Covered{Op: ask.(*wire.Store).Op, Epoch: 7, Above: above})
	})
}

// write begins a write of five voters, and returns its question and its version.
func (a *alone) write() (ask wire.Body, ts slot.Timestamp) {
	a.Vote(7, 1, 2, 3, 4, 5)
	a.begin(contract.OpPut, contract.Quorum, "one")
	ask = a.Sent(wire.KindStore)[0].Body
	return ask, versionIn(ask)
}

func versionIn(ask wire.Body) slot.Timestamp {
	s, err := slot.Decode("a", ask.(*wire.Store).Record)
	if err != nil {
		panic(err)
	}
	return s.Top()
}

// Another write was answered before this one began: a majority holds it, and no majority can say otherwise.
func TestAWriteBelowAnAnsweredOneIsStampedAnew(t *testing.T) {
	a := newAlone(t)
	ask, ts := a.write()
	a.covered(2, ask, ts+1000)
	a.covered(3, ask, ts+2000)
	require.Empty(t, a.Replies)
	a.Silent()
	a.covered(4, ask, ts+1000)
	again := a.Sent(wire.KindStore)
	require.Equal(t, []slot.ID{2, 3, 4, 5}, steptest.Receivers(again))
	require.Greater(t, versionIn(again[0].Body), ts+2000)
	require.Equal(t, a.Bench.Persists, again[0].After)
	require.EqualValues(t, 1, a.Bench.Counters.Restamped)

	for _, id := range []slot.ID{2, 3, 5} {
		a.stored(id, ask, 7)
	}
	require.Empty(t, a.Replies, "answers about the former version")
	a.stored(2, again[0].Body, 7)
	a.covered(3, again[0].Body, ts+9000) // of a write at the same time.
	require.Len(t, a.Replies, 1)
	require.Equal(t, contract.CodeCreated, a.Replies[0].Code)
	require.Equal(t, versionIn(again[0].Body), a.Replies[0].Record.TS)
	require.Equal(t, "one", string(a.Replies[0].Record.Value))
	require.Equal(t, again[0].After, a.Replies[0].After)
	require.EqualValues(t, 1, a.Bench.Counters.Restamped, "once")
	require.Equal(t, versionIn(again[0].Body), a.Replies[0].Record.TS)
}

// A majority without a higher version shows that no higher one was answered.
func TestAWriteWithAMajorityNeedsNoNewStamp(t *testing.T) {
	a := newAlone(t)
	ask, ts := a.write()
	a.covered(2, ask, ts+1000)
	a.stored(3, ask, 7)
	a.covered(4, ask, ts+1000)
	require.Empty(t, a.Replies)
	a.stored(5, ask, 7)
	require.Len(t, a.Replies, 1)
	require.Equal(t, ts, a.Replies[0].Record.TS)
	require.True(t, a.Idle(), "members with higher versions need no copy")
	require.Empty(t, a.queued)
	require.Zero(t, a.Bench.Counters.Restamped)
}

// Who is silent may hold the higher version, too: it is not waited for.
func TestAWriteDoesNotWaitForTheSilent(t *testing.T) {
	a := newAlone(t)
	ask, ts := a.write()
	a.covered(2, ask, ts+1000)
	a.Pass(a.Due() - a.Bench.Now.Mono)
	a.Step(a.Tick)
	again := a.Sent(wire.KindStore)
	require.Equal(t, []slot.ID{3, 4, 5}, steptest.Receivers(again), "two of five: it asks the others again")
	require.Equal(t, ts, versionIn(again[0].Body))
	a.stored(3, again[0].Body, 7)
	a.covered(4, again[0].Body, ts+1) // not more than two can be without a higher version, if member 5 has one.
	a.Pass(a.Due() - a.Bench.Now.Mono)
	a.Step(a.Tick)
	again = a.Sent(wire.KindStore)
	require.Equal(t, []slot.ID{2, 3, 4, 5}, steptest.Receivers(again))
	require.Greater(t, versionIn(again[0].Body), ts+1000)
}

// What this member asks to store is what it holds. When that is a higher version, the answers say nothing of the write.
func TestAWriteThatIsHiddenHereIsStampedAnew(t *testing.T) {
	a := newAlone(t)
	_, ts := a.write()
	newer := slot.Of(version(ts+1000, "newer"))
	a.Step(func() {
		require.NoError(t, a.HandleStore(a.Bench.Peer(2),
			&wire.Store{Op: 5, Epoch: 7, Entry: wire.Entry{Path: "a", Record: slot.Encode("a", &newer)}}))
	})
	a.Sent(wire.KindStored)
	a.Step(a.Restart)
	require.Greater(t, versionIn(a.Sent(wire.KindStore)[0].Body), ts+1000)
}

// A member says which version it holds above the one that it is to store.
func TestAMemberTellsOfAHigherVersion(t *testing.T) {
	a := newAlone(t)
	store := func(ts slot.Timestamp) (above slot.Timestamp) {
		s := slot.Of(version(ts, "x"))
		ask := &wire.Store{Op: 5, Epoch: 7, Entry: wire.Entry{Path: "a", Record: slot.Encode("a", &s)}}
		a.Step(func() { require.NoError(t, a.HandleStore(a.Bench.Peer(2), ask)) })
		if covered := a.Sent(wire.KindCovered); len(covered) > 0 {
			return covered[0].Body.(*wire.Covered).Above
		}
		require.Len(t, a.Sent(wire.KindStored), 1)
		return 0
	}
	require.Zero(t, store(80))
	require.Zero(t, store(80), "the same")
	require.EqualValues(t, 80, store(79))
	require.Zero(t, store(81))
}

// The write-back of a read has seen what was answered before the read began: what is higher came later.
func TestAReadIsNotStampedAnew(t *testing.T) {
	a := newAlone(t)
	a.begin(contract.OpGet, contract.Quorum, "")
	asked := a.Sent(wire.KindFetch)
	require.NoError(t, a.fetched(2, asked[0].Body, version(80, "newer")))
	back := a.Sent(wire.KindStore)
	a.covered(3, back[0].Body, 90)
	require.Len(t, a.Replies, 1)
	require.Equal(t, "newer", string(a.Replies[0].Record.Value))
}
