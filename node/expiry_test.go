package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/expiry"
	"kvs/node/register"
	"kvs/node/schema"
	"kvs/node/slot"
)

func (b *bench) putFor(i int, level contract.Level, path, value string, ttl time.Duration) contract.Response {
	b.t.Helper()
	b.nextReq++
	id := b.nextReq
	b.step(i, &contract.Request{ID: id, Op: contract.OpPut, Level: level, Path: path, Value: []byte(value), TTL: ttl})
	b.run(5*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

func (b *bench) showsAll(path, value string) bool {
	for i, m := range b.machine {
		if m.replica.Up() && b.shows(i, path) != value {
			return false
		}
	}
	return true
}

// A value lives as long as it says and not much longer, on all members alike, whatever their wall clocks do meanwhile;
// then its space is given back.
func TestValuesExpire(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"clocks that are right": 0, "forward": time.Hour, "back": -time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBenchWith(t, 3, grace(time.Second))
			b.run(5*time.Second, func() bool { return b.members(3) && b.machine[2].node.InForce != nil })
			for _, level := range []contract.Level{contract.Eventual, contract.Quorum, contract.Linearizable} {
				begun := b.now
				put := b.putFor(0, level, "a", "one", 10*time.Second)
				require.Equal(t, contract.CodeCreated, put.Code)
				require.Equal(t, put.Record.TS.Wall()+10_000, put.Record.Expires)
				b.run(2*time.Second, func() bool { return b.showsAll("a", "one") })
				for i := range b.machine {
					b.machine[i].wall += jump.Milliseconds()
				}
				b.do(1, contract.OpPut, "other", "x") // carries the clocks around.
				b.run(10*time.Second-(b.now-begun)-time.Millisecond, nil)
				require.True(t, b.showsAll("a", "one"), "%s: not a moment too early", level)
				b.run(2*time.Second, func() bool { return b.showsAll("a", "") })
				b.run(30*time.Second, func() bool {
					return b.machine[0].keysWith(schema.PrefixRecord) == 1 && b.same() &&
						b.machine[1].keysWith(schema.PrefixExpiry) == 0
				})
			}
		})
	}
}

func TestWrittenOverBeforeItsEnd(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.putFor(0, contract.Eventual, "a", "short", 5*time.Second)
	b.run(2*time.Second, b.same)
	b.do(1, contract.OpPut, "a", "long")
	b.run(30*time.Second, nil)
	require.True(t, b.showsAll("a", "long"))
	for i := range b.machine {
		require.Zero(t, b.machine[i].keysWith(schema.PrefixExpiry))
	}
}

// A write that meets the end of what it replaces wins, though nobody had heard of it: the end is just above its own
// value.
func TestNewValueWinsOverALateEnd(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.putFor(0, contract.Eventual, "a", "old", 3*time.Second)
	b.run(2*time.Second, b.same)
	b.cut = func(from, to string) bool { return true }
	b.do(1, contract.OpPut, "a", "new")
	b.run(10*time.Second, nil)
	require.Equal(t, "", b.shows(0, "a"))
	b.cut = nil
	b.run(time.Minute, func() bool { return b.showsAll("a", "new") })
}

// The end of a value has the timestamp that the next write of its member may have. Whichever of the two a member hears
// of first, and whoever votes, the write stays; of two ends all keep the same one. So it is in the consensus half,
// where a round may leave an end that it has found.
func TestAnEndStandsBelowEveryWrite(t *testing.T) {
	e := slot.NewElectorate([]slot.ID{1, 2, 3})
	value := slot.Record{TS: 100, UUID: slot.UUID{1, 6: 0x40}, Origin: 1, Expires: 1, Value: []byte("old")}
	other := slot.Record{TS: 100, UUID: slot.UUID{2, 6: 0x40}, Origin: 2, Expires: 1, Value: []byte("old as well")}
	for name, write := range map[string]slot.Record{
		"put":    {TS: 101, UUID: slot.UUID{0xff, 6: 0x40}, Origin: 3, Value: []byte("new")},
		"delete": {TS: 101, UUID: slot.UUID{0xff, 6: 0x40}, Origin: 3, Tombstone: true},
	} {
		t.Run(name, func(t *testing.T) {
			ending, another := value.End(), other.End()
			end, end2, put := slot.Of(&ending), slot.Of(&another), slot.Of(&write)
			for _, order := range [][]*slot.Slot{{&end, &put}, {&put, &end}, {&end, &end2, &put}, {&end2, &put, &end},
				{&put, &end2, &end}} {
				var held slot.Slot
				for i, s := range order {
					out, changed := slot.Merge(&held, s, 1, slot.ID(i+1), e)
					require.Equal(t, changed, out.Version() != held.Version())
					held = out
				}
				require.Equal(t, put, held)
				var answers []register.Seen
				for i, s := range order {
					answers = append(answers, register.Seen{Voter: slot.ID(i + 1), Slot: *s})
				}
				j := register.Join(answers, 1, e)
				require.Equal(t, write.UUID, j.Current.UUID, "a round sees the write")
			}
			for _, ours := range []*slot.Slot{&end, &end2} {
				out, _ := slot.Merge(ours, &end2, 1, 2, e)
				back, _ := slot.Merge(&end2, ours, 1, 2, e)
				require.Equal(t, out, back)
				require.False(t, out.Conflict())
			}

			ballot := slot.Ballot{Epoch: 1, TS: 200, Member: 1}
			chosen := slot.Slot{Consensus: &slot.Consensus{Promised: ballot, Ballot: ballot, Record: ending}}
			require.Equal(t, ending.UUID, e.Visible(&chosen).UUID)
			both, _ := slot.Merge(&chosen, &put, 1, 2, e)
			require.Equal(t, write.UUID, e.Visible(&both).UUID, "chosen or not, an end hides no write")
			both, _ = slot.Merge(&chosen, &end, 1, 2, e)
			require.True(t, both.ConsensusShows())

			// as builds before this rule stored it.
			earlier := slot.Slot{TS: 101, Candidates: []slot.Candidate{ending.AsCandidate(), write.AsCandidate()},
				Votes: []slot.Vote{{Member: 1, UUID: ending.UUID}, {Member: 2, UUID: ending.UUID},
					{Member: 3, UUID: write.UUID}}}
			require.Equal(t, write.UUID, e.Winner(&earlier).Winner)
		})
	}
}

// The others end what a dead member made, restarts of theirs notwithstanding.
func TestValuesOfTheDeadExpire(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.putFor(0, contract.Eventual, "a", "one", 20*time.Second)
	b.run(2*time.Second, b.same)
	b.crash(0)
	begun := b.now
	b.run(12*time.Second, nil)
	b.crash(1)
	b.start(1)
	b.crash(2)
	b.start(2)
	b.run(6*time.Second, nil)
	require.True(t, b.showsAll("a", "one"))
	b.run(30*time.Second, func() bool { return b.showsAll("a", "") })
	require.Less(t, b.now-begun, 20*time.Second+expiry.Patience+expiry.ClockInterval+2*expiry.Sweep)
	b.start(0)
	b.run(time.Minute, b.same)
	require.True(t, b.showsAll("a", ""))
}

// What a linearizable operation wrote ends in time although a conflict that it has replaced stays open: a voter is away
// whose vote would decide it.
func TestChosenValueOverOpenConflictExpires(t *testing.T) {
	b := founded(t, 3)
	b.crash(2)
	b.run(time.Second, nil)
	collide(b, "a", 0, 1)
	b.cut = nil
	b.run(time.Minute, func() bool { return b.seesDead(0, 2) && b.seesDead(1, 2) && b.same() })
	put := b.putFor(0, contract.Linearizable, "a", "one", 3*time.Second)
	require.Equal(t, contract.OutcomeApplied, put.Outcome)
	s := b.slot(0, "a")
	require.True(t, s.Conflict() && !b.machine[0].node.Electorate.Winner(&s).Final && s.ConsensusShows())
	b.run(5*time.Second+expiry.Sweep, func() bool { return b.showsAll("a", "") })
}

// A member that was idle for hours before it took a value, and crashes right after, has not lost those hours: what it
// counts from is on disk with the value.
func TestACrashAfterAnIdleTimeKeepsNothingAlive(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(10*time.Minute, nil)
	begun := b.now
	b.putFor(0, contract.Eventual, "a", "one", 20*time.Second)
	b.run(expiry.Sweep/2, b.same)
	for i := range b.machine {
		b.crash(i)
		b.start(i)
	}
	b.run(20*time.Second-(b.now-begun)-time.Millisecond, nil)
	require.True(t, b.showsAll("a", "one"))
	b.run(time.Minute, func() bool { return b.showsAll("a", "") })
	require.True(t, b.showsAll("a", ""))
	require.Less(t, b.now-begun, 20*time.Second+expiry.Patience+expiry.ClockInterval+2*expiry.Sweep)
}

// The disk takes longer than the time between two looks: the entry that is on its way to it is not overlooked.
func TestAnEntryOnItsWayIsNotOverlooked(t *testing.T) {
	b := newBench(t, 1)
	b.run(3*time.Second, nil) // the member has looked, and found nothing.
	b.fsync = 2 * expiry.Sweep
	b.nextReq++
	put := b.nextReq
	b.step(0, &contract.Request{ID: put, Op: contract.OpPut, Level: contract.Eventual, Path: "a",
		Value: []byte("v"), TTL: time.Second})
	b.run(b.fsync, func() bool { _, done := b.machine[0].replies[put]; return done })
	require.LessOrEqual(t, b.machine[0].node.expiry.Due(), b.now+2*expiry.Sweep, "it is looked for again")
	b.fsync = 2 * time.Millisecond
	b.run(expiry.Patience+expiry.ClockInterval+4*expiry.Sweep, func() bool { return b.shows(0, "a") == "" })
}
