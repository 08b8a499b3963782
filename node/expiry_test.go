package node

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExpiryGolden(t *testing.T) {
	r := sampleRecord()
	e := expiryEntry{path: "a", version: r.Version(), since: 1000, life: 90_000}
	golden(t, "expiry-v1.hex", []byte(hex.EncodeToString(e.encode())+"\n"))
	got, ok := decodeExpiry("a", e.encode())
	require.True(t, ok)
	require.Equal(t, e, got)
	for i := range expiryBytes {
		_, ok := decodeExpiry("a", e.encode()[:i])
		require.False(t, ok)
	}
}

func (b *bench) putFor(i int, level Level, path, value string, ttl time.Duration) Response {
	b.t.Helper()
	b.nextReq++
	id := b.nextReq
	b.step(i, &Request{ID: id, Op: OpPut, Level: level, Path: path, Value: []byte(value), TTL: ttl})
	b.run(5*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

func (b *bench) showsAll(path, value string) bool {
	for i, m := range b.machine {
		if m.up && b.shows(i, path) != value {
			return false
		}
	}
	return true
}

// A value lives as long as it says and not much longer, on all members alike, whatever their wall clocks do meanwhile; then its
// space is given back.
func TestValuesExpire(t *testing.T) {
	for name, jump := range map[string]time.Duration{"clocks that are right": 0, "forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newBenchWith(t, 3, grace(time.Second))
			b.run(5*time.Second, func() bool { return b.members(3) && b.machine[2].node.config != nil })
			for _, level := range []Level{Eventual, Quorum, Linearizable} {
				begun := b.now
				put := b.putFor(0, level, "a", "one", 10*time.Second)
				require.Equal(t, CodeCreated, put.Code)
				require.Equal(t, put.Record.TS.Wall()+10_000, put.Record.Expires)
				b.run(2*time.Second, func() bool { return b.showsAll("a", "one") })
				for i := range b.machine {
					b.machine[i].wall += jump.Milliseconds()
				}
				b.do(1, OpPut, "other", "x") // carries the clocks around.
				b.run(10*time.Second-(b.now-begun)-time.Millisecond, nil)
				require.True(t, b.showsAll("a", "one"), "%s: not a moment too early", level)
				b.run(2*time.Second, func() bool { return b.showsAll("a", "") })
				b.run(30*time.Second, func() bool {
					return b.machine[0].keysWith(prefixRecord) == 1 && b.same() && b.machine[1].keysWith(prefixExpiry) == 0
				})
			}
		})
	}
}

func TestWrittenOverBeforeItsEnd(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.putFor(0, Eventual, "a", "short", 5*time.Second)
	b.run(2*time.Second, b.same)
	b.do(1, OpPut, "a", "long")
	b.run(30*time.Second, nil)
	require.True(t, b.showsAll("a", "long"))
	for i := range b.machine {
		require.Zero(t, b.machine[i].keysWith(prefixExpiry))
	}
}

// A write that meets the end of what it replaces wins, though nobody had heard of it: the end is just above its own value.
func TestNewValueWinsOverALateEnd(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.putFor(0, Eventual, "a", "old", 3*time.Second)
	b.run(2*time.Second, b.same)
	b.cut = func(from, to string) bool { return true }
	b.do(1, OpPut, "a", "new")
	b.run(10*time.Second, nil)
	require.Equal(t, "", b.shows(0, "a"))
	b.cut = nil
	b.run(time.Minute, func() bool { return b.showsAll("a", "new") })
}

// The end of a value has the timestamp that the next write of its member may have. Whichever of the two a member hears of first, and
// whoever votes, the write stays; of two ends all keep the same one. So it is in the consensus half, where a round may leave an end that it has found.
func TestAnEndStandsBelowEveryWrite(t *testing.T) {
	e := NewElectorate([]ID{1, 2, 3})
	value := Record{TS: 100, UUID: UUID{1, 6: 0x40}, Origin: 1, Expires: 1, Value: []byte("old")}
	other := Record{TS: 100, UUID: UUID{2, 6: 0x40}, Origin: 2, Expires: 1, Value: []byte("old as well")}
	for name, write := range map[string]Record{
		"put":    {TS: 101, UUID: UUID{0xff, 6: 0x40}, Origin: 3, Value: []byte("new")},
		"delete": {TS: 101, UUID: UUID{0xff, 6: 0x40}, Origin: 3, Tombstone: true},
	} {
		t.Run(name, func(t *testing.T) {
			ending, another := value.ending(), other.ending()
			end, end2, put := SlotOf(&ending), SlotOf(&another), SlotOf(&write)
			for _, order := range [][]*Slot{{&end, &put}, {&put, &end}, {&end, &end2, &put}, {&end2, &put, &end}, {&put, &end2, &end}} {
				var held Slot
				for i, s := range order {
					out, changed := mergeSlots(&held, s, 1, ID(i+1), e)
					require.Equal(t, changed, out.version() != held.version())
					held = out
				}
				require.Equal(t, put, held)
				var answers []seen
				for i, s := range order {
					answers = append(answers, seen{ID(i + 1), *s})
				}
				j := join(answers, 1, e)
				require.Equal(t, write.UUID, j.current.UUID, "a round sees the write")
			}
			for _, ours := range []*Slot{&end, &end2} {
				out, _ := mergeSlots(ours, &end2, 1, 2, e)
				back, _ := mergeSlots(&end2, ours, 1, 2, e)
				require.Equal(t, out, back)
				require.False(t, out.Conflict())
			}

			ballot := Ballot{Epoch: 1, TS: 200, Member: 1}
			chosen := Slot{Consensus: &Consensus{Promised: ballot, Ballot: ballot, Record: ending}}
			require.Equal(t, ending.UUID, e.Visible(&chosen).UUID)
			both, _ := mergeSlots(&chosen, &put, 1, 2, e)
			require.Equal(t, write.UUID, e.Visible(&both).UUID, "chosen or not, an end hides no write")
			both, _ = mergeSlots(&chosen, &end, 1, 2, e)
			require.True(t, both.consensusShows())

			earlier := Slot{TS: 101, Candidates: []Candidate{ending.candidate(), write.candidate()}, // as builds before this rule stored it.
				Votes: []Vote{{1, ending.UUID}, {2, ending.UUID}, {3, write.UUID}}}
			require.Equal(t, write.UUID, e.Winner(&earlier).Winner)
		})
	}
}

// What waits for a peer may be the end of a value whose place a write has taken.
func TestAQueuedEndGivesWayToTheWrite(t *testing.T) {
	value := Record{TS: 100, UUID: UUID{1, 6: 0x40}, Origin: 1, Expires: 1, Value: []byte("old")}
	ending := value.ending()
	write := Record{TS: 101, UUID: UUID{0xff, 6: 0x40}, Origin: 3, Tombstone: true}
	end, put := SlotOf(&ending), SlotOf(&write)
	var q sendQueue
	q.push(entry{"a", EncodeSlot("a", &end)}, 1<<20)
	q.push(entry{"a", EncodeSlot("a", &put)}, 1<<20)
	require.Equal(t, EncodeSlot("a", &put), q.pop().record)
}

// The others end what a dead member made, restarts of theirs notwithstanding.
func TestValuesOfTheDeadExpire(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.putFor(0, Eventual, "a", "one", 20*time.Second)
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
	require.Less(t, b.now-begun, 20*time.Second+expiryPatience+expiryClockInterval+2*expirySweep)
	b.start(0)
	b.run(time.Minute, b.same)
	require.True(t, b.showsAll("a", ""))
}

// A member that was idle for hours before it took a value, and crashes right after, has not lost those hours: what it counts from is on
// disk with the value.
func TestACrashAfterAnIdleTimeKeepsNothingAlive(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(10*time.Minute, nil)
	begun := b.now
	b.putFor(0, Eventual, "a", "one", 20*time.Second)
	b.run(expirySweep/2, b.same)
	for i := range b.machine {
		b.crash(i)
		b.start(i)
	}
	b.run(20*time.Second-(b.now-begun)-time.Millisecond, nil)
	require.True(t, b.showsAll("a", "one"))
	b.run(time.Minute, func() bool { return b.showsAll("a", "") })
	require.True(t, b.showsAll("a", ""))
	require.Less(t, b.now-begun, 20*time.Second+expiryPatience+expiryClockInterval+2*expirySweep)
}

// The disk takes longer than the time between two looks: the entry that is on its way to it is not overlooked.
func TestAnEntryOnItsWayIsNotOverlooked(t *testing.T) {
	b := newBench(t, 1)
	m := b.machine[0]
	b.run(3*time.Second, nil) // the member has looked, and found nothing.
	n, eff := m.node, &Effects{}
	b.nextReq++
	n.Step(b.time(m), &Request{ID: b.nextReq, Op: OpPut, Level: Eventual, Path: "a", Value: []byte("v"), TTL: time.Second}, eff)
	put := eff.Persist
	require.NotZero(t, put.ID)
	b.now += 2 * expirySweep
	eff.Reset()
	n.Step(b.time(m), Tick{}, eff)
	last := put.ID
	require.NoError(t, m.store.Apply(put.Ops))
	if eff.Persist.ID != 0 {
		require.NoError(t, m.store.Apply(eff.Persist.Ops))
		last = eff.Persist.ID
	}
	eff.Reset()
	n.Step(b.time(m), &Persisted{UpTo: last}, eff)
	require.LessOrEqual(t, eff.Wake, b.now+2*expirySweep, "it is looked for again")
	require.NotEqual(t, expiryNever, n.expiry.next)
}
