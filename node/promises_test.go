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

// A condition that is refused leaves nothing on the disk of a voter but the bound of its promises. The promise stands
// all the same, also after a restart: no ballot below it gets in, and no copy below it counts for an answer.
func TestPromisesWithoutRecordsOutliveARestart(t *testing.T) {
	b := founded(t, 3)
	b.run(2*time.Second, nil)
	require.Equal(t, contract.CodePrecondition,
		b.doLinear(0, contract.OpPut, "p", "x", contract.Condition{Kind: contract.IfMatch, Any: true}).Code)
	b.run(100*time.Millisecond, nil)
	promised := b.machine[1].node.Promised("p", slot.Ballot{})
	require.False(t, promised.IsZero())
	for _, m := range b.machine {
		for _, prefix := range []string{schema.PrefixRecord, schema.PrefixTombstone} {
			require.NoError(t, m.store.Scan(prefix, "", func(key string, _ []byte) bool {
				t.Errorf("%q is stored", key)
				return true
			}))
		}
	}
	below := promised
	below.TS--
	stands := func() {
		t.Helper()
		require.GreaterOrEqual(t, b.refused(1, "p", below).Compare(promised), 0)
	}
	stands()
	b.crash(1)
	b.start(1)
	b.run(20*time.Second, func() bool { return b.machine[1].node.HasVoice() })
	stands()
	b.crash(1)
	b.start(1)
	b.run(20*time.Second, func() bool { return b.machine[1].node.HasVoice() })
	stands()

	n := b.machine[1].node
	copied := slot.Slot{Consensus: &slot.Consensus{Promised: below, Ballot: below,
		Record: slot.Record{TS: below.TS, UUID: slot.UUID{1}, Origin: 1}}}
	_, err := n.replication.Merge(n.Peers[0], "p", slot.Encode("p", &copied))
	require.NoError(t, err)
	_, stored, err := n.CurrentSlot("p")
	require.NoError(t, err)
	require.True(t, stored.Consensus.Weak, "what stood below a promise is shown, and counts for nothing")
	b.doLinear(0, contract.OpPut, "p", "there", always)
	require.Equal(t, "there", string(b.doLinear(1, contract.OpGet, "p", "", always).Record.Value))
}

// A proposer that does not vote acknowledges a tombstone, and then prepares at two voters that do not have it yet. They
// restart, get the tombstone, and acknowledge it. The tombstone ends. What the proposer sends to be accepted must not
// bring the value back at the third voter.
func TestFenceCoversPromisesOfFormerRuns(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		b := endingBench(t)
		seen := b.watchTheEnd("n4", "n1")
		b.lose = func(from string, s contract.Send) bool {
			if s.Transport != contract.TransportFrame {
				return false
			}
			round := isFrame(s, wire.KindLook) || isFrame(s, wire.KindPrepare)
			switch {
			case accepts(s):
				return true
			case from == "n1" && (s.To == "n2" || s.To == "n3"):
				return true
			case from == "n4" && (s.To == "n2" || s.To == "n3"):
				return !round
			case from == "n4" && s.To == "n1":
				return round
			}
			return false
		}
		b.do(0, contract.OpDelete, "a", "")
		b.run(20*time.Second, func() bool { return seen.answered })
		require.Empty(t, b.shows(3, "a"))
		require.Equal(t, "one", b.shows(1, "a"))
		require.Equal(t, "one", b.shows(2, "a"))
		b.machine[3].wall = 5000
		b.linear(3, contract.OpGet, "a", "", always)
		b.run(2*time.Second, func() bool { return seen.accept != nil })
		if restarts {
			for _, i := range []int{1, 2} {
				b.crash(i)
				b.start(i)
			}
		}
		b.lose = func(from string, s contract.Send) bool { return accepts(s) }
		b.run(3*time.Second, func() bool {
			return b.machine[1].node.HasVoice() && b.machine[2].node.HasVoice() && b.shows(1, "a") == "" &&
				b.shows(2, "a") == ""
		})
		b.run(20*time.Millisecond, nil)
		for i, to := range []string{"n2", "n3"} {
			b.push(benchEvent{at: b.now, to: i + 1, input: &contract.Frame{Data: seen.asks[to]}})
		}
		dropped := func(i int) bool { return b.machine[i].get(schema.PrefixRecord+"a") == nil }
		b.run(500*time.Millisecond, nil)
		b.run(2*time.Second, func() bool { return dropped(0) && dropped(1) && dropped(2) && dropped(3) })
		b.step(0, &contract.Frame{Data: seen.accept})
		b.run(time.Second, nil)
		b.lose = nil
		b.run(time.Minute, nil)
		for i := range b.machine {
			require.Empty(t, b.shows(i, "a"), "n%d, restarts: %v", i+1, restarts)
		}
	}
}

// The clock of a member jumps ahead by a day, and it prepares before anybody notices. The two others restart, and it
// stays away. A member whose clock is right goes on to write on other paths.
func TestAFloorFarAheadIsBelieved(t *testing.T) {
	b := newBenchWith(t, 4, nil)
	b.found(4)
	b.demoteLast()
	b.machine[0].wall = (24 * time.Hour).Milliseconds()
	b.doLinear(0, contract.OpPut, "p", "x", contract.Condition{Kind: contract.IfMatch, Any: true})
	b.run(50*time.Millisecond, nil)
	b.crash(0)
	for _, i := range []int{1, 2} {
		b.crash(i)
		b.start(i)
	}
	b.run(20*time.Second, func() bool { return b.machine[1].node.HasVoice() && b.machine[2].node.HasVoice() })
	b.run(10*time.Second, nil)
	require.Equal(t, contract.CodeCreated, b.doLinear(3, contract.OpPut, "other", "v", always).Code)
}

// endingBench is a cluster of four members, of which three vote, that hold a value under a.
func endingBench(t *testing.T) *bench {
	b := newBenchWith(t, 4, grace(time.Second))
	b.found(4)
	b.demoteLast()
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "a", "one").Code)
	b.run(time.Minute, b.same)
	return b
}

// theEnd is what was seen of the end of a tombstone, and of a round beside it.
type theEnd struct {
	asks     map[string][]byte // the last question for an acknowledgement, by the member that it is for.
	answered bool              // one member has acknowledged it,
	accept   []byte            // and this is the ACCEPT of the fourth member to another one.
}

// watchTheEnd watches for the acknowledgement of a member, and the ACCEPT to one.
func (b *bench) watchTheEnd(acknowledges, acceptor string) *theEnd {
	seen := &theEnd{asks: map[string][]byte{}}
	b.spy = func(from string, s contract.Send) {
		switch {
		case isFrame(s, wire.KindCollectAsk):
			seen.asks[s.To] = slices.Clone(s.Data)
		case isFrame(s, wire.KindCollectAnswer) && from == acknowledges:
			seen.answered = true
		case accepts(s) && from == "n4" && s.To == acceptor && seen.accept == nil:
			seen.accept = slices.Clone(s.Data)
		}
	}
	return seen
}

// isFrame reports whether a message is a frame of a kind.
func isFrame(s contract.Send, k wire.Kind) bool {
	return s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == k
}

// demoteLast takes its vote from the fourth member of four.
func (b *bench) demoteLast() {
	b.nextReq++
	b.step(0, &contract.Request{ID: b.nextReq, Op: contract.OpDemote, Level: contract.Linearizable, Hold: true,
		Path: b.machine[3].node.Self.String(), Deadline: b.now + 10*time.Second})
	b.run(time.Minute, b.allVote(0, 1, 2))
	b.run(10*time.Second, nil)
}
