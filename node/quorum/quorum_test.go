package quorum

import (
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

// alone is the machine of member 1 of five, of which 1 to 3 vote, stepped by hand. It owns itself.
type alone struct {
	*Machine
	*steptest.Bench
	noQuorum   string
	retired    string
	incomplete bool
	replicated []string             // paths that were handed to the background,
	queued     map[slot.ID][]string // and those for one member.
}

func newAlone(t *testing.T) *alone {
	a := &alone{Bench: steptest.New(t, 1, 2, 3, 4, 5), queued: map[slot.ID][]string{}}
	a.Vote(7, 1, 2, 3)
	a.Machine = New(a.Bench.Shared, owner{a})
	return a
}

// owner is what a node does for the machine, on one member.
type owner struct{ *alone }

func (o owner) NoQuorum() string   { return o.noQuorum }
func (o owner) Retirement() string { return o.retired }
func (o owner) Complete() bool     { return !o.incomplete }

func (o owner) EpochAgrees(_ *step.Peer, epoch uint64) bool { return epoch == o.Bench.Epoch() }

func (o owner) TakesPart(from *step.Peer, epoch uint64) bool {
	return o.EpochAgrees(from, epoch) && o.Bench.HasVoice()
}

func (o owner) Write(path string, stored slot.Stored) contract.PersistID {
	return o.Bench.WriteRecord(path, stored.Record)
}

func (o owner) Left(path string) slot.Slot { return slot.Slot{Consensus: o.Bench.Lost(path)} }

func (o owner) MergeShown(from *step.Peer, path string, record []byte) (m step.Merged, err error) {
	theirs, err := slot.Decode(path, record)
	if err != nil {
		return m, err
	}
	h, ours, err := o.Bench.CurrentSlot(path)
	if err != nil {
		return m, err
	}
	m.Theirs, m.After = theirs.Version(), h.After
	merged, changed := slot.Merge(&ours, &theirs, o.Bench.Self, from.ID, o.Bench.Electorate)
	if merged.Top() > m.Theirs.TS {
		m.Above = merged.Top()
	}
	if changed {
		m.After = o.Bench.WriteRecord(path, slot.Encode(path, &merged))
	}
	return m, nil
}

func (o owner) Replicate(path string, _ []byte) { o.replicated = append(o.replicated, path) }

func (o owner) Enqueue(to *step.Peer, e wire.Entry) {
	o.queued[to.ID] = append(o.queued[to.ID], e.Path)
}

func (a *alone) begin(op contract.OpKind, level contract.Level, value string) {
	a.Step(func() {
		a.Begin(&contract.Request{ID: uint64(len(a.Replies) + 1), Op: op, Level: level, Path: "a", Value: []byte(value),
			Deadline: a.Bench.Now.Mono + 10*time.Second})
	})
}

// stored is the word of a member that it has stored what it was asked to.
func (a *alone) stored(from slot.ID, ask wire.Body, epoch uint64) {
	a.Step(func() {
		_ = a.HandleStored(a.Bench.Peer(from), &wire.Stored{Op: ask.(*wire.Store).Op, Epoch: epoch})
	})
}

// fetched is the answer of a member that holds this version; nil: nothing.
func (a *alone) fetched(from slot.ID, ask wire.Body, r *slot.Record) error {
	q := ask.(*wire.Fetch)
	answer := &wire.Fetched{Op: q.Op, Epoch: q.Epoch, Entry: wire.Entry{Path: q.Path}}
	if r != nil {
		s := slot.Of(r)
		answer.Record = slot.Encode(q.Path, &s)
	}
	var err error
	a.Step(func() { err = a.HandleFetched(a.Bench.Peer(from), answer) })
	return err
}

func version(ts slot.Timestamp, value string) *slot.Record {
	return &slot.Record{TS: ts, UUID: slot.UUID{byte(ts)}, Origin: 2, Value: []byte(value)}
}

func TestAnEventualWriteWaitsForThisDiskAlone(t *testing.T) {
	a := newAlone(t)
	a.begin(contract.OpPut, contract.Eventual, "one")
	require.Len(t, a.Replies, 1)
	require.Equal(t, contract.CodeCreated, a.Replies[0].Code)
	require.Equal(t, a.Bench.Persists, a.Replies[0].After)
	require.Equal(t, []string{"a"}, a.replicated)
	first := a.Replies[0].Record.TS
	a.Bench.Now.Wall -= 3_600_000
	a.begin(contract.OpPut, contract.Eventual, "two")
	require.Greater(t, a.Replies[1].Record.TS, first, "whatever the clock shows")
	require.Equal(t, contract.CodeOK, a.Replies[1].Code)
	a.begin(contract.OpGet, contract.Eventual, "")
	require.Equal(t, "two", string(a.Replies[2].Record.Value))
	require.Equal(t, a.Bench.Persists, a.Replies[2].After, "it shows what is not durable yet")
	a.Silent()
}

// A write is answered once a majority of the voters has it on disk: this member, and one more of the two others that
// vote. Members that do not vote store as well, and do not count.
func TestAWriteCountsVoters(t *testing.T) {
	a := newAlone(t)
	a.begin(contract.OpPut, contract.Quorum, "one")
	asked := a.Sent(wire.KindStore)
	require.Equal(t, []slot.ID{2, 3, 4, 5}, steptest.Receivers(asked))
	require.Equal(t, a.Bench.Persists, asked[0].After, "nobody hears of what may be lost yet")
	a.stored(4, asked[0].Body, 7)
	a.stored(5, asked[0].Body, 7)
	require.Empty(t, a.Replies, "they do not vote")
	a.stored(2, asked[0].Body, 6)
	require.Empty(t, a.Replies, "of another epoch")
	a.stored(2, asked[0].Body, 7)
	require.Len(t, a.Replies, 1)
	require.Equal(t, contract.CodeCreated, a.Replies[0].Code)
	require.Equal(t, asked[0].After, a.Replies[0].After, "its own disk counts among the majority")
	a.stored(2, asked[0].Body, 7)
	require.Len(t, a.Replies, 1)
	require.False(t, a.Idle(), "a copy to member 3 is under way")
	a.stored(3, asked[0].Body, 7)
	require.True(t, a.Idle())
	require.Empty(t, a.queued)
}

// Who voted for the write and is gone takes its vote along.
func TestTheWordOfOneThatIsGoneDoesNotCount(t *testing.T) {
	a := newAlone(t)
	a.Vote(7, 1, 2, 3, 4, 5)
	a.begin(contract.OpPut, contract.Quorum, "one")
	asked := a.Sent(wire.KindStore)
	a.stored(2, asked[0].Body, 7)
	a.Step(func() { a.Without(2) })
	a.stored(3, asked[0].Body, 7)
	require.Empty(t, a.Replies, "two of five")
	a.stored(4, asked[0].Body, 7)
	require.Len(t, a.Replies, 1)
}

func TestAReadOfEqualsWritesNothing(t *testing.T) {
	a := newAlone(t)
	a.begin(contract.OpGet, contract.Quorum, "")
	asked := a.Sent(wire.KindFetch)
	require.Equal(t, []slot.ID{2, 3}, steptest.Receivers(asked), "voters alone are asked")
	require.NoError(t, a.fetched(2, asked[0].Body, nil))
	require.Len(t, a.Replies, 1)
	require.Equal(t, contract.CodeNotFound, a.Replies[0].Code)
	require.Zero(t, a.Bench.Persists)
	a.Silent()
}

// A read that finds a newer version at one voter has it on the disks of a majority before it shows it.
func TestAReadWritesBackWhatDiffers(t *testing.T) {
	a := newAlone(t)
	a.Vote(7, 1, 2, 3, 4)
	a.begin(contract.OpGet, contract.Quorum, "")
	asked := a.Sent(wire.KindFetch)
	require.NoError(t, a.fetched(5, asked[0].Body, version(90, "of one that does not vote")))
	require.NoError(t, a.fetched(2, asked[0].Body, version(80, "newer")))
	require.NoError(t, a.fetched(3, asked[0].Body, nil))
	require.Empty(t, a.Replies, "three of four answered, and not the same")
	back := a.Sent(wire.KindStore)
	require.Equal(t, []slot.ID{3, 4, 5}, steptest.Receivers(back), "member 2 has it")
	a.stored(5, back[0].Body, 7)
	require.Empty(t, a.Replies)
	a.stored(3, back[0].Body, 7)
	require.Len(t, a.Replies, 1)
	require.Equal(t, "newer", string(a.Replies[0].Record.Value))
	require.NotZero(t, a.Replies[0].After)
}

// What two members hold alike, and this one has now too, is on a majority already.
func TestAnAnswerThatIsTheMergedOneCountsForTheWriteBack(t *testing.T) {
	a := newAlone(t)
	a.Vote(7, 1, 2, 3, 4, 5)
	a.begin(contract.OpGet, contract.Quorum, "")
	asked := a.Sent(wire.KindFetch)
	require.NoError(t, a.fetched(2, asked[0].Body, version(80, "newer")))
	require.NoError(t, a.fetched(2, asked[0].Body, version(81, "a second answer of the same member")))
	require.NoError(t, a.fetched(3, asked[0].Body, version(80, "newer")))
	require.Len(t, a.Replies, 1, "members 1, 2 and 3 of five hold it")
	require.Equal(t, "newer", string(a.Replies[0].Record.Value))
}

// A member that may lack what it acknowledged is no witness for a read, and answers none.
func TestANewcomerProvesNothing(t *testing.T) {
	a := newAlone(t)
	a.incomplete = true
	a.begin(contract.OpGet, contract.Quorum, "")
	asked := a.Sent(wire.KindFetch)
	require.NoError(t, a.fetched(2, asked[0].Body, nil))
	require.Empty(t, a.Replies)
	require.NoError(t, a.fetched(3, asked[0].Body, nil))
	require.Len(t, a.Replies, 1)
	question := &wire.Fetch{Op: 1, Epoch: 7, Path: "a"}
	a.Step(func() { require.NoError(t, a.HandleFetch(a.Bench.Peer(2), question)) })
	a.Silent()
	a.incomplete = false
	a.Step(func() { require.NoError(t, a.HandleFetch(a.Bench.Peer(2), question)) })
	require.Len(t, a.Sent(wire.KindFetched), 1)
}

func TestACopyIsAcknowledgedOnceItIsDurable(t *testing.T) {
	a := newAlone(t)
	held := slot.Of(version(80, "x"))
	ask := &wire.Store{Op: 5, Epoch: 7, Entry: wire.Entry{Path: "a", Record: slot.Encode("a", &held)}}
	a.Step(func() { require.NoError(t, a.HandleStore(a.Bench.Peer(2), ask)) })
	said := a.Sent(wire.KindStored)
	require.Len(t, said, 1)
	require.Equal(t, a.Bench.Persists, said[0].After)
	a.Sync()
	a.Step(func() { require.NoError(t, a.HandleStore(a.Bench.Peer(2), ask)) })
	require.Zero(t, a.Sent(wire.KindStored)[0].After, "it is durable")
	stale := *ask
	stale.Epoch = 6
	a.Step(func() { require.NoError(t, a.HandleStore(a.Bench.Peer(2), &stale)) })
	a.Silent()
}

// Those that have not answered are asked again, ever more rarely, and others are not.
func TestTheSilentAreAskedAgain(t *testing.T) {
	a := newAlone(t)
	a.Vote(7, 1, 2, 3, 4, 5)
	a.begin(contract.OpPut, contract.Quorum, "one")
	asked := a.Sent(wire.KindStore)
	a.stored(3, asked[0].Body, 7)
	a.Bench.Peer(5).State = swim.Dead
	wait := a.Due() - a.Bench.Now.Mono
	a.Pass(wait - time.Millisecond)
	a.Step(a.Tick)
	a.Silent()
	a.Pass(time.Millisecond)
	a.Step(a.Tick)
	require.Equal(t, []slot.ID{2, 4}, steptest.Receivers(a.Sent(wire.KindStore)))
	require.Equal(t, 2*wait, a.Due()-a.Bench.Now.Mono)
}

// A write that too few have stored by its deadline may have happened or happen yet: the background goes on with it.
func TestTooFewAnswers(t *testing.T) {
	a := newAlone(t)
	a.begin(contract.OpPut, contract.Quorum, "one")
	asked := a.Sent(wire.KindStore)
	a.stored(4, asked[0].Body, 7)
	a.Pass(9*time.Second + time.Millisecond) // before the client gives up.
	a.Step(a.Tick)
	require.Len(t, a.Replies, 1)
	require.Equal(t, contract.CodeNoQuorum, a.Replies[0].Code)
	require.Equal(t, contract.OutcomeUnknown, a.Replies[0].Outcome)
	require.Contains(t, a.Replies[0].Detail, "1 of 3 voters answered in time, 2 are needed")
	require.Equal(t, map[slot.ID][]string{2: {"a"}, 3: {"a"}, 5: {"a"}}, a.queued)
	require.True(t, a.Idle())
	a.stored(2, asked[0].Body, 7)
	require.Len(t, a.Replies, 1, "too late")

	a.begin(contract.OpGet, contract.Quorum, "")
	a.Pass(9*time.Second + time.Millisecond)
	a.Step(a.Tick)
	require.Equal(t, contract.CodeNoQuorum, a.Replies[1].Code)
	require.NotEqual(t, contract.OutcomeUnknown, a.Replies[1].Outcome, "a read changes nothing")
}

// The operation asks anew under the next epoch, and what was said in the former one counts no more.
func TestTheNextEpochBeginsAnew(t *testing.T) {
	a := newAlone(t)
	a.Vote(7, 1, 2, 3, 4, 5)
	a.begin(contract.OpPut, contract.Quorum, "one")
	asked := a.Sent(wire.KindStore)
	a.stored(2, asked[0].Body, 7)
	a.Vote(8, 1, 2, 3, 4)
	a.Step(a.Restart)
	again := a.Sent(wire.KindStore)
	require.Equal(t, []slot.ID{2, 3, 4, 5}, steptest.Receivers(again))
	require.Equal(t, uint64(8), again[0].Body.(*wire.Store).Epoch)
	a.stored(3, again[0].Body, 8)
	require.Empty(t, a.Replies, "two of four")
	a.stored(2, again[0].Body, 8)
	require.Len(t, a.Replies, 1)
}

func TestHopelessOperationsAreRefused(t *testing.T) {
	a := newAlone(t)
	a.noQuorum = "1 of 3 voters can be reached"
	for _, op := range []contract.OpKind{contract.OpPut, contract.OpGet} {
		a.begin(op, contract.Quorum, "one")
	}
	a.noQuorum, a.retired = "", "this member left"
	a.begin(contract.OpPut, contract.Quorum, "one")
	for _, r := range a.Replies {
		require.Equal(t, contract.CodeNoQuorum, r.Code)
		require.NotEqual(t, contract.OutcomeUnknown, r.Outcome)
	}
	require.Zero(t, a.Bench.Persists, "nothing has happened")
	a.Silent()
	a.retired = ""
	for range opsMax {
		a.begin(contract.OpGet, contract.Quorum, "")
	}
	waiting := len(a.Replies)
	a.begin(contract.OpGet, contract.Quorum, "")
	require.Equal(t, contract.CodeOverloaded, a.Replies[waiting].Code)
}

// The record may rot while it is read. A member that holds nothing has nothing that would replace it; its frame is
// valid all the same, and the damage is this member's.
func TestNothingThereWhereTheRecordRots(t *testing.T) {
	a := newAlone(t)
	held := slot.Of(version(5, "one"))
	record := slot.Encode("a", &held)
	put := func() {
		require.NoError(t, a.Bench.Disk.Apply([]contract.Change{{Key: schema.RecordKey("a"), Value: record}}))
	}
	put()
	a.begin(contract.OpGet, contract.Quorum, "")
	asked := a.Sent(wire.KindFetch)
	record = slices.Clone(record)
	record[len(record)/2] ^= 1
	put()
	require.NoError(t, a.fetched(2, asked[0].Body, nil))
	require.Empty(t, a.Replies)
}
