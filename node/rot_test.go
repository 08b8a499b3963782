package node

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
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

// late is a frame of machine i with what it holds under a path now, to be delivered when that is old.
func (b *bench) late(i int, path string) *contract.Frame {
	record := slices.Clone(b.machine[i].get(schema.PrefixRecord + path))
	return &contract.Frame{Data: b.machine[i].node.Frame(wire.KindReplicate,
		&wire.Replicate{Entries: []wire.Entry{{Path: path, Record: record}}})}
}

// levels calls fn for each level.
func levels(fn func(level contract.Level)) {
	for _, l := range []contract.Level{contract.Eventual, contract.Quorum, contract.Linearizable} {
		fn(l)
	}
}

// A tombstone that rots is made anew from the list of tombstones: a copy that was on its way since before the delete
// does not take its place.
func TestARottenTombstoneIsNoOlderValue(t *testing.T) {
	levels(func(level contract.Level) {
		for _, restarts := range []bool{false, true} {
			b := founded(t, 3)
			require.Equal(t, contract.CodeCreated, b.doAt(0, contract.OpPut, level, "a", "one").Code)
			b.run(time.Minute, b.same)
			late := b.late(0, "a")
			b.doAt(0, contract.OpDelete, level, "a", "")
			b.run(time.Minute, b.same)
			if restarts {
				b.crash(1)
				b.rots(1, "a")
				b.start(1)
			} else {
				b.rots(1, "a")
			}
			b.step(1, late)
			b.run(100*time.Millisecond, nil)
			require.Empty(t, b.shows(1, "a"))
			require.True(t, b.blind(1, "a"))
			b.run(10*time.Minute, b.same)
			require.True(t, b.same())
		}
	})
}

// All members acknowledge a tombstone, and all but one drop it, and forget that they have. Then it rots at the one
// that has not heard, and an older copy arrives there: the value does not come back.
func TestRotAfterTheAcknowledgementBringsNothingBack(t *testing.T) {
	levels(func(level contract.Level) {
		b := newBenchWith(t, 3, grace(time.Second))
		b.found(3)
		require.Equal(t, contract.CodeCreated, b.doAt(0, contract.OpPut, level, "a", "one").Code)
		b.run(time.Minute, b.same)
		late := b.late(0, "a")
		b.lose = func(from string, s contract.Send) bool {
			return s.To == "n2" && s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == wire.KindCollected
		}
		b.doAt(0, contract.OpDelete, level, "a", "")
		dropped := func(i int) bool { return b.machine[i].get(schema.PrefixRecord+"a") == nil }
		b.run(time.Minute, func() bool { return dropped(0) && dropped(2) })
		require.True(t, dropped(0) && dropped(2))
		require.False(t, dropped(1), "it has acknowledged the tombstone, and not heard of the end")
		for _, i := range []int{0, 2} {
			b.crash(i)
			b.start(i)
		}
		b.lose = nil
		b.rots(1, "a")
		b.step(1, late)
		b.run(5*time.Minute, nil)
		for i := range b.machine {
			require.Empty(t, b.shows(i, "a"), "%s at n%d", level, i+1)
		}
		b.run(time.Minute, b.same)
		require.True(t, b.same())
	})
}

// A member on which a tombstone has rotted since all acknowledged it takes it out, too, when it hears of the end. It
// stays blind: it may have accepted something since.
func TestTheEndReachesARottenTombstone(t *testing.T) {
	levels(func(level contract.Level) {
		b := newBenchWith(t, 3, grace(time.Second))
		b.found(3)
		require.Equal(t, contract.CodeCreated, b.doAt(0, contract.OpPut, level, "a", "one").Code)
		b.run(time.Minute, b.same)
		lost := true
		b.lose = func(from string, s contract.Send) bool {
			return lost && s.To == "n2" && s.Transport == contract.TransportFrame &&
				wire.Kind(s.Data[1]) == wire.KindCollected
		}
		b.doAt(0, contract.OpDelete, level, "a", "")
		dropped := func(i int) bool { return b.machine[i].get(schema.PrefixRecord+"a") == nil }
		b.run(time.Minute, func() bool { return dropped(0) && dropped(2) })
		b.rots(1, "a")
		remade := func() bool { return b.logged(1, "a tombstone that was damaged is made anew") }
		b.run(5*time.Minute, remade)
		require.True(t, remade())
		lost = false
		b.run(time.Second, nil) // it is on the disk.
		digest := func(i int) uint64 { return b.machine[i].node.comparison.Digest() }
		b.run(5*time.Minute, func() bool { return !b.holds(1, "a") && digest(1) == digest(0) })
		require.True(t, b.blind(1, "a"))
		require.True(t, dropped(0) && dropped(2), "it has not brought it back there")
		require.Equal(t, contract.CodeCreated, b.doLinear(1, contract.OpPut, "a", "two", always).Code)
		b.run(time.Minute, b.same)
		require.False(t, b.blind(1, "a"))
	})
}

// holds reports whether a machine has a version under a path.
func (b *bench) holds(i int, path string) bool {
	s := b.slot(i, path)
	return s.Exists()
}

// What was written over a tombstone is newer than the copy in the list: it is not taken for deleted when it rots.
func TestRotOverATombstoneIsNoDelete(t *testing.T) {
	b := founded(t, 2)
	b.do(0, contract.OpPut, "a", "one")
	b.run(time.Minute, b.same)
	late := b.late(0, "a")
	b.do(0, contract.OpDelete, "a", "")
	b.run(time.Minute, b.same)
	b.do(0, contract.OpPut, "a", "two")
	b.run(time.Minute, b.same)
	b.crash(0)
	b.rots(1, "a")
	b.run(time.Minute, nil)
	require.Equal(t, contract.CodeCorrupt, b.do(1, contract.OpGet, "a", "").Code, "the scrub has seen it")
	b.step(1, late)
	b.run(time.Second, nil)
	require.Empty(t, b.shows(1, "a"), "what is older than the tombstone does not come back either")
	b.start(0)
	b.run(time.Minute, b.same)
	require.Equal(t, "two", b.shows(1, "a"))
}

// A client that writes where a tombstone has rotted gets a version above the tombstone, whatever the clock says.
func TestAWriteOverARottenTombstoneIsAboveIt(t *testing.T) {
	b := founded(t, 2)
	b.machine[0].wall = (10 * time.Second).Milliseconds()
	del := b.do(0, contract.OpDelete, "a", "")
	b.run(time.Minute, b.same)
	b.crash(0)
	b.crash(1)
	b.rots(1, "a")
	b.start(1)
	b.run(20*time.Second, b.mode(1, contract.ModeNormal))
	put := b.do(1, contract.OpPut, "a", "two")
	require.Equal(t, contract.CodeCreated, put.Code, put.Detail)
	require.Greater(t, put.Record.TS, del.Record.TS)
}

// A conflict in which a delete lost stays as it was settled when it rots: a copy of the delete alone would be a vote.
func TestARottenConflictKeepsItsVotes(t *testing.T) {
	put := slot.Record{TS: 9, UUID: slot.UUID{2}, Origin: 2, Value: []byte("x")}
	del := slot.Record{TS: 9, UUID: slot.UUID{1}, Origin: 1, Tombstone: true}
	s := slot.Of(&put)
	more := slot.Of(&del)
	s.Votes = []slot.Vote{{Member: 2, UUID: put.UUID}, {Member: 3, UUID: put.UUID}}
	more.Votes = []slot.Vote{{Member: 1, UUID: del.UUID}}
	s.Union(&more)
	record := slot.Encode("a", &s)
	require.Equal(t, record, slot.Remnant("a", record))
	s.Candidates[1].Value = make([]byte, 2<<10)
	require.Nil(t, slot.Remnant("a", slot.Encode("a", &s)))
}

// A voter that has acknowledged a tombstone loses its record to rot, and then accepts a record of a round that has its
// promises from before the tombstone came to the other voters. What it accepts does not bring the value back.
func TestAnAcceptOverARottenTombstoneKeepsIt(t *testing.T) {
	for _, rot := range []bool{false, true} {
		b := endingBench(t)
		seen := b.watchTheEnd("n3", "n3")
		b.lose = func(from string, s contract.Send) bool {
			if s.Transport != contract.TransportFrame {
				return false
			}
			round := isFrame(s, wire.KindLook) || isFrame(s, wire.KindPrepare)
			late := s.To == "n1" || s.To == "n2"
			switch {
			case accepts(s):
				return true
			case from == "n3" && late:
				return true
			case from == "n4" && late:
				return !round
			case from == "n4" && s.To == "n3":
				return round
			}
			return false
		}
		b.do(3, contract.OpDelete, "a", "")
		b.run(20*time.Second, func() bool { return seen.answered })
		require.Empty(t, b.shows(2, "a"))
		require.Equal(t, "one", b.shows(0, "a"))
		require.Equal(t, "one", b.shows(1, "a"))
		b.machine[3].wall = 5000
		b.linear(3, contract.OpGet, "a", "", always)
		b.run(2*time.Second, func() bool { return seen.accept != nil })
		b.lose = func(from string, s contract.Send) bool {
			return accepts(s) || s.To == "n3" && s.Transport == contract.TransportFrame
		}
		b.run(3*time.Second, func() bool { return b.shows(0, "a") == "" && b.shows(1, "a") == "" })
		b.run(20*time.Millisecond, nil)
		for i, to := range []string{"n1", "n2"} {
			b.push(benchEvent{at: b.now, to: i, input: &contract.Frame{Data: seen.asks[to]}})
		}
		dropped := func(i int) bool { return b.machine[i].get(schema.PrefixRecord+"a") == nil }
		b.run(2*time.Second, func() bool { return dropped(0) && dropped(1) && dropped(3) })
		require.False(t, dropped(2))
		if rot {
			b.rots(2, "a")
		}
		b.step(2, &contract.Frame{Data: seen.accept})
		b.run(100*time.Millisecond, nil)
		require.Empty(t, b.shows(2, "a"), "rot: %v", rot)
		b.lose = nil
		b.run(time.Minute, nil)
		for i := range b.machine {
			require.Empty(t, b.shows(i, "a"), "n%d, rot: %v", i+1, rot)
		}
	}
}
