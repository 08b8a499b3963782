package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/register"
	"kvs/node/wire"
)

// forwarding is a founded cluster of three whose members know that they run operations for each other.
func forwarding(t *testing.T) *bench {
	b := emptyBench(t)
	b.forwards = true
	for range 3 {
		b.add()
	}
	for i := range 3 {
		b.start(i)
	}
	b.found(3)
	for i := range b.machine { // the answer to a look says so.
		require.Equal(t, contract.CodeNotFound, b.doLinear(i, contract.OpGet, "none", "", always).Code)
	}
	b.run(100*time.Millisecond, nil)
	return b
}

// forwards counts the operations that a member runs for others.
func (b *bench) forwardsIn(i int) uint64 { return b.machine[i].node.Counters.ForwardsIn }

// preferredOf writes a path through each member in turn until one of them runs the operations of the others.
func (b *bench) preferredOf(path string) int {
	b.t.Helper()
	for range 2 {
		for i := range b.machine {
			b.doLinear(i, contract.OpPut, path, "spread", always)
			b.run(50*time.Millisecond, nil)
		}
	}
	for i := range b.machine {
		if b.forwardsIn(i) > 0 {
			return i
		}
	}
	b.t.Fatal("nothing was forwarded")
	return 0
}

// A path that several members write has one proposer, and the others hand it what they are asked. It is killed, and
// they take over what it does not answer.
func TestTranscriptForwarded(t *testing.T) {
	b := forwarding(t)
	p := b.preferredOf("a")
	one, two := (p+1)%3, (p+2)%3
	b.say = &strings.Builder{}
	b.note("-- the preferred proposer writes without a prepare, for itself and for another member")
	require.Equal(t, contract.CodeOK, b.doLinear(p, contract.OpPut, "a", "own", always).Code)
	b.run(50*time.Millisecond, nil)
	require.Equal(t, contract.CodeOK, b.doLinear(one, contract.OpPut, "a", "forwarded", always).Code)
	b.run(50*time.Millisecond, nil)
	b.note("-- a condition that does not hold is answered by it as well, once a majority has been asked")
	r := b.doLinear(two, contract.OpPut, "a", "never", contract.Condition{Kind: contract.IfNoneMatch, Any: true})
	require.Equal(t, contract.CodePrecondition, r.Code)
	require.Equal(t, "forwarded", string(r.Record.Value))
	b.run(50*time.Millisecond, nil)
	b.note("-- it is killed: the write that was forwarded to it is taken over")
	b.crash(p)
	require.Equal(t, contract.CodeOK, b.doLinear(one, contract.OpPut, "a", "taken over", always).Code)
	require.EqualValues(t, 1, b.machine[one].node.Counters.ForwardsTakenOver)
	b.note("-- and the next one does not wait for it")
	require.Equal(t, contract.CodeOK, b.doLinear(one, contract.OpPut, "a", "next", always).Code)
	require.EqualValues(t, 1, b.machine[one].node.Counters.ForwardsTakenOver)
	transcript(t, b, "linearizable-forwarded.txt")
}

// A path goes to the member that has proposed there last, which needs no prepare, while its ballot may stand. After a
// pause it goes where the hash says, so that paths which one member has made do not all stay with it.
func TestForwardedToTheLastProposer(t *testing.T) {
	b := forwarding(t)
	paths := strings.Fields("a b c d e f g h i j k l")
	write := func(i int) {
		for _, path := range paths {
			r := b.doLinear(i, contract.OpPut, path, "v", always)
			require.Contains(t, []contract.Code{contract.CodeCreated, contract.CodeOK}, r.Code)
		}
		b.run(50*time.Millisecond, nil)
	}
	write(0)
	prepares := b.machine[0].node.Counters.RoundPrepares
	write(1)
	write(2)
	require.EqualValues(t, 2*len(paths), b.forwardsIn(0))
	require.Equal(t, prepares, b.machine[0].node.Counters.RoundPrepares)
	b.run(register.StandingAgeMax+time.Second, nil)
	write(1)
	require.NotZero(t, b.forwardsIn(2), "some of the paths prefer it")
	require.Less(t, b.forwardsIn(0), uint64(3*len(paths)), "and not all prefer this one")
}

// What became of a write whose answer was lost is found out, and it is not written twice.
func TestForwardedAnswerLost(t *testing.T) {
	b := forwarding(t)
	p := b.preferredOf("a")
	one := (p + 1) % 3
	b.lose = func(_ string, s contract.Send) bool { return wire.Kind(s.Data[1]) == wire.KindForwarded }
	r := b.doLinear(one, contract.OpPut, "a", "once", always)
	require.Equal(t, contract.CodeOK, r.Code)
	require.True(t, r.CreationUnknown, "the member that knew it was not heard")
	require.EqualValues(t, 1, b.machine[one].node.Counters.ForwardsTakenOver)
	b.lose = nil
	require.Equal(t, r.Record.UUID, b.doLinear(p, contract.OpGet, "a", "", always).Record.UUID)
}

// An answer that comes while the write that was taken over is being run is kept: where this member cannot tell whether
// the other one has applied the write, it does not wait until its time is up for an answer that has come.
func TestForwardedAnswerWhileTakenOver(t *testing.T) {
	b := forwarding(t)
	p := b.preferredOf("a")
	one := (p + 1) % 3
	var kept []byte
	b.lose = func(_ string, s contract.Send) bool {
		if wire.Kind(s.Data[1]) != wire.KindForwarded {
			return false
		}
		kept = s.Data
		return true
	}
	id := b.linear(one, contract.OpPut, "a", "once", always)
	b.run(time.Second, func() bool { return kept != nil })
	require.Equal(t, contract.CodeOK, b.doLinear(p, contract.OpPut, "a", "over it", always).Code)
	b.run(5*time.Second, func() bool { return b.machine[one].node.Counters.ForwardsTakenOver == 1 })
	require.NotContains(t, b.machine[one].replies, id)
	began := b.now
	b.step(one, &contract.Frame{Data: kept})
	b.run(10*time.Second, func() bool { _, ok := b.machine[one].replies[id]; return ok })
	require.Equal(t, contract.CodeOK, b.machine[one].replies[id].Code)
	require.Less(t, b.now-began, 100*time.Millisecond)
}

// A message that comes twice is run once, however late it comes.
func TestForwardedTwice(t *testing.T) {
	b := forwarding(t)
	p := b.preferredOf("a")
	one := (p + 1) % 3
	var kept []byte
	b.spy = func(_ string, s contract.Send) {
		if wire.Kind(s.Data[1]) == wire.KindForward {
			kept = s.Data
		}
	}
	require.Equal(t, contract.CodeOK, b.doLinear(one, contract.OpPut, "a", "first", always).Code)
	b.spy = nil
	require.NotEmpty(t, kept)
	last := b.doLinear(p, contract.OpPut, "a", "second", always).Record
	again := func() {
		t.Helper()
		b.step(p, &contract.Frame{Data: kept})
		b.run(time.Second, nil)
		require.Equal(t, last.UUID, b.doLinear(one, contract.OpGet, "a", "", always).Record.UUID)
	}
	again()
	b.crash(p)
	b.start(p)
	b.run(5*time.Second, nil)
	again()
}

// Members that run nothing for others, by their configuration or their version, are not asked to.
func TestForwardingIsOff(t *testing.T) {
	b := forwarding(t)
	for _, m := range b.machine {
		m.node.Tuning.Forwards = m.name == "n1"
	}
	for i := range b.machine {
		require.Contains(t, []contract.Code{contract.CodeCreated, contract.CodeOK},
			b.doLinear(i, contract.OpPut, "a", "spread", always).Code)
		b.run(50*time.Millisecond, nil)
	}
	for range 2 {
		require.Equal(t, contract.CodeOK, b.doLinear(0, contract.OpPut, "a", "own", always).Code)
		b.run(50*time.Millisecond, nil)
	}
	require.Zero(t, b.machine[1].node.Counters.ForwardsAnswered+b.machine[2].node.Counters.ForwardsAnswered)
}
