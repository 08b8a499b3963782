package comparison

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/step/steptest"
	"kvs/node/swim"
	"kvs/node/wire"
)

// alone is the machine of one member, stepped by hand. It owns itself.
type alone struct {
	*Machine
	*steptest.Bench
	quiet    bool
	absent   slot.ID // lacks too much to be compared with.
	waits    bool    // something is on its way to the peers.
	compared []ended
	remade   []string // paths that it was asked to make anew.
	queued   []string // paths of records for peers.
}

// ended is how a comparison ended.
type ended struct {
	with           slot.ID
	whole, differs bool
}

// newAlone returns the machine of self that holds these versions, by path.
func newAlone(t *testing.T, self slot.ID, held map[string]slot.Timestamp, peers ...slot.ID) *alone {
	a := &alone{Bench: steptest.New(t, self, peers...)}
	for path, ts := range held {
		stored := slot.Of(&slot.Record{TS: ts, UUID: slot.UUID{byte(ts)}, Origin: 1, Value: []byte(path)})
		require.NoError(t, a.Disk.Apply([]contract.Change{
			{Key: schema.RecordKey(path), Value: slot.Encode(path, &stored)},
			{Key: IndexKey(path), Value: slot.AppendVersion(nil, stored.Version())},
		}))
	}
	a.Machine = New(a.Bench.Shared, owner{a})
	require.NoError(t, a.Recover())
	a.Begin()
	return a
}

// owner is what a node does for the machine.
type owner struct{ *alone }

func (o owner) Quiet() bool              { return o.quiet }
func (o owner) Absent(p *step.Peer) bool { return p.ID == o.absent }
func (o owner) Waits(*step.Peer) bool    { return o.waits }
func (o owner) Remake(path string, _ slot.Version) bool {
	o.remade = append(o.remade, path)
	return false
}

func (o owner) Enqueue(_ *step.Peer, e wire.Entry) { o.queued = append(o.queued, e.Path) }
func (o owner) Compared(with slot.ID, whole, d bool) {
	o.compared = append(o.compared, ended{with, whole, d})
}

// kinds are those of a comparison, in the order in which they follow on each other.
var kinds = []wire.Kind{wire.KindTreeAsk, wire.KindTreeAnswer, wire.KindLeafAsk, wire.KindLeafAnswer}

// converse delivers the messages of a comparison between two members, until there are none, and counts them.
func converse(t *testing.T, members ...*alone) (messages int) {
	for moved := true; moved; {
		moved = false
		for _, from := range members {
			for _, kind := range kinds {
				for _, m := range from.Sent(kind) {
					to := members[slices.IndexFunc(members, func(a *alone) bool { return a.Self() == m.To })]
					to.take(t, from.Self(), m.Body)
					moved = true
					messages++
				}
			}
		}
	}
	return messages
}

// Self is the member's ID.
func (a *alone) Self() slot.ID { return a.Bench.Self }

// take hands the machine a message of a peer.
func (a *alone) take(t *testing.T, from slot.ID, body wire.Body) {
	p := a.Bench.Peer(from)
	a.Step(func() {
		switch m := body.(type) {
		case *wire.TreeAsk:
			require.NoError(t, a.HandleTreeAsk(p, m))
		case *wire.TreeAnswer:
			require.NoError(t, a.HandleTreeAnswer(p, m))
		case *wire.LeafAsk:
			require.NoError(t, a.HandleLeafAsk(p, m))
		case *wire.LeafAnswer:
			require.NoError(t, a.HandleLeafAnswer(p, m))
		}
	})
}

// due lets time pass until the machine wants to do something.
func (a *alone) due() {
	a.Pass(max(a.Due()-a.Bench.Now.Mono, 0))
	a.Step(a.Tick)
}

// pulled are the paths that a member has asked the other one for.
func (a *alone) pulled() (paths []string) {
	for _, m := range a.Sent(wire.KindSyncPull) {
		paths = append(paths, m.Body.(*wire.SyncPull).Paths...)
	}
	slices.Sort(paths)
	return paths
}

func paths(n int) map[string]slot.Timestamp {
	held := map[string]slot.Timestamp{}
	for i := range n {
		held[fmt.Sprintf("k/%04d", i)] = 100
	}
	return held
}

// Equal members find that out with one question, and ask ever more rarely.
func TestEqualMembers(t *testing.T) {
	a, b := newAlone(t, 1, paths(500), 2), newAlone(t, 2, paths(500), 1)
	require.Equal(t, a.Digest(), b.Digest())
	var waits []time.Duration
	for range 5 {
		before := a.Bench.Now.Mono
		for a.Due() <= a.Bench.Now.Mono || len(a.compared) == len(waits) {
			a.due()
			converse(t, a, b)
		}
		waits = append(waits, a.Bench.Now.Mono-before)
	}
	require.Equal(t, slices.Repeat([]ended{{2, true, false}}, 5), a.compared)
	require.Greater(t, waits[4], 4*waits[1], "%v", waits)
	require.Equal(t, a.Bench.Now.Mono, a.LastEqual(a.Bench.Peer(2)))
	require.Equal(t, b.Bench.Now.Mono, b.LastEqual(b.Bench.Peer(1)), "who was asked knows it, too")
	a.Bench.Sent(wire.KindTreeAsk)
	a.Silent()
}

// What differs is found in both directions, and nothing else; the cost is that of the difference.
func TestDifferencesAreFound(t *testing.T) {
	ours, theirs := paths(3000), paths(3000)
	delete(ours, "k/0007")
	delete(theirs, "k/0100")
	ours["k/0200"], theirs["k/0300"] = 101, 101
	ours["mine"], theirs["theirs"] = 1, 1
	a, b := newAlone(t, 1, ours, 2), newAlone(t, 2, theirs, 1)
	a.Step(func() { a.Compare(a.Bench.Peer(2)) })
	messages := converse(t, a, b)
	require.Less(t, messages, 30)
	require.Equal(t, []string{"k/0007", "k/0300", "theirs"}, a.pulled())
	slices.Sort(a.queued)
	require.Equal(t, []string{"k/0100", "k/0200", "mine"}, a.queued)
	require.Equal(t, []ended{{2, true, true}}, a.compared)
	require.Empty(t, b.pulled(), "one of the two does it all")
	require.False(t, a.Comparing())
}

// A record that has rotted is not sent, and leaves the index, so that the peer's copy replaces it.
func TestRotIsNotPushed(t *testing.T) {
	a, b := newAlone(t, 1, map[string]slot.Timestamp{"a": 5, "b": 5}, 2), newAlone(t, 2, nil, 1)
	require.NoError(t, a.Disk.Apply([]contract.Change{{Key: schema.RecordKey("a"), Value: make([]byte, 60)}}))
	a.Step(func() { a.Compare(a.Bench.Peer(2)) })
	converse(t, a, b)
	require.Equal(t, []string{"b"}, a.queued)
	a.Sync()
	a.BecameDurable(a.Bench.Durable)
	require.Equal(t, 1, a.Keys())
}

// What is asked for is sent, up to the bound on the answer to one question, and not what is not here.
func TestPullsAreBounded(t *testing.T) {
	a := newAlone(t, 1, paths(50), 2)
	a.Bench.Tuning.SyncPullBytes = 500
	ask := &wire.SyncPull{Paths: []string{"none"}}
	for i := range 50 {
		ask.Paths = append(ask.Paths, fmt.Sprintf("k/%04d", i))
	}
	a.Step(func() { require.NoError(t, a.HandleSyncPull(a.Bench.Peer(2), ask)) })
	bytes, entries := 0, 0
	for _, m := range a.Sent(wire.KindReplicate) {
		for _, e := range m.Body.(*wire.Replicate).Entries {
			require.Equal(t, ask.Paths[entries+1], e.Path)
			bytes, entries = bytes+e.WireBytes(), entries+1
		}
	}
	require.LessOrEqual(t, bytes, 500)
	require.Greater(t, bytes, 400)
}

// A peer that falls silent is given up, the comparison counts as one that found something, and late answers count for
// nothing.
func TestASilentPeerIsGivenUp(t *testing.T) {
	a, b := newAlone(t, 1, paths(10), 2), newAlone(t, 2, paths(9), 1)
	a.Step(func() { a.Compare(a.Bench.Peer(2)) })
	asked := a.Sent(wire.KindTreeAsk)
	require.Len(t, asked, 1)
	b.take(t, 1, asked[0].Body)
	late := b.Sent(wire.KindTreeAnswer)
	a.Pass(a.Bench.Tuning.SyncTimeout)
	a.Step(a.Tick)
	require.Equal(t, []ended{{2, false, true}}, a.compared)
	require.Zero(t, a.LastEqual(a.Bench.Peer(2)))
	a.Step(func() { a.Compare(a.Bench.Peer(2)) })
	a.Sent(wire.KindTreeAsk)
	a.take(t, 2, late[0].Body)
	a.Silent()
	require.True(t, a.Comparing(), "that was the answer to another question")
	require.LessOrEqual(t, a.Due(), a.Bench.Now.Mono+a.Bench.Tuning.SyncTimeout)
}

// Who died meanwhile is not asked on.
func TestADeadPeerEndsTheComparison(t *testing.T) {
	a, b := newAlone(t, 1, paths(10), 2), newAlone(t, 2, nil, 1)
	a.Step(func() { a.Compare(a.Bench.Peer(2)) })
	b.take(t, 1, a.Sent(wire.KindTreeAsk)[0].Body)
	a.Bench.Peer(2).State = swim.Dead
	a.take(t, 2, b.Sent(wire.KindTreeAnswer)[0].Body)
	require.Equal(t, []ended{{2, false, false}}, a.compared)
	a.Silent()
}

// The peer whose last comparison is the longest ago is the next one: each has its turn.
func TestPeersTakeTurns(t *testing.T) {
	a := newAlone(t, 1, paths(3), 2, 3, 4, 5)
	a.absent = 4
	a.Bench.Peer(5).State = swim.Suspect
	var turns []slot.ID
	for len(turns) < 6 {
		a.due()
		for _, m := range a.Sent(wire.KindTreeAsk) {
			turns = append(turns, m.To)
			a.take(t, m.To, &wire.TreeAnswer{Session: m.Body.(*wire.TreeAsk).Session, Digest: a.Digest()})
		}
	}
	for i := 2; i < len(turns); i++ {
		require.Equal(t, turns[i-2], turns[i], "%v", turns)
	}
	require.ElementsMatch(t, []slot.ID{2, 3}, turns[:2])
	a.quiet = true
	for range 20 {
		a.due()
	}
	require.Empty(t, a.Sent(wire.KindTreeAsk), "a newcomer pulls everything first")
}

// A digest that differs for a while, with nothing on its way that would explain it, brings the next comparison near.
func TestADigestThatStaysAnotherOne(t *testing.T) {
	a := newAlone(t, 1, paths(3), 2)
	p := a.Bench.Peer(2)
	a.session.next = a.Bench.Now.Mono + time.Hour
	hear := func(digest uint64) bool {
		a.Step(func() { a.DigestHeard(p, digest) })
		return a.session.next < a.Bench.Now.Mono+time.Minute
	}
	require.False(t, hear(0), "unknown")
	require.False(t, hear(a.Digest()+1))
	a.Pass(a.Bench.Tuning.SyncPatience + time.Millisecond)
	a.waits = true
	require.False(t, hear(a.Digest()+1), "what is queued may be all that differs")
	a.waits = false
	require.False(t, hear(a.Digest()))
	require.False(t, hear(a.Digest()+1), "it was the same in between")
	a.Pass(a.Bench.Tuning.SyncPatience + time.Millisecond)
	require.True(t, hear(a.Digest()+1))
}

// The index and the tree follow what becomes durable, and a restart finds the same.
func TestTheTreeFollowsTheDisk(t *testing.T) {
	a := newAlone(t, 1, paths(20), 2)
	before := a.Digest()
	r := slot.Record{TS: 200, UUID: slot.UUID{9}, Origin: 1, Value: []byte("new")}
	made := slot.Of(&r)
	stored := slot.Store("k/0003", &made, a.Bench.Electorate)
	a.Step(func() {
		a.Bench.WriteRecord("k/0003", stored.Record)
		a.Wrote("k/0003", &stored, false)
		a.Bench.Hold("k/0004", nil)
		a.Bench.Changes = append(a.Bench.Changes, contract.Change{Key: schema.RecordKey("k/0004")})
		a.Erased("k/0004")
	})
	require.Equal(t, before, a.Digest(), "not durable yet")
	a.Sync()
	a.BecameDurable(a.Bench.Durable)
	require.NotEqual(t, before, a.Digest())
	require.Equal(t, 19, a.Keys())
	again := New(a.Bench.Shared, owner{a})
	require.NoError(t, again.Recover())
	require.Equal(t, a.Digest(), again.Digest())
	require.Equal(t, a.Keys(), again.Keys())
}
