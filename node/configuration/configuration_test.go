package configuration

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/step/steptest"
	"kvs/node/swim"
	"kvs/node/voting"
	"kvs/node/wire"
)

// alone is the machine of one member, stepped by hand. It owns itself.
type alone struct {
	*Machine
	*steptest.Bench
	t        *testing.T
	options  Options
	decided  []*voting.Config // what it wants the voters to decide on.
	restarts int
}

// newAlone returns the machine of self among peers; the addresses of all are its seeds.
func newAlone(t *testing.T, self slot.ID, peers ...slot.ID) *alone {
	a := &alone{t: t, Bench: steptest.New(t, self, peers...)}
	for _, id := range append([]slot.ID{self}, peers...) {
		a.options.Seeds = append(a.options.Seeds, steptest.Address(id))
	}
	a.restart()
	return a
}

// restart begins a run of the machine on what is on its disk.
func (a *alone) restart() {
	a.Machine = New(a.Bench.Shared, owner{a})
	a.Bench.InForce, a.Bench.Founded, a.Bench.CaughtUp = nil, 0, 0
	require.NoError(a.t, a.Recover())
	a.Step(a.Begin)
}

// owner is what a node does for the machine.
type owner struct{ *alone }

func (o owner) Options() Options          { return o.options }
func (o owner) Mode() contract.Mode       { return contract.ModeNormal }
func (o owner) Gone() bool                { return false }
func (o owner) Behind(string) slot.ID     { return 0 }
func (o owner) MemberName(slot.ID) string { return "somebody" }
func (o owner) RestartRounds()            { o.restarts++ }
func (o owner) RestartQuorum()            {}

func (o owner) Lookup(id slot.ID) (swim.Member, bool) {
	p := o.Bench.Peer(id)
	if p == nil {
		return swim.Member{}, false
	}
	return swim.Member{ID: id, Addr: p.Addr, State: p.State}, true
}

func (o owner) Decide(path string, config []byte, _ time.Duration) {
	c := voting.Read(codec.Read(config))
	require.Equal(o.t, schema.ConfigPath(c.Epoch-1), path)
	o.decided = append(o.decided, c)
}

func (o owner) DurableEntry(string) (wire.Entry, bool, error) { return wire.Entry{}, false, nil }
func (o owner) Merge(*step.Peer, string, []byte) error        { return nil }
func (o owner) WriteSlot(path string, s *slot.Slot)           { o.Bench.WriteRecord(path, slot.Encode(path, s)) }
func (a *alone) peer(id slot.ID) *step.Peer                   { return a.Bench.Peer(id) }
func (a *alone) tell(from slot.ID, c *voting.Config)          { a.say(a.HandleConfigIs(a.peer(from), is(c))) }
func (a *alone) say(err error)                                { require.NoError(a.t, err) }
func is(c *voting.Config) *wire.ConfigIs                      { return &wire.ConfigIs{Config: c} }
func config(epoch uint64, voters ...slot.ID) *voting.Config   { return founded(1, epoch, voters...) }
func founded(by byte, epoch uint64, v ...slot.ID) *voting.Config {
	return &voting.Config{Epoch: epoch, Founding: slot.UUID{by}, Voters: v}
}

// adopts makes the machine learn a configuration from a peer, durably.
func (a *alone) adopts(from slot.ID, c *voting.Config) {
	a.Step(func() { a.tell(from, c) })
	a.Sync()
	a.Sent(wire.KindCatchRange)
}

func TestAMemberThatExpectsNobodyFoundsAtOnce(t *testing.T) {
	a := newAlone(t, 1)
	require.Equal(t, []slot.ID{1}, a.Bench.InForce.Voters)
	require.Equal(t, uint64(1), a.Bench.Epoch())
	require.Equal(t, a.Bench.Persists, a.Bench.InForceAfter, "nothing rests on it before it is durable")
	require.Equal(t, a.Bench.InForce.Tag(), a.Bench.Founded)
	require.Equal(t, 1, a.restarts)
	founding := a.Bench.InForce.Founding
	a.Sync()
	a.restart()
	require.Equal(t, founding, a.Bench.InForce.Founding, "it is remembered")
}

// The member with the lowest address asks all for their word, has given its own durably before, and founds with the
// words of all of them.
func TestTheLowestFoundsWithTheWordsOfAll(t *testing.T) {
	a := newAlone(t, 1, 2, 3)
	asked := a.Sent(wire.KindWordAsk)
	require.Equal(t, []slot.ID{2, 3}, steptest.Receivers(asked))
	require.Equal(t, a.Bench.Persists, asked[0].After, "its own word is on disk first")
	attempt := asked[0].Body.(*wire.Word).Attempt
	word := func(from slot.ID, attempt uint64) {
		a.Step(func() { a.say(a.HandleWord(a.peer(from), &wire.Word{Attempt: attempt})) })
	}
	word(2, attempt)
	word(2, attempt)
	word(3, attempt+1)
	require.Nil(t, a.Bench.InForce, "the word of member 3 was for another attempt")
	word(3, attempt)
	require.Equal(t, []slot.ID{1, 2, 3}, a.Bench.InForce.Voters)
	told := a.Sent(wire.KindConfigIs)
	require.Equal(t, []slot.ID{2, 3}, steptest.Receivers(told))
	require.Equal(t, a.Bench.InForceAfter, told[0].After)
}

// Not with those that are up, and not by a member with a higher address.
func TestNobodyFoundsWithoutAll(t *testing.T) {
	a := newAlone(t, 1, 2, 3)
	attempt := a.Sent(wire.KindWordAsk)[0].Body.(*wire.Word).Attempt
	a.Step(func() { a.say(a.HandleWord(a.peer(2), &wire.Word{Attempt: attempt})) })
	a.peer(3).State = swim.Dead
	a.Pass(time.Minute)
	a.Step(a.Tick)
	require.Nil(t, a.Bench.InForce)
	require.Equal(t, []slot.ID{2, 3}, steptest.Receivers(a.Sent(wire.KindWordBack)), "who is bound may be needed")
	require.Contains(t, a.NoQuorum(), "somebody cannot be reached, and may know of a founding")

	b := newAlone(t, 2, 1, 3)
	b.Pass(time.Minute)
	b.Step(b.Tick)
	require.Empty(t, b.Bench.Sent(wire.KindWordAsk))
	require.Equal(t, []slot.ID{1, 3}, steptest.Receivers(b.Bench.Sent(wire.KindConfigAsk)), "it asks what there is")
}

// A word is given to one founder alone, and durably; it comes back for the attempt that it was given to.
func TestAWordIsGivenOnce(t *testing.T) {
	a := newAlone(t, 3, 1, 2)
	ask := func(from slot.ID, attempt uint64) {
		a.Step(func() { a.say(a.HandleWordAsk(a.peer(from), &wire.Word{Attempt: attempt})) })
	}
	ask(2, 10)
	given := a.Sent(wire.KindWord)
	require.Equal(t, []slot.ID{2}, steptest.Receivers(given))
	require.Equal(t, a.Bench.Persists, given[0].After)
	a.Sync()
	ask(1, 20)
	require.Empty(t, a.Sent(wire.KindWord), "it is bound")
	a.restart()
	ask(1, 20)
	require.Empty(t, a.Sent(wire.KindWord), "also in its next run")
	ask(2, 11)
	require.Len(t, a.Sent(wire.KindWord), 1)
	a.Step(func() { a.say(a.HandleWordBack(a.peer(2), &wire.Word{Attempt: 10})) })
	ask(1, 20)
	require.Empty(t, a.Sent(wire.KindWord), "that was a former attempt")
	a.Step(func() { a.say(a.HandleWordBack(a.peer(2), &wire.Word{Attempt: 11})) })
	ask(1, 20)
	require.Equal(t, []slot.ID{1}, steptest.Receivers(a.Sent(wire.KindWord)))
}

// Of two that take themselves for the founder, the one with the higher address gives way, and the words back.
func TestTheHigherFounderGivesWay(t *testing.T) {
	a := newAlone(t, 2, 1, 3)
	a.options.Seeds = []string{steptest.Address(3)} // it does not know of member 1's address.
	a.options.ExpectedMembers = 3
	a.Pass(time.Minute)
	a.Step(a.Tick)
	attempt := a.Sent(wire.KindWordAsk)[0].Body.(*wire.Word).Attempt
	a.Step(func() { a.say(a.HandleWord(a.peer(3), &wire.Word{Attempt: attempt})) })
	a.Step(func() { a.say(a.HandleWordAsk(a.peer(3), &wire.Word{Attempt: 7})) })
	require.Empty(t, a.Sent(wire.KindWord), "member 3 is above it")
	a.Step(func() { a.say(a.HandleWordAsk(a.peer(1), &wire.Word{Attempt: 8})) })
	require.Equal(t, []slot.ID{1}, steptest.Receivers(a.Sent(wire.KindWord)))
	back := a.Sent(wire.KindWordBack)
	require.Contains(t, steptest.Receivers(back), slot.ID(3))
	require.Equal(t, attempt, back[0].Body.(*wire.Word).Attempt)
	a.Step(func() { a.say(a.HandleWord(a.peer(1), &wire.Word{Attempt: attempt})) })
	require.Nil(t, a.Bench.InForce, "words for the attempt that was given up found nothing")
}

func TestWhatIsAdopted(t *testing.T) {
	a := newAlone(t, 1, 2, 3)
	a.adopts(2, config(4, 1, 2, 3))
	require.Equal(t, uint64(4), a.Bench.Epoch())
	a.Sent(wire.KindConfigIs)
	recovered := founded(2, 1<<voting.DrawShift, 1, 2)
	recovered.Former = []slot.UUID{{1}}
	for _, c := range []struct {
		about string
		in    *voting.Config
		epoch uint64
	}{
		{"nothing", nil, 4},
		{"an older one", config(3, 2, 3), 4},
		{"another founding", founded(9, 50, 2, 3), 4},
		{"a newer one", config(6, 1, 3), 6},
		{"one that takes the place of this founding", recovered, 1 << voting.DrawShift},
		{"the one whose place was taken", config(7, 1, 2, 3), 1 << voting.DrawShift},
	} {
		restarts, before := a.restarts, a.Bench.Counters.OtherFounding
		a.Step(func() { a.tell(2, c.in) })
		require.Equal(t, c.epoch, a.Bench.Epoch(), c.about)
		require.Equal(t, c.in != nil && c.in.Epoch == c.epoch, a.restarts > restarts, c.about)
		require.Equal(t, c.about == "another founding", a.Bench.Counters.OtherFounding > before, c.about)
	}
	require.Equal(t, []slot.ID{2}, steptest.Receivers(a.Sent(wire.KindConfigIs)), "who is behind a recovery is told")
}

// Of two members in different epochs, the one that is behind learns of the other's.
func TestWhoIsBehindLearns(t *testing.T) {
	a := newAlone(t, 1, 2, 3)
	a.adopts(2, config(4, 1, 2, 3))
	a.Sent(wire.KindWordAsk)
	require.True(t, a.EpochAgrees(a.peer(3), 4))
	a.Silent()
	a.Step(func() { require.False(t, a.EpochAgrees(a.peer(3), 3)) })
	require.Equal(t, []slot.ID{3}, steptest.Receivers(a.Sent(wire.KindConfigIs)))
	a.Step(func() { require.False(t, a.TakesPart(a.peer(3), 5)) })
	require.Equal(t, []slot.ID{3}, steptest.Receivers(a.Sent(wire.KindConfigAsk)))
	a.Silent()
}

func TestWhyThereIsNoMajority(t *testing.T) {
	a := newAlone(t, 1, 2, 3, 4, 5)
	require.Contains(t, a.NoQuorum(), "not founded yet")
	require.Zero(t, a.Bench.VotersAlive())
	a.adopts(2, config(4, 1, 2, 3, 4))
	require.Equal(t, 4, a.Bench.VotersAlive())
	require.Empty(t, a.NoQuorum())
	a.peer(5).State = swim.Dead
	a.peer(4).State = swim.Dead
	a.peer(3).State = swim.Suspect
	require.Empty(t, a.NoQuorum(), "a suspect may answer")
	a.peer(3).State = swim.Dead
	require.Contains(t, a.NoQuorum(), "2 of 4 voters can be reached, 3 are needed")
}

// After a recovery a chosen voter has a voice once it holds what all of them hold.
func TestAVoterAfterARecoveryHasNoVoiceYet(t *testing.T) {
	a := newAlone(t, 1, 2, 3)
	a.adopts(2, config(4, 1, 2, 3))
	require.True(t, a.Bench.HasVoice())
	c := founded(2, 1<<voting.DrawShift, 1, 2)
	c.Former, c.Previous = []slot.UUID{{1}}, []slot.ID{1, 2}
	a.adopts(2, c)
	require.False(t, a.Bench.HasVoice())
	require.False(t, a.TakesPart(a.peer(2), c.Epoch))
	require.Contains(t, a.NoQuorum(), "of which 0000000000000002 are missing")
	a.Bench.CaughtUp = c.Epoch
	require.True(t, a.TakesPart(a.peer(2), c.Epoch))
	require.Empty(t, a.NoQuorum())
}

// voterOp asks for a change of voters.
func (a *alone) voterOp(op contract.OpKind, id slot.ID) {
	a.Step(func() {
		a.VoterRequest(&contract.Request{ID: uint64(len(a.Replies) + 1), Op: op, Level: contract.Linearizable,
			Path: id.String(), Deadline: a.Bench.Now.Mono + time.Minute})
	})
}

// A change begins once a majority of the voters has caught up with the epoch that it ends, and there is one at a time.
func TestAChangeWaitsForAStableEpoch(t *testing.T) {
	a := newAlone(t, 1, 2, 3, 4)
	a.adopts(2, config(4, 1, 2, 3))
	a.Bench.CaughtUp = 0
	a.Sent(wire.KindPassedAsk)
	a.voterOp(contract.OpPromote, 4)
	require.Equal(t, []slot.ID{2, 3}, steptest.Receivers(a.Sent(wire.KindPassedAsk)))
	a.voterOp(contract.OpDemote, 3)
	require.Equal(t, contract.CodeConflict, a.Replies[0].Code)
	passed := func(from slot.ID, epoch uint64) {
		a.Step(func() { a.say(a.HandlePassedIs(a.peer(from), &wire.Epoch{Epoch: epoch})) })
	}
	passed(2, 4)
	passed(4, 4)
	passed(3, 3)
	require.Empty(t, a.decided, "member 4 does not vote, and member 3 spoke of a former epoch")
	passed(3, 4)
	require.Len(t, a.decided, 1)
	next := a.decided[0]
	require.Equal(t, []slot.ID{1, 2, 3, 4}, next.Voters)
	require.Equal(t, []slot.ID{1, 2, 3}, next.Previous)
	require.Equal(t, uint64(5), next.Epoch)

	a.Step(func() {
		a.Decided(schema.ConfigPath(4), &contract.Response{Code: contract.CodeCreated,
			Record: slot.Record{Value: voting.Append(nil, next)}})
	})
	require.Equal(t, uint64(5), a.Bench.Epoch())
	require.Equal(t, []slot.ID{2, 3, 4}, steptest.Receivers(a.Sent(wire.KindConfigIs)), "all are told")
	require.Len(t, a.Replies, 1, "nothing rests on the former voters once the new epoch is stable")
	for _, id := range []slot.ID{2, 3, 4} {
		passed(id, 5)
	}
	require.Equal(t, contract.CodeOK, a.Replies[1].Code)
}

// Another member's change came first: its configuration is adopted, and this one has lost.
func TestAChangeThatCameSecond(t *testing.T) {
	a := newAlone(t, 1, 2, 3, 4)
	a.adopts(2, config(4, 1, 2, 3))
	a.Bench.CaughtUp = 4
	a.voterOp(contract.OpPromote, 4)
	a.Step(func() { a.say(a.HandlePassedIs(a.peer(2), &wire.Epoch{Epoch: 4})) })
	require.Len(t, a.decided, 1)
	a.Step(func() {
		a.Decided(schema.ConfigPath(4), &contract.Response{Code: contract.CodePrecondition,
			Record: slot.Record{Value: voting.Append(nil, config(5, 1, 2))}})
	})
	require.Equal(t, []slot.ID{1, 2}, a.Bench.InForce.Voters)
	require.Equal(t, contract.CodeConflict, a.Replies[0].Code)
	require.Equal(t, contract.OutcomeNotApplied, a.Replies[0].Outcome)
}

func TestChangesRefused(t *testing.T) {
	a := newAlone(t, 1, 2)
	a.voterOp(contract.OpPromote, 2)
	require.Equal(t, contract.CodeNoQuorum, a.Replies[0].Code, "not founded yet")
	a.adopts(2, config(4, 1))
	for _, c := range []struct {
		op   contract.OpKind
		id   slot.ID
		code contract.Code
		says string
	}{
		{contract.OpDemote, 1, contract.CodePrecondition, "the only voter"},
		{contract.OpPromote, 9, contract.CodePrecondition, "there is no member"},
		{contract.OpPromote, 1, contract.CodeOK, "nothing to do"},
		{contract.OpDemote, 2, contract.CodeOK, "nothing to do"},
	} {
		a.voterOp(c.op, c.id)
		r := a.Replies[len(a.Replies)-1]
		require.Equal(t, c.code, r.Code, c.says)
		require.Contains(t, r.Detail, c.says)
	}
	var many []slot.ID
	for id := range slot.ID(voting.VotersMax) {
		many = append(many, id+10)
	}
	full := config(5, many...)
	require.True(t, slices.IsSorted(full.Voters))
	a.adopts(2, full)
	a.voterOp(contract.OpPromote, 2)
	require.Contains(t, a.Replies[len(a.Replies)-1].Detail, "demote one first")
	require.Empty(t, a.decided)
}
