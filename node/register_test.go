package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// linear asks for a linearizable operation.
func (b *bench) linear(i int, op OpKind, path, value string, c Condition) uint64 {
	b.nextReq++
	b.note("client -> %s: linearizable %s %s %q", b.machine[i].name, op, path, value)
	r := &Request{ID: b.nextReq, Op: op, Level: Linearizable, Path: path, Condition: c, Deadline: b.now + 5*time.Second}
	if op == OpPut {
		r.Value = []byte(value)
	}
	b.step(i, r)
	return b.nextReq
}

func (b *bench) doLinear(i int, op OpKind, path, value string, c Condition) Response {
	b.t.Helper()
	id := b.linear(i, op, path, value, c)
	b.run(10*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

// founded brings up a cluster with a configuration.
func founded(t *testing.T, nodes int) *bench {
	b := newBench(t, nodes)
	b.found(nodes)
	return b
}

// found waits until all members have met and agreed on the first configuration.
func (b *bench) found(nodes int) {
	for _, m := range b.machine {
		m.node.opts.ExpectedMembers = nodes
	}
	b.run(20*time.Second, func() bool {
		for _, m := range b.machine {
			if m.node.config == nil || len(m.node.config.Voters) != nodes || !b.members(nodes) {
				return false
			}
		}
		return true
	})
}

var always = Condition{}

func TestTranscriptLinearizable(t *testing.T) {
	b := founded(t, 3)
	b.say = &strings.Builder{}
	b.note("-- a write: a majority promises, a majority accepts")
	r := b.doLinear(0, OpPut, "a", "one", always)
	require.Equal(t, CodeCreated, r.Code)
	b.run(100*time.Millisecond, nil)
	b.note("-- a read elsewhere: one round trip, nothing is written")
	r = b.doLinear(2, OpGet, "a", "", always)
	require.Equal(t, "one", string(r.Record.Value))
	version := r.Record.Version()
	b.run(100*time.Millisecond, nil)
	b.note("-- a compare-and-set whose condition holds, and the same again, which does not hold any more")
	r = b.doLinear(1, OpPut, "a", "two", Condition{Kind: IfMatch, Versions: []Version{version}})
	require.Equal(t, CodeOK, r.Code)
	b.run(100*time.Millisecond, nil)
	r = b.doLinear(2, OpPut, "a", "three", Condition{Kind: IfMatch, Versions: []Version{version}})
	require.Equal(t, CodePrecondition, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	require.Equal(t, "two", string(r.Record.Value), "the answer shows what is there")
	b.run(100*time.Millisecond, nil)
	b.note("-- two that create the same path at once: one of them does")
	x := b.linear(0, OpPut, "b", "mine", Condition{Kind: IfNoneMatch, Any: true})
	y := b.linear(2, OpPut, "b", "no, mine", Condition{Kind: IfNoneMatch, Any: true})
	b.run(5*time.Second, func() bool {
		_, ok := b.machine[0].replies[x]
		_, ok2 := b.machine[2].replies[y]
		return ok && ok2
	})
	codes := []Code{b.machine[0].replies[x].Code, b.machine[2].replies[y].Code}
	require.ElementsMatch(t, []Code{CodeCreated, CodePrecondition}, codes)
	transcript(t, b, "linearizable.txt")
	b.run(time.Minute, b.same)
	for _, m := range b.machine {
		require.Zero(t, m.node.register.open)
		require.Empty(t, m.node.register.ops)
		require.Empty(t, m.node.register.turns)
	}
}

// What a minority accepted is found and finished by the next operation, whoever runs it.
func TestTranscriptUnfinishedWriteIsFinished(t *testing.T) {
	b := founded(t, 3)
	b.say = &strings.Builder{}
	b.note("-- n1's ACCEPT reaches n2 only, and n1 falls silent")
	b.cut = func(from, to string) bool {
		return from == "n1" && to == "n3" || from == "n2" && to == "n1" && b.accepted(1, "a")
	}
	id := b.linear(0, OpPut, "a", "half", always)
	b.run(5*time.Second, func() bool { return b.accepted(1, "a") })
	b.crash(0)
	b.cut = nil
	require.NotContains(t, b.machine[0].replies, id)
	b.note("-- n3 reads")
	r := b.doLinear(2, OpGet, "a", "", always)
	require.Equal(t, "half", string(r.Record.Value))
	require.True(t, b.accepted(2, "a"), "a majority has it before it is shown")
	transcript(t, b, "linearizable-unfinished.txt")
}

// accepted reports whether machine i has an accepted record on disk.
func (b *bench) accepted(i int, path string) bool {
	raw, ok := b.machine[i].store.m[prefixRecord+path]
	if !ok {
		return false
	}
	s, err := DecodeSlot(path, raw)
	require.NoError(b.t, err)
	return s.Consensus.accepted()
}

func TestLinearizableWithoutMajority(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, CodeCreated, b.doLinear(0, OpPut, "a", "one", always).Code)
	b.cut = func(from, to string) bool { return true }
	r := b.doLinear(0, OpPut, "a", "two", always)
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome, "no ACCEPT was sent")
	b.run(time.Minute, nil) // until the others are known to be dead.
	r = b.doLinear(0, OpGet, "a", "", always)
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Contains(t, r.Detail, "1 of 3 voters can be reached, 2 are needed")
	b.cut = nil
	b.run(time.Minute, func() bool { return b.doLinear(1, OpGet, "a", "", always).Code == CodeOK })
}

func TestLinearizableBeforeTheFounding(t *testing.T) {
	b := newBench(t, 1)
	b.machine[0].node.opts.ExpectedMembers = 3
	r := b.doLinear(0, OpPut, "a", "x", always)
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	require.Contains(t, r.Detail, "not founded yet: all 3 expected members")
	require.Empty(t, b.shows(0, "a"))
}

// An eventual write with a higher version is what a linearizable operation sees and replaces; one with a lower version does not
// come back.
func TestLinearizableAbsorbsEventualWrites(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, CodeCreated, b.doLinear(0, OpPut, "a", "one", always).Code)
	require.Equal(t, CodeOK, b.do(1, OpPut, "a", "eventual").Code)
	b.run(time.Minute, b.same)
	r := b.doLinear(2, OpGet, "a", "", always)
	require.Equal(t, "eventual", string(r.Record.Value))
	r = b.doLinear(0, OpPut, "a", "two", Condition{Kind: IfMatch, Versions: []Version{r.Record.Version()}})
	require.Equal(t, CodeOK, r.Code)
	b.run(time.Minute, b.same)
	for i := range b.machine {
		require.Equal(t, "two", b.shows(i, "a"))
	}
}

// A voter whose slot rotted has no say on that path any more, and the others go on without it.
func TestRottenVoterIsBlind(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, CodeCreated, b.doLinear(0, OpPut, "a", "one", always).Code)
	b.run(time.Minute, b.same)
	raw := append([]byte{}, b.machine[1].store.m[prefixRecord+"a"]...)
	raw[20] ^= 1
	b.machine[1].store.m[prefixRecord+"a"] = raw
	b.run(10*time.Minute, b.same) // a peer's copy replaces it.
	s := b.slot(1, "a")
	require.True(t, s.Consensus.Blind)
	require.Equal(t, "one", b.shows(1, "a"))
	require.Equal(t, CodeOK, b.doLinear(1, OpPut, "a", "two", always).Code)
	b.run(time.Minute, b.same)
	b.crash(2)
	b.run(time.Minute, nil)
	r := b.doLinear(0, OpGet, "a", "", always)
	require.Equal(t, CodeNoQuorum, r.Code, "one voter that knows is no majority")
}

// Two members that compete for one path both get through.
func TestDuellingProposers(t *testing.T) {
	b := founded(t, 3)
	var ids [3][]uint64
	for range 20 {
		for i := range b.machine {
			ids[i] = append(ids[i], b.linear(i, OpPut, "a", "x", always))
		}
	}
	b.run(5*time.Second, func() bool {
		for i := range ids {
			for _, id := range ids[i] {
				if _, ok := b.machine[i].replies[id]; !ok {
					return false
				}
			}
		}
		return true
	})
	won := 0
	for i := range ids {
		for _, id := range ids[i] {
			if c := b.machine[i].replies[id].Code; c == CodeOK || c == CodeCreated {
				won++
			}
		}
	}
	require.Greater(t, won, 30, "of 60 in five seconds")
	b.run(time.Minute, b.same)
}

// A write that is tried again under its idempotency key, through another member, is not applied again, whatever came in between;
// the answer is that of the first.
func TestIdempotencyKey(t *testing.T) {
	b := founded(t, 3)
	keyed := b.keyed
	absent := Condition{Kind: IfNoneMatch, Any: true}
	first := keyed(0, OpPut, "one", absent, 7)
	require.Equal(t, CodeCreated, first.Code)
	again := keyed(1, OpPut, "one", absent, 7)
	require.Equal(t, CodeOK, again.Code, "its condition was true when it was applied")
	require.Equal(t, first.Record.Version(), again.Record.Version())
	require.Equal(t, CodePrecondition, keyed(2, OpPut, "other", absent, 8).Code)

	require.Equal(t, CodeOK, b.doLinear(2, OpPut, "a", "two", always).Code)
	require.Equal(t, CodeOK, b.doLinear(1, OpDelete, "a", "", always).Code)
	again = keyed(2, OpPut, "one", absent, 7)
	require.Equal(t, first.Record.Version(), again.Record.Version(), "two writes later")
	require.Equal(t, CodeNotFound, b.doLinear(0, OpGet, "a", "", always).Code)

	require.Equal(t, CodePrecondition, keyed(0, OpPut, "three", Condition{Kind: IfMatch, Any: true}, 9).Code)
	require.Equal(t, CodeCreated, keyed(1, OpPut, "four", absent, 10).Code)
	b.run(time.Minute, b.same)
}

// A key that comes again with another request is refused, and nothing happens: not the other value, not the delete.
func TestIdempotencyKeyReused(t *testing.T) {
	b := founded(t, 3)
	do := func(i int, r Request) Response {
		b.nextReq++
		r.ID, r.Level, r.Path, r.Deadline = b.nextReq, Linearizable, "a", b.now+5*time.Second
		r.SetKey([]byte("mine"))
		b.step(i, &r)
		id := b.nextReq
		b.run(10*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
		return b.machine[i].replies[id]
	}
	absent := Condition{Kind: IfNoneMatch, Any: true}
	first := do(0, Request{Op: OpPut, Value: []byte("one"), Condition: absent})
	require.Equal(t, CodeCreated, first.Code)
	again := do(1, Request{Op: OpPut, Value: []byte("one"), Condition: absent})
	require.Equal(t, first.Record.Version(), again.Record.Version())
	for what, r := range map[string]Request{
		"value":        {Op: OpPut, Value: []byte("TWO"), Condition: absent},
		"content type": {Op: OpPut, Value: []byte("one"), ContentType: "text/plain", Condition: absent},
		"TTL":          {Op: OpPut, Value: []byte("one"), TTL: time.Hour, Condition: absent},
		"condition":    {Op: OpPut, Value: []byte("one")},
		"version":      {Op: OpPut, Value: []byte("one"), Condition: Condition{Kind: IfMatch, Versions: []Version{first.Record.Version()}}},
		"method":       {Op: OpDelete},
	} {
		again = do(2, r)
		require.Equal(t, CodeKeyReused, again.Code, what)
		require.Equal(t, OutcomeNotApplied, again.Outcome, what)
	}
	got := b.doLinear(1, OpGet, "a", "", always).Record
	require.Equal(t, "one", string(got.Value))
	require.Equal(t, first.Record.Version(), got.Version())
	b.run(time.Minute, b.same)
}

// A retry of what was refused is refused again, and shows what is there now.
func TestRetryOfARefusedWriteShowsWhatIsThere(t *testing.T) {
	b := founded(t, 3)
	present := Condition{Kind: IfMatch, Any: true}
	refused := b.keyed(0, OpPut, "mine", present, 1)
	require.Equal(t, CodePrecondition, refused.Code)
	require.False(t, refused.Since)
	there := b.doLinear(1, OpPut, "a", "there", always)
	again := b.keyed(2, OpPut, "mine", present, 1)
	require.Equal(t, CodePrecondition, again.Code, "not applied, although the condition is true by now")
	require.True(t, again.Since)
	require.Equal(t, there.Record.Version(), again.Record.Version())
}

// keyed does a write on path a under an idempotency key.
func (b *bench) keyed(i int, op OpKind, value string, c Condition, key byte) Response {
	b.nextReq++
	r := &Request{ID: b.nextReq, Op: op, Level: Linearizable, Path: "a", Condition: c, Key: UUID{key}, Deadline: b.now + 5*time.Second}
	if op == OpPut {
		r.Value = []byte(value)
	}
	b.step(i, r)
	id := b.nextReq
	b.run(10*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

// A retry that comes when its key may have been forgotten is not told that its condition is false, as if it had not been the reason itself:
// linearizable-swarm, seed 843. One whose version is younger than all that was forgotten is told.
func TestForgottenIdempotencyKeyIsUnknown(t *testing.T) {
	b := founded(t, 3)
	first := b.doLinear(0, OpPut, "a", "zero", always)
	wants := Condition{Kind: IfMatch, Versions: []Version{first.Record.Version()}}
	applied := b.keyed(0, OpPut, "mine", wants, 1)
	require.Equal(t, CodeOK, applied.Code)
	for k := range appliedMax - 1 {
		require.Equal(t, CodeOK, b.keyed(k%3, OpPut, "others", always, byte(2+k)).Code)
	}
	again := b.keyed(1, OpPut, "mine", wants, 1)
	require.Equal(t, applied.Record.Version(), again.Record.Version(), "63 later it is known")
	last := b.keyed(2, OpPut, "one more", always, 200)
	late := b.keyed(1, OpPut, "mine", wants, 1)
	require.Equal(t, OutcomeUnknown, late.Outcome)
	require.Contains(t, late.Detail, "64 writes under idempotency keys")
	require.Equal(t, OutcomeUnknown, b.keyed(1, OpPut, "mine", wants, 201).Outcome, "an old version under a new key: it might be a retry")

	require.Equal(t, CodeOK, b.doLinear(0, OpPut, "a", "without a key", always).Code)
	young := Condition{Kind: IfMatch, Versions: []Version{last.Record.Version()}}
	require.Equal(t, CodePrecondition, b.keyed(0, OpPut, "mine", young, 202).Code)
	require.Equal(t, CodePrecondition, b.doLinear(0, OpPut, "a", "mine", wants).Code, "without a key there is no retry")
	b.run(time.Minute, b.same)
}

// The end of a tombstone takes the list of keys away. A retry that wants a version from before it is not told that its condition is
// false, as if it had not been applied: not while nothing is there, nor when others have written the path anew since.
func TestKeyForgottenWithTheTombstone(t *testing.T) {
	b := newBenchWith(t, 3, grace(400*time.Millisecond))
	b.found(3)
	first := b.doLinear(0, OpPut, "a", "zero", always)
	wants := Condition{Kind: IfMatch, Versions: []Version{first.Record.Version()}}
	require.Equal(t, CodeOK, b.keyed(0, OpPut, "mine", wants, 1).Code)
	require.Equal(t, CodeOK, b.doLinear(0, OpDelete, "a", "", always).Code)
	require.Equal(t, CodeOK, b.keyed(1, OpPut, "mine", wants, 1).Code, "while the tombstone is there")
	b.run(20*time.Second, b.gone)

	late := b.keyed(1, OpPut, "mine", wants, 1)
	require.Equal(t, OutcomeUnknown, late.Outcome, "%v", late)
	require.Contains(t, late.Detail, "longer than tombstone_grace ago")
	require.Equal(t, CodePrecondition, b.doLinear(1, OpPut, "a", "mine", wants).Code, "without a key there is no retry")

	anew := b.doLinear(2, OpPut, "a", "anew", always)
	require.Equal(t, CodeCreated, anew.Code)
	require.Equal(t, OutcomeUnknown, b.keyed(1, OpPut, "mine", wants, 1).Outcome)
	require.Equal(t, CodeOK, b.doLinear(0, OpPut, "a", "newer", always).Code)
	wants.Versions[0] = anew.Record.Version()
	require.Equal(t, CodePrecondition, b.keyed(1, OpPut, "mine", wants, 2).Code, "since that version nothing was forgotten")
	require.Equal(t, CodePrecondition, b.keyed(1, OpPut, "mine", Condition{Kind: IfNoneMatch, Any: true}, 3).Code)
	b.run(time.Minute, b.same)
}

// An operation whose time is up in the line of its path says so: nobody has failed.
func TestLineOfAPath(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, CodeCreated, b.doLinear(0, OpPut, "a", "x", always).Code)
	slow := func(_ string, s Send) bool { return s.Transport == TransportFrame && msgKind(s.Data[1]) == msgPrepare }
	b.lose = slow // the first of them keeps its turn until its time is up.
	b.linear(0, OpPut, "a", "first", always)
	b.run(10*time.Millisecond, nil)
	waits := b.linear(0, OpPut, "a", "second", always)
	b.linear(0, OpPut, "a", "third", always)
	b.nextReq++
	short := b.nextReq
	b.step(0, &Request{ID: short, Op: OpPut, Level: Linearizable, Path: "a", Value: []byte("fourth"), Deadline: b.now + 500*time.Millisecond})
	b.run(time.Second, func() bool { _, ok := b.machine[0].replies[short]; return ok })
	r := b.machine[0].replies[short]
	require.Equal(t, CodeConflict, r.Code, r.Detail)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	require.Contains(t, r.Detail, "3 operations on this path were before it")
	b.lose = nil
	b.run(5*time.Second, func() bool { _, ok := b.machine[0].replies[waits]; return ok })
	require.Equal(t, CodeOK, b.machine[0].replies[waits].Code)
}

// A write that is outbid here before its ACCEPT was sent does not send it: nothing has happened, so it begins anew and succeeds. Had
// it been sent, nobody could tell after the other write whether it had got in.
func TestOutbidBeforeTheAcceptIsNotUnknown(t *testing.T) {
	b := founded(t, 3)
	for i := range b.machine {
		b.do(i, OpPut, "bound", "") // no ballot waits for the clock's bound.
	}
	b.run(100*time.Millisecond, nil)
	x := b.linear(0, OpPut, "a", "first", always)
	b.run(2*time.Millisecond, nil) // the others have promised, and the first does not know it yet.
	y := b.linear(1, OpPut, "a", "second", always)
	b.cut = func(from, _ string) bool { return from == "n1" } // so that it does not outbid the second in turn.
	b.run(5*time.Second, func() bool { _, ok := b.machine[1].replies[y]; return ok })
	b.cut = nil
	b.run(5*time.Second, func() bool { _, ok := b.machine[0].replies[x]; return ok })
	require.Equal(t, CodeCreated, b.machine[1].replies[y].Code)
	require.Equal(t, CodeOK, b.machine[0].replies[x].Code, b.machine[0].replies[x].Detail)
	c := b.machine[0].node.counters
	require.Equal(t, []uint64{1, 1, 0}, []uint64{c.RoundsRetried, c.RoundAccepts, c.RoundsUnknown})
	b.run(time.Minute, b.same)
	require.Equal(t, "first", b.shows(2, "a"))
}
