package node

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// collide makes members write the same path with the same timestamp while nobody hears anybody.
func collide(b *bench, path string, writers ...int) slot.Timestamp {
	b.cut = func(from, to string) bool { return true }
	ts := slot.Timestamp(0)
	for _, i := range writers {
		r := b.do(i, contract.OpPut, path, fmt.Sprintf("of n%d", i+1))
		require.Equal(b.t, contract.OutcomeApplied, r.Outcome)
		ts = max(ts, r.Record.TS)
	}
	for _, i := range writers {
		m := b.machine[i]
		s, err := slot.Decode(path, m.get(schema.PrefixRecord+path))
		require.NoError(b.t, err)
		s.TS = ts
		require.NoError(b.t,
			m.store.Apply([]contract.Change{{Key: schema.PrefixRecord + path, Value: slot.Encode(path, &s)}}))
		m.node.ForgetRecent(path)
		for _, p := range m.node.Peers { // what waits for the peers has the old timestamp.
			m.node.replication.Forget(p)
		}
	}
	return ts
}

func (b *bench) slot(i int, path string) slot.Slot {
	s, err := slot.Decode(path, b.machine[i].get(schema.PrefixRecord+path))
	require.NoError(b.t, err)
	return s
}

// Two of three members hear of one candidate first: it has the majority, although the other's origin is the oldest
// member.
func TestTranscriptMajorityDecides(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(2*time.Second, nil)
	oldest := slices.IndexFunc(b.machine, func(m *testMachine) bool {
		return m.node.ID() == m.node.Electorate.Oldest()
	})
	young := (oldest + 1) % 3
	collide(b, "a", oldest, young)
	b.say = &strings.Builder{}
	b.cut = func(from, to string) bool { return from == b.machine[oldest].name || to == b.machine[oldest].name }
	b.run(time.Minute, func() bool { return b.shows(3-oldest-young, "a") == fmt.Sprintf("of n%d", young+1) })
	b.cut = nil
	b.run(time.Minute, b.same)
	for i := range b.machine {
		require.Equal(t, fmt.Sprintf("of n%d", young+1), b.shows(i, "a"))
	}
	c := b.machine[oldest].node.Conflicts("", 10)
	require.Len(t, c, 1)
	require.Equal(t, slot.RuleMajority, c[0].Decision.Rule)
	require.True(t, c[0].Decision.Final)
	require.Equal(t, "2 of 3 voters stored it first", c[0].Decision.Reason())
	transcript(t, b, "conflict-majority.txt")
}

// Two members, one vote each: nobody has a majority, the oldest member's write wins. The loser stays in the slot.
func TestTranscriptOldestDecides(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.run(2*time.Second, nil)
	oldest := slices.IndexFunc(b.machine, func(m *testMachine) bool {
		return m.node.ID() == m.node.Electorate.Oldest()
	})
	collide(b, "a", 0, 1)
	b.say = &strings.Builder{}
	b.cut = nil
	b.run(time.Minute, b.same)
	for i := range b.machine {
		require.Equal(t, fmt.Sprintf("of n%d", oldest+1), b.shows(i, "a"))
		s := b.slot(i, "a")
		require.Len(t, s.Candidates, 2)
	}
	require.Equal(t, slot.RuleOldest, b.machine[0].node.Conflicts("a", 1)[0].Decision.Rule)
	transcript(t, b, "conflict-oldest.txt")
	b.do(0, contract.OpPut, "a", "a later write ends it")
	b.run(time.Second, b.same)
	s := b.slot(1, "a")
	require.False(t, s.Conflict())
}

// randomSlots are slots of a few members that collide often.
func randomSlot(rng *rand.Rand) (slot.Slot, slot.ID) {
	holder := slot.ID(1 + rng.IntN(5))
	origin := slot.ID(1 + rng.IntN(5))
	ts := slot.Timestamp(1 + rng.IntN(2))
	r := slot.Record{TS: ts, Origin: origin, UUID: slot.UUID{byte(ts), byte(origin)}, Value: []byte{byte(origin)}}
	return slot.Of(&r), holder
}

// Whatever the order in which members exchange slots, they end with the same slot, every vote sticks, and one second
// implementation of the rule finds the same winner.
func TestMergeConvergesAndVotesStick(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	e := slot.NewElectorate([]slot.ID{3, 1, 5, 2, 4})
	conflicts := 0
	for range 2000 {
		held := make([]slot.Slot, 6) // by ID; 0 is nobody.
		votes := map[[2]uint64]slot.UUID{}
		for id := 1; id <= 5; id++ {
			held[id], _ = randomSlot(rng)
			held[id].Candidates[0].Origin = slot.ID(id)
			held[id].Candidates[0].UUID[1] = byte(id)
		}
		for k := range 400 {
			a, b := 1+rng.IntN(5), 1+rng.IntN(5)
			if k >= 300 { // the last rounds reach everybody.
				a, b = 1+k%5, 1+(k/5)%5
			}
			out, changed := slot.Merge(&held[a], &held[b], slot.ID(a), slot.ID(b), e)
			require.Equal(t, changed, out.TS != held[a].TS || out.Sum() != held[a].Sum())
			again, err := slot.Decode("p", slot.Encode("p", &out))
			require.NoError(t, err)
			held[a] = again
			explicit := held[a].Explicit(slot.ID(a))
			for _, v := range explicit.Votes {
				key := [2]uint64{uint64(held[a].TS), uint64(v.Member)}
				if before, ok := votes[key]; ok {
					require.Equal(t, before, v.UUID, "a vote changed")
				}
				votes[key] = v.UUID
			}
		}
		for id := 2; id <= 5; id++ {
			require.Equal(t, held[1], held[id])
		}
		if held[1].Conflict() {
			conflicts++
			require.Equal(t, plainWinner(&held[1], []slot.ID{3, 1, 5, 2, 4}), e.Winner(&held[1]).Winner)
		}
	}
	require.Greater(t, conflicts, 1000)
}

// plainWinner is the rule once more, as one would say it.
func plainWinner(s *slot.Slot, oldestFirst []slot.ID) slot.UUID {
	count := map[slot.UUID]int{}
	for _, v := range s.Votes {
		if slices.Contains(oldestFirst, v.Member) {
			count[v.UUID]++
		}
	}
	for _, c := range s.Candidates {
		if count[c.UUID] > len(oldestFirst)/2 {
			return c.UUID
		}
	}
	for _, id := range oldestFirst {
		for _, c := range s.Candidates {
			if c.Origin == id {
				return c.UUID
			}
		}
	}
	return slot.UUID{}
}

// A slot too large for one message leaves candidates out, the same on every member whatever the order.
func TestOversizeConflictsKeepTheSameCandidates(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for range 6 {
		slots := make([]slot.Slot, 12)
		for i := range slots {
			r := slot.Record{TS: 9, UUID: slot.UUID{byte(rng.Uint32()), byte(i)}, Origin: slot.ID(i + 1),
				Value: make([]byte, rng.IntN(2)*rng.IntN(slot.ValueBytesHardMax))}
			slots[i] = slot.Of(&r)
		}
		var first []slot.UUID
		for range 2 {
			out := slot.Slot{}
			for _, i := range append(rng.Perm(len(slots)), rng.Perm(len(slots))...) {
				out, _ = slot.Merge(&out, &slots[i], 99, slot.ID(i+1), slot.NewElectorate(nil))
			}
			var kept []slot.UUID
			for _, c := range out.Candidates {
				kept = append(kept, c.UUID)
			}
			if first == nil {
				first = kept
			}
			require.Equal(t, first, kept)
			if out.Conflict() {
				slot.Encode("p", &out) // its invariant checks the bound.
			}
		}
	}
}

// A member that lost a slot to rot, and gets it back from another one, finds its vote in it and leaves it as it is.
func TestARottenSlotKeepsItsVote(t *testing.T) {
	e := slot.NewElectorate([]slot.ID{2, 1, 3})
	candidates := []slot.Candidate{{UUID: slot.UUID{1}, Origin: 2}, {UUID: slot.UUID{9}, Origin: 1}}
	full := slot.Slot{TS: 100, Candidates: candidates, Votes: []slot.Vote{{Member: 1, UUID: slot.UUID{9}},
		{Member: 2, UUID: slot.UUID{1}}, {Member: 3, UUID: slot.UUID{9}}}}
	partial := slot.Slot{TS: 100, Candidates: candidates,
		Votes: []slot.Vote{{Member: 1, UUID: slot.UUID{9}}, {Member: 2, UUID: slot.UUID{1}}}}
	back, changed := slot.Merge(&slot.Slot{}, &partial, 1, 2, e)
	require.True(t, changed)
	require.Equal(t, partial, back)
	all, _ := slot.Merge(&full, &back, 3, 1, e)
	require.Equal(t, e.Winner(&full), e.Winner(&all))
}

func TestElectorateDeadMembersCountStrangersDoNot(t *testing.T) {
	e := slot.NewElectorate([]slot.ID{1, 2, 3, 4, 5})
	r1, r2 := slot.Record{TS: 1, UUID: slot.UUID{1}, Origin: 4}, slot.Record{TS: 1, UUID: slot.UUID{2}, Origin: 5}
	a, b := slot.Of(&r1), slot.Of(&r2)
	s, _ := slot.Merge(&a, &b, 4, 5, e)
	d := e.Winner(&s)
	require.Equal(t, slot.RuleOldest, d.Rule, "two votes of five are no majority, although all who answered "+
		"agree or not")
	require.Equal(t, slot.UUID{1}, d.Winner)
	require.False(t, d.Final)
	for _, stranger := range []slot.ID{90, 91, 92, 93} {
		s.AddVote(slot.Vote{Member: stranger, UUID: slot.UUID{2}})
	}
	require.Equal(t, slot.UUID{1}, e.Winner(&s).Winner)
	for _, m := range []slot.ID{1, 2} {
		require.True(t, s.AddVote(slot.Vote{Member: m, UUID: slot.UUID{2}}))
		require.False(t, s.AddVote(slot.Vote{Member: m, UUID: slot.UUID{3}}), "votes are sticky")
	}
	d = e.Winner(&s)
	require.Equal(t, slot.RuleMajority, d.Rule)
	require.Equal(t, slot.UUID{2}, d.Winner)
	require.True(t, d.Final)
}

// Those of the time decide: a newcomer has no vote in what is older, and who is gone keeps its own.
func TestADecisionOutlivesChangesOfMembers(t *testing.T) {
	ms := func(wall int64) slot.Timestamp { return slot.Timestamp(wall << 16) }
	seats := []slot.Seat{{Member: 1, Born: ms(10)}, {Member: 2, Born: ms(20)}, {Member: 3, Born: ms(30)}}
	s := slot.Slot{
		TS: ms(100) + 7, Candidates: []slot.Candidate{{UUID: slot.UUID{1}, Origin: 1}, {UUID: slot.UUID{2}, Origin: 2}},
		Votes: []slot.Vote{{Member: 1, UUID: slot.UUID{1}}, {Member: 2, UUID: slot.UUID{2}},
			{Member: 3, UUID: slot.UUID{2}}}}
	want := slot.Decision{Index: 1, Winner: slot.UUID{2}, Rule: slot.RuleMajority, Votes: 2, Voters: 3, Final: true}
	require.Equal(t, want, slot.NewElectorateOf(seats).Winner(&s))

	newcomer := append(slices.Clone(seats), slot.Seat{Member: 4, Born: ms(200)})
	require.Equal(t, want, slot.NewElectorateOf(newcomer).Winner(&s), "a member joins")
	s.AddVote(slot.Vote{Member: 4, UUID: slot.UUID{1}})
	require.Equal(t, want, slot.NewElectorateOf(newcomer).Winner(&s), "and what it holds first does not count")
	for i := range seats {
		left := slices.Clone(newcomer)
		left[i].Gone = 100
		require.Equal(t, want, slot.NewElectorateOf(left).Winner(&s), "a member left in the very millisecond or later")
		require.NotContains(t, slot.NewElectorateOf(left).Members(), seats[i].Member)
		left[i].Gone = 99
		require.Equal(t, 2, slot.NewElectorateOf(left).Winner(&s).Voters, "before")
	}

	tie := slot.Slot{TS: s.TS, Candidates: s.Candidates,
		Votes: []slot.Vote{{Member: 1, UUID: slot.UUID{1}}, {Member: 2, UUID: slot.UUID{2}}}}
	require.False(t, slot.NewElectorateOf(seats).Winner(&tie).Final)
	removed := slices.Clone(seats)
	removed[2].Gone = 150
	require.Equal(t, slot.Decision{Winner: slot.UUID{1}, Rule: slot.RuleOldest, Votes: 1, Voters: 3, Final: true},
		slot.NewElectorateOf(removed).Winner(&tie),
		"who is gone does not vote any more")
	removed = slices.Clone(seats)
	removed[0].Gone = 150
	tie.Votes = append(tie.Votes, slot.Vote{Member: 3, UUID: slot.UUID{3}}) // of a candidate that was one too many.
	require.Equal(t, slot.UUID{1}, slot.NewElectorateOf(removed).Winner(&tie).Winner,
		"the oldest origin is the oldest, gone or not")
}

// What the members settled they show for good, also when others join, and when one of them is removed: at once, and
// after a restart. A decision that a late change of members turns over is told.
func TestSettledConflictsStayWhenMembersChange(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) && b.machine[2].node.InForce != nil })
	b.run(2*time.Second, nil)
	oldest := slices.IndexFunc(b.machine, func(m *testMachine) bool {
		return m.node.ID() == m.node.Electorate.Oldest()
	})
	young := (oldest + 1) % 3
	collide(b, "a", oldest, young)
	b.cut = func(from, to string) bool { return from == b.machine[oldest].name || to == b.machine[oldest].name }
	b.run(time.Minute, func() bool { return b.shows(3-oldest-young, "a") == fmt.Sprintf("of n%d", young+1) })
	b.cut = nil
	b.run(time.Minute, b.same)
	stays := func(what string) {
		t.Helper()
		b.run(10*time.Second, b.same)
		for i, m := range b.machine {
			if !m.replica.Up() {
				continue
			}
			require.Equal(t, fmt.Sprintf("of n%d", young+1), b.shows(i, "a"), what)
			if c := m.node.Conflicts("", 1); len(c) == 1 {
				require.Equal(t, 3, c[0].Decision.Voters, what)
				require.True(t, c[0].Decision.Final, what)
			}
		}
	}
	stays("as it was settled")
	n4 := b.join()
	b.run(20*time.Second, func() bool {
		return b.members(4) && b.machine[n4].node.bootstrap.Standing() == wire.StandingReady
	})
	stays("a newcomer")
	gone := b.machine[young].node.ID()
	b.crash(young)
	b.run(20*time.Second, func() bool { p := b.machine[n4].node.Peer(gone); return p != nil && p.Dead() })
	b.step(n4, &contract.Remove{ID: gone, Force: true})
	b.run(20*time.Second, func() bool {
		return !slices.Contains(b.machine[oldest].node.Electorate.Members(), gone) &&
			!slices.Contains(b.machine[3-oldest-young].node.Electorate.Members(), gone)
	})
	stays("one of those who settled it is removed")
	b.crash(oldest)
	b.start(oldest)
	stays("a restart")

	m := b.machine[oldest]
	var eff contract.Effects
	m.node.Eff = &eff
	i, _ := m.node.RosterIndex(b.machine[3-oldest-young].node.ID())
	m.node.Roster[i].Born = 1 << 62 // as if it had come much later.
	seats := slices.Clone(m.node.Roster)
	for _, member := range m.node.Status().Members {
		if member.State.Gone() {
			seats = append(seats, slot.Seat{Member: member.ID, Born: slot.Timestamp(member.Born), Gone: member.GoneAt})
		}
	}
	m.node.Electorate = slot.NewElectorateOf(seats)
	m.node.conflicts.DecideAnew()
	require.Len(t, eff.Decisions, 1)
	require.Equal(t, 2, eff.Decisions[0].Decision.Voters)
	require.Equal(t, slot.RuleOldest, eff.Decisions[0].Decision.Rule)
	m.node.conflicts.DecideAnew()
	require.Len(t, eff.Decisions, 1, "told once")
}

// A linearizable operation that finds a conflict decides it; that is what is told then, also after later votes, later
// writes and a restart.
func TestADecisionByALinearizableOperationIsTold(t *testing.T) {
	b := founded(t, 3)
	b.run(2*time.Second, nil)
	oldest := slices.IndexFunc(b.machine, func(m *testMachine) bool {
		return m.node.ID() == m.node.Electorate.Oldest()
	})
	young, third := (oldest+1)%3, (oldest+2)%3
	ts := collide(b, "a", oldest, young)
	b.cut = func(from, to string) bool { return from == b.machine[third].name || to == b.machine[third].name }
	r := b.doAt(oldest, contract.OpGet, contract.Linearizable, "a", "")
	require.Equal(t, ts, r.Record.TS, "%+v", r)
	require.Equal(t, fmt.Sprintf("of n%d", oldest+1), string(r.Record.Value), "one vote each: the oldest")
	told := func() {
		t.Helper()
		for i, m := range b.machine {
			c := m.node.Conflicts("a", 9)
			require.Len(t, c, 1)
			d := c[0].Decision
			require.Equal(t, r.Record.UUID, d.Winner, i)
			require.Equal(t, slot.RuleLinearizable, d.Rule, i)
			require.True(t, d.Final, i)
		}
	}
	b.cut = nil
	b.run(time.Minute, b.same)
	told()
	b.do(young, contract.OpPut, "a", "later")
	b.run(10*time.Second, b.same)
	for i := range b.machine {
		b.crash(i)
		b.start(i)
	}
	b.run(10*time.Second, b.same)
	told()
	require.NotZero(t, b.machine[third].node.Conflicts("a", 1)[0].Slot.Consensus.Ballot)
}
