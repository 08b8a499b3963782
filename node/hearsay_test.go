package node

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/slot"
	"kvs/node/voting"
	"kvs/node/wire"
)

// forge hands machine i a frame in the name of machine `as`, which that one has never sealed.
func (b *bench) forge(i, as int, kind wire.Kind, m wire.Body) {
	n := b.machine[as].node
	forger := &Node{}
	forger.Self, forger.Cluster, forger.Founded = n.Self, n.Cluster, n.Founded
	forger.Boots, forger.Sealed = n.Boots, n.Sealed+1_000_000
	b.step(i, &contract.Frame{Data: forger.Frame(kind, m)})
}

// What one forged frame says does no lasting harm: not the epoch, not the stamps and the fence, not the voters that
// have caught up, not the clock.
func TestForgedFrames(t *testing.T) {
	b := founded(t, 3)
	b.do(0, contract.OpPut, "a", "v")
	b.run(5*time.Second, b.same)
	n, other := b.machine[0].node, b.machine[1].node
	epoch, clock := n.Epoch(), n.HLC.Last()
	far := hlc.Make(n.Now.Wall+time.Hour.Milliseconds()*24*365, 0)
	r := sampleRecord()
	r.TS = far
	ballot := slot.Ballot{Epoch: epoch, TS: far, Member: other.Self}
	entry := wire.Entry{Path: "a", Record: encodeRecord("a", &r)}
	for _, f := range []struct {
		kind wire.Kind
		body wire.Body
	}{
		{wire.KindConfigIs, &wire.ConfigIs{Config: &voting.Config{
			Epoch: epoch + 1, Founding: n.InForce.Founding, Previous: n.InForce.Voters,
			Voters: []slot.ID{other.Self}}}},
		{wire.KindCollected, &wire.Collected{
			Fence: clock + 5, Floors: []wire.Floor{{Member: other.Self, Stamp: 1 << 60}}}},
		{wire.KindCollected, &wire.Collected{Fence: far}},
		{wire.KindPassedIs, &wire.Epoch{Epoch: epoch}},
		{wire.KindAdoptedIs, &wire.Epoch{Epoch: epoch}},
		{wire.KindReplicate, &wire.Replicate{Entries: []wire.Entry{entry}}},
		{wire.KindStore, &wire.Store{Op: 1, Epoch: epoch, Entry: entry}},
		{wire.KindPrepare, &wire.Question{Round: 1, Epoch: epoch, Path: "a", Ballot: ballot}},
		{wire.KindAccept, &wire.Accept{
			Question:  wire.Question{Round: 1, Epoch: epoch, Path: "a", Ballot: ballot},
			Consensus: &slot.Consensus{Promised: ballot, Ballot: ballot, Record: r}}},
		{wire.KindConfirmIs, &wire.ConfirmIs{Question: 1, Sealed: true, Clock: far}},
	} {
		denied := n.Counters.ClaimsDenied
		b.forge(0, 1, f.kind, f.body)
		b.run(2*time.Second, nil)
		require.Equal(t, epoch, n.Epoch(), "%s", f.kind)
		require.Less(t, n.HLC.Last(), far, "%s", f.kind)
		require.False(t, n.tombstones.TooLate(other.Self, other.LastStamp()), "%s", f.kind)
		require.Less(t, n.tombstones.Fence(), far, "%s", f.kind)
		if f.kind.Lasts() {
			require.Equal(t, denied+1, n.Counters.ClaimsDenied, "%s", f.kind)
		}
	}
	require.Equal(t, "v", b.shows(0, "a"))
	require.Equal(t, contract.CodeOK, b.do(1, contract.OpPut, "a", "w").Code)
	b.run(5*time.Second, func() bool { return b.shows(0, "a") == "w" })
}

// A member whose clock really is far ahead is believed once it has said so itself, and everything that it writes
// arrives.
func TestAClockFarAheadIsBelievedByItsOwnWord(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.cut = func(from, to string) bool { return true } // n1's clock guard must not hear of it before the write.
	b.machine[0].wall = (100 * time.Hour).Milliseconds()
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "a", "from the future").Code)
	b.cut = nil
	asked := b.machine[1].node.Counters.ClaimsAsked
	b.run(20*time.Second, func() bool { return b.shows(1, "a") == "from the future" })
	require.Greater(t, b.machine[1].node.Counters.ClaimsAsked, asked)
}

// A timestamp that no clock can have issued is refused at every door.
func TestAbsurdTimestampsAreRefusedEverywhere(t *testing.T) {
	b := founded(t, 2)
	n := b.machine[0].node
	absurd := hlc.Last + 1
	r := sampleRecord()
	good := encodeRecord("a", &r)
	bad := append([]byte{}, good...)
	for i := range 8 {
		bad[1+i] = byte(absurd >> (8 * i))
	}
	// Sealed as Encode seals: over the path and everything before.
	bad = bad[:len(bad)-4]
	bad = binary.LittleEndian.AppendUint32(bad, crc32.Checksum(append([]byte("a"), bad...), codec.Castagnoli))
	_, err := slot.Decode("a", good)
	require.NoError(t, err)
	_, err = slot.Decode("a", bad)
	require.Error(t, err)
	v := slot.Version{TS: absurd, UUID: r.UUID}
	ballot := slot.Ballot{Epoch: 1, TS: absurd, Member: 1}
	for _, m := range []struct {
		kind wire.Kind
		body wire.Body
	}{
		{wire.KindPrepare, &wire.Question{Epoch: 1, Path: "a", Ballot: ballot}},
		{wire.KindPromised, &wire.Promised{Answer: wire.Answer{Promised: ballot}}},
		{wire.KindAccepted, &wire.Accepted{Answer: wire.Answer{Promised: ballot}}},
		{wire.KindCollectAsk, &wire.CollectAsk{Paths: []wire.HeldVersion{{Path: "a", Version: v}}}},
		{wire.KindCollectAnswer, &wire.CollectAnswer{Fence: absurd}},
		{wire.KindCollected, &wire.Collected{Fence: absurd}},
		{wire.KindLeafAnswer, &wire.LeafAnswer{Leaves: 1, Keys: []wire.HeldVersion{{Path: "a", Version: v}}}},
		{wire.KindCatchKeys, &wire.CatchKeys{Keys: []wire.HeldVersion{{Path: "a", Version: v}}}},
		{wire.KindPlan, &wire.Plan{Ready: true, Bands: wire.Bands{Bounds: []slot.Timestamp{absurd, 0}}}},
		{wire.KindPageAsk, &wire.PageAsk{Hi: absurd}},
		{wire.KindConfirmIs, &wire.ConfirmIs{Clock: absurd}},
	} {
		_, err := m.kind.Decode(m.body.Append(nil))
		require.Error(t, err, "%s", m.kind)
	}
	b.forge(0, 1, wire.KindReplicate, &wire.Replicate{Entries: []wire.Entry{{Path: "a", Record: bad}}})
	b.run(time.Second, nil)
	require.Equal(t, "", b.shows(0, "a"))
	require.Less(t, n.HLC.Last(), hlc.Make(n.Now.Wall+time.Minute.Milliseconds(), 0))
	require.Equal(t, contract.ModeNormal, n.Mode())
}

// When the clock has come to its end, the node says so, and what it refuses it refuses for that reason.
func TestTheEndOfTheClock(t *testing.T) {
	b := founded(t, 1)
	n := b.machine[0].node
	b.do(0, contract.OpPut, "a", "v")
	n.HLC.Observe(hlc.Last)
	b.run(2*time.Second, func() bool { return n.Mode() == contract.ModeReadOnly })
	require.Equal(t, []string{contract.ReasonExhausted}, n.Status().ModeReasons)
	for _, op := range []contract.OpKind{contract.OpPut, contract.OpDelete} {
		resp := b.do(0, op, "a", "w")
		require.Equal(t, contract.CodeClock, resp.Code)
		require.Equal(t, contract.OutcomeNotApplied, resp.Outcome)
		require.Equal(t, hlc.ErrExhausted.Error(), resp.Detail)
	}
	require.Equal(t, "v", b.shows(0, "a"))
}

// An "empty" that is old, meant for another member, or forged, does not make a newcomer take a running cluster for a
// new one.
func TestAnOldHelloIsNoAnswer(t *testing.T) {
	b := founded(t, 2)
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "a", "v").Code)
	b.run(5*time.Second, b.same)
	silent := true
	b.lose = func(from string, s contract.Send) bool { // what the newcomer would have heard comes late.
		return silent && s.To == "n3" && s.Transport == contract.TransportFrame &&
			wire.Kind(s.Data[1]) == wire.KindHello
	}
	n3 := b.join()
	b.run(5*time.Second, func() bool { return len(b.machine[n3].node.Peers) == 2 })
	for i := range 2 {
		b.forge(n3, i, wire.KindHello, &wire.Hello{Standing: wire.StandingEmpty})
		b.forge(n3, i, wire.KindHello, &wire.Hello{Standing: wire.StandingEmpty, Answers: 7})
	}
	b.run(time.Second, nil)
	require.Equal(t, contract.ModeSyncing, b.machine[n3].node.Mode())
	silent = false
	b.run(5*time.Second, b.mode(n3, contract.ModeNormal))
	require.Equal(t, "v", b.shows(n3, "a"))
}
