package register

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/step/steptest"
	"kvs/node/wire"
)

// keeper is the owner of a machine whose member proposes and does not vote, and of one that votes.
type keeper struct {
	willing
	*steptest.Bench
	strong bool
}

func (k *keeper) Strong(string) bool                { return k.strong }
func (k *keeper) Chosen(string, *slot.Slot)         {}
func (k *keeper) UnlistTombstone(string)            {}
func (k *keeper) Left(path string) slot.Slot        { return slot.Slot{Consensus: k.Lost(path)} }
func (k *keeper) Enqueue(*step.Peer, wire.Entry)    {}
func (k *keeper) Fence() slot.Timestamp             { return 0 }
func (k *keeper) NoQuorum() string                  { return "" }
func (k *keeper) TakesPart(*step.Peer, uint64) bool { return true }
func (k *keeper) Write(path string, s slot.Stored) contract.PersistID {
	return k.WriteRecord(path, s.Record)
}

// proposer is member 1, which proposes to the voters 2 and 3.
type proposer struct {
	*steptest.Bench
	*Machine
	owner *keeper
	t     *testing.T
	next  uint64
}

func newProposer(t *testing.T) *proposer {
	b := steptest.New(t, 1, 2, 3)
	b.Vote(1, 2, 3)
	owner := &keeper{Bench: b}
	return &proposer{Bench: b, Machine: New(b.Shared, owner), owner: owner, t: t}
}

func (p *proposer) put(c contract.Condition) *contract.Request {
	p.next++
	r := &contract.Request{ID: p.next, Op: contract.OpPut, Level: contract.Linearizable, Path: "a", Value: []byte("v"),
		Condition: c, Deadline: p.Bench.Now.Mono + 10*time.Second}
	p.Step(func() { p.Begin(r) })
	p.Sync()
	return r
}

// promises lets the voters answer a PREPARE that was sent: they hold nothing. Who is modern names the ballot.
func (p *proposer) promises(modern ...slot.ID) {
	p.t.Helper()
	for _, m := range p.Sent(wire.KindPrepare) {
		q := m.Body.(*wire.Question)
		a := wire.Answer{Round: q.Round, Epoch: q.Epoch, OK: true}
		for _, id := range modern {
			if id == m.To {
				a.Promised = q.Ballot
			}
		}
		p.Step(func() { require.NoError(p.t, p.HandlePromised(p.Bench.Peer(m.To), &wire.Promised{Answer: a})) })
		p.Sync()
	}
}

// accepts lets the voters accept what was sent to them, and returns those that were asked for a further promise.
func (p *proposer) accepts() (direct []*wire.AcceptDirect) {
	p.t.Helper()
	for _, m := range p.Sent(wire.KindAccept) {
		q := m.Body.(*wire.Accept).Question
		p.accepted(m.To, wire.Answer{Round: q.Round, Epoch: q.Epoch, OK: true})
	}
	for _, m := range p.Sent(wire.KindAcceptDirect) {
		d := m.Body.(*wire.AcceptDirect)
		direct = append(direct, d)
		p.accepted(m.To, wire.Answer{Round: d.Round, Epoch: d.Epoch, OK: true, Promised: d.Consensus.Promised})
	}
	return direct
}

func (p *proposer) accepted(from slot.ID, a wire.Answer) {
	p.t.Helper()
	p.Step(func() { require.NoError(p.t, p.HandleAccepted(p.Bench.Peer(from), &wire.Accepted{Answer: a})) })
	p.Sync()
}

// stands makes a write, after which a ballot stands.
func (p *proposer) stands() *wire.AcceptDirect {
	p.t.Helper()
	p.put(contract.Condition{})
	p.promises(2, 3)
	direct := p.accepts()
	require.Len(p.t, direct, 2)
	require.Zero(p.t, direct[0].Seen, "a PREPARE came before")
	require.Equal(p.t, 1, p.standing.Len())
	return direct[0]
}

// The first write prepares, and those that follow do not: each is sent under the ballot that was promised with the one
// before, with a version above it.
func TestTheNextWriteGoesWithoutPrepare(t *testing.T) {
	p := newProposer(t)
	last := p.stands()
	for range 3 {
		p.put(contract.Condition{})
		require.Empty(t, p.Sent(wire.KindPrepare))
		direct := p.accepts()
		require.Len(t, direct, 2)
		require.Equal(t, last.Consensus.Promised, direct[0].Ballot)
		require.Equal(t, last.Consensus.Record.TS, direct[0].Seen)
		require.Equal(t, direct[0].Ballot.TS, direct[0].Consensus.Record.TS)
		require.Greater(t, direct[0].Consensus.Record.TS, direct[0].Seen)
		require.Greater(t, direct[0].Consensus.Promised.TS, direct[0].Ballot.TS+ridersMax)
		last = direct[0]
	}
	require.Len(t, p.Replies, 4)
	require.EqualValues(t, 3, p.Bench.Counters.RoundsDirect)
}

// A voter of a version before does not name the ballot that it has promised. It gets no message that it would not know,
// and no ballot stands without it.
func TestAnOlderVoterIsAskedAsBefore(t *testing.T) {
	p := newProposer(t)
	for range 2 {
		p.put(contract.Condition{})
		p.promises(2)
		require.Len(t, p.accepts(), 1, "n2 alone")
		require.Zero(t, p.standing.Len(), "one promise of two")
	}
	last := p.stands()
	*p.knows.Of(p.Bench.Peer(3)) = false // it was set back to the version before.
	p.put(contract.Condition{})
	require.Empty(t, p.Sent(wire.KindAcceptDirect))
	require.Len(t, p.Sent(wire.KindPrepare), 2)
	require.NotZero(t, last.Consensus.Promised)
	require.Zero(t, p.standing.Len(), "a PREPARE is above it")
}

// After a refusal the operation prepares, and finds out what became of its first attempt. The ballot is used up.
func TestARefusalEndsTheBallot(t *testing.T) {
	p := newProposer(t)
	p.stands()
	p.put(contract.Condition{})
	asked := p.Sent(wire.KindAcceptDirect)
	require.Len(t, asked, 2)
	d := asked[0].Body.(*wire.AcceptDirect)
	rival := slot.Ballot{Epoch: 1, TS: d.Consensus.Promised.TS + 500, Member: 3}
	p.accepted(2, wire.Answer{Round: d.Round, Epoch: 1, Promised: rival})
	p.Pass(time.Second)
	p.Step(p.Tick)
	prepared := p.Sent(wire.KindPrepare)
	require.Len(t, prepared, 2)
	require.Greater(t, prepared[0].Body.(*wire.Question).Ballot.TS, rival.TS)
	require.Zero(t, p.standing.Len())
}

// A voter that refuses after the record was chosen has promised a rival: the ballot that stands would be refused too.
func TestALateRefusalEndsTheBallot(t *testing.T) {
	b := steptest.New(t, 1, 2, 3, 4)
	b.Vote(1, 2, 3, 4)
	owner := &keeper{Bench: b}
	p := &proposer{Bench: b, Machine: New(b.Shared, owner), owner: owner, t: t}
	p.put(contract.Condition{})
	p.promises(2, 3, 4)
	asked := append(p.Sent(wire.KindAcceptDirect), p.Sent(wire.KindAccept)...)
	require.Len(t, asked, 3)
	d := asked[0].Body.(*wire.AcceptDirect)
	for _, id := range []slot.ID{2, 3} {
		p.accepted(id, wire.Answer{Round: d.Round, Epoch: 1, OK: true, Promised: d.Consensus.Promised})
	}
	require.Equal(t, 1, p.standing.Len())
	rival := slot.Ballot{Epoch: 1, TS: d.Ballot.TS + 1, Member: 3}
	p.accepted(4, wire.Answer{Round: d.Round, Epoch: 1, Promised: rival})
	require.Zero(t, p.standing.Len())
}

// What does not go under a ballot that stands.
func TestWhatPreparesAllTheSame(t *testing.T) {
	match := func(p *proposer, last *wire.AcceptDirect) contract.Condition {
		return contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{last.Consensus.Record.Version()}}
	}
	for name, c := range map[string]struct {
		before  func(p *proposer)
		request func(p *proposer, r *contract.Request, last *wire.AcceptDirect)
		direct  bool
	}{
		"an old ballot": {before: func(p *proposer) { p.Pass(StandingAgeMax + 1) }},
		"another epoch": {before: func(p *proposer) { p.Vote(2, 2, 3) }},
		"a copy of another member's": {before: func(p *proposer) {
			r := slot.Record{TS: p.Bench.HLC.Last() + 100, UUID: slot.UUID{9}, Origin: 3}
			held := slot.Of(&r)
			p.Step(func() { p.Bench.WriteRecord("a", slot.Encode("a", &held)) })
		}},
		"a time to live": {request: func(_ *proposer, r *contract.Request, _ *wire.AcceptDirect) { r.TTL = time.Hour }},
		"a condition": {request: func(p *proposer, r *contract.Request, last *wire.AcceptDirect) {
			r.Condition = match(p, last)
		}},
		"a condition under a strong prefix": {direct: true,
			request: func(p *proposer, r *contract.Request, last *wire.AcceptDirect) {
				p.owner.strong, r.Condition = true, match(p, last)
			}},
		"a condition that does not hold": {request: func(p *proposer, r *contract.Request, _ *wire.AcceptDirect) {
			p.owner.strong, r.Condition = true, contract.Condition{Kind: contract.IfNoneMatch, Any: true}
		}},
		"nothing of it all": {direct: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProposer(t)
			last := p.stands()
			if c.before != nil {
				c.before(p)
			}
			p.next++
			r := &contract.Request{ID: p.next, Op: contract.OpPut, Level: contract.Linearizable, Path: "a",
				Deadline: p.Bench.Now.Mono + 10*time.Second}
			if c.request != nil {
				c.request(p, r, last)
			}
			p.Step(func() { p.Begin(r) })
			require.Equal(t, c.direct, len(p.Sent(wire.KindAcceptDirect)) == 2)
			require.Equal(t, !c.direct, len(p.Sent(wire.KindPrepare)) == 2)
			require.Empty(t, p.Sent(wire.KindAccept))
			require.Zero(t, p.standing.Len(), "whatever comes of it, it stands no more")
		})
	}
}

// What waits goes along, with versions next to the ballot's: a rival whose ballot is between the ballot and a version
// of today could make a version below one that a minority shows.
func TestABatchUnderAStandingBallot(t *testing.T) {
	p := newProposer(t)
	p.stands()
	p.put(contract.Condition{})
	for range 5 {
		p.put(contract.Condition{})
	}
	p.Pass(time.Second)
	require.Len(t, p.accepts(), 2)
	batch := p.accepts()
	require.Len(t, batch, 2)
	c := batch[0].Consensus
	require.Equal(t, c.Ballot.TS+4, c.Record.TS, "five versions, the first is the ballot's")
	require.Greater(t, c.Promised.TS, c.Record.TS)
	require.Len(t, p.Replies, 7)
	versions := map[slot.Timestamp]bool{}
	for _, r := range p.Replies {
		require.Equal(t, contract.OutcomeApplied, r.Outcome)
		versions[r.Record.TS] = true
	}
	require.Len(t, versions, 7)
}

// A voter accepts and promises in one persist. It refuses when it has promised a higher ballot, or when an eventual
// record shows that the proposer has not seen; the same question again gets the same answer.
func TestAVoterAcceptsWithoutPrepare(t *testing.T) {
	b := steptest.New(t, 1, 2, 3)
	b.Vote(1, 1, 2, 3)
	b.CaughtUp = 1
	m := New(b.Shared, &keeper{Bench: b})
	at := b.HLC.Last() + 1000
	ballot := func(ts, member int) slot.Ballot {
		return slot.Ballot{Epoch: 1, TS: at + slot.Timestamp(ts), Member: slot.ID(member)}
	}
	round := uint64(0)
	ask := func(of, next slot.Ballot, seen int) *wire.Accepted {
		round++
		a := &wire.AcceptDirect{Accept: wire.Accept{
			Question: wire.Question{Round: round, Epoch: 1, Path: "a", Ballot: of},
			Consensus: &slot.Consensus{Promised: next, Ballot: of,
				Record: slot.Record{TS: of.TS, UUID: slot.UUID{1}, Origin: of.Member}},
		}}
		if seen != 0 {
			a.Seen = at + slot.Timestamp(seen)
		}
		before := b.Persists
		b.Step(func() { require.NoError(t, m.HandleAcceptDirect(b.Shared.Peer(of.Member), a)) })
		require.LessOrEqual(t, b.Persists-before, contract.PersistID(1))
		b.Sync()
		sent := b.Sent(wire.KindAccepted)
		require.Len(t, sent, 1)
		return sent[0].Body.(*wire.Accepted)
	}
	held := func() *slot.Consensus {
		_, s, err := b.CurrentSlot("a")
		require.NoError(t, err)
		return s.Consensus
	}
	for range 2 {
		a := ask(ballot(10, 2), ballot(20, 2), 0)
		require.True(t, a.OK)
		require.Equal(t, ballot(20, 2), a.Promised)
		require.Equal(t, ballot(20, 2), held().Promised)
		require.Equal(t, ballot(10, 2), held().Ballot)
	}
	a := ask(ballot(15, 3), ballot(30, 3), 10)
	require.False(t, a.OK)
	require.Equal(t, ballot(20, 2), a.Promised)
	require.True(t, ask(ballot(20, 2), ballot(40, 2), 10).OK)

	_, s, err := b.CurrentSlot("a")
	require.NoError(t, err)
	s.TS, s.Candidates = at+30, []slot.Candidate{{UUID: slot.UUID{5}, Origin: 3}}
	b.Step(func() { b.WriteRecord("a", slot.Encode("a", &s)) })
	a = ask(ballot(40, 2), ballot(50, 2), 20)
	require.False(t, a.OK, "an eventual record is there that the proposer has not seen")
	require.Equal(t, at+30, a.Promised.TS)
	require.Equal(t, ballot(20, 2), held().Ballot)
	require.True(t, ask(ballot(40, 2), ballot(50, 2), 30).OK)
}
