package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/hlc"
	"kvs/scenarios"
)

func TestExpiryFires(t *testing.T) {
	w, _ := lived(t)
	path := "expiring"
	value := node.Record{TS: 9, UUID: node.UUID{1}, Origin: 1, Value: []byte("x")}
	end := node.SlotOf(&node.Record{TS: 10, UUID: endOf(node.UUID{1}), Origin: 1, Tombstone: true})
	require.True(t, isEnding(&end, 0))
	i := w.ledger.begin(path, false, "x", value.Value, 1, 1)
	w.ledger.acknowledged(i, value.Version(), 1)
	w.ended(&w.replicas[1], path, &end)
	requireBroken(t, w.violations, promiseExpiry, "lives for ever")
	require.False(t, w.ledger.mayEnd(path, 9))

	w.violations = nil
	wr := &w.ledger.writes[i]
	wr.ttl, wr.begun = 2*time.Second, w.now-time.Second
	w.ended(&w.replicas[1], path, &end)
	requireBroken(t, w.violations, promiseExpiry, "of 2s")
	require.True(t, w.ledger.mayEnd(path, 9))
	require.False(t, w.ledger.mayEnd(path, 8))

	w.violations = nil
	wr.begun = w.now - 2*time.Second
	w.ended(&w.replicas[1], path, &end)
	require.Empty(t, w.violations)
}

// An end beside a write, in its place, or above one that it does not end, is seen.
func TestHiddenWritesAreSeen(t *testing.T) {
	w, _ := lived(t)
	path := "expiring"
	end := node.Record{TS: 10, UUID: endOf(node.UUID{1}), Origin: 1, Tombstone: true}
	write := node.Record{TS: 10, UUID: node.UUID{2}, Origin: 1, Value: []byte("y")}
	ended, written := node.SlotOf(&end), node.SlotOf(&write)
	r := &w.replicas[1]
	w.ends.stored(1, path, &ended)
	w.hidesWrite(r, path, &written)
	require.Empty(t, w.violations)
	w.ends.stored(1, path, &written)
	w.hidesWrite(r, path, &ended)
	requireBroken(t, w.violations, promiseExpiry, "takes the place")
	w.violations = nil
	both := node.Slot{TS: 10, Candidates: []node.Candidate{written.Candidates[0], ended.Candidates[0]}}
	w.ends.stored(1, "another", &written)
	w.hidesWrite(r, "yet another", &both)
	requireBroken(t, w.violations, promiseExpiry, "one of 2 candidates")

	e := &Evidence{Scenario: w.sc, ledger: &w.ledger, Nodes: []NodeEvidence{{Number: 1, Records: []PathRecord{{Path: path, Record: end, Slot: both}}}}}
	require.Empty(t, checkHidden(e))
	w.ledger.acknowledged(w.ledger.begin(path, true, "", nil, 1, 1), end.Version(), 1)
	require.Empty(t, checkHidden(e), "a delete that found it")
	i := w.ledger.begin(path, false, "y", write.Value, 1, 1)
	w.ledger.acknowledged(i, write.Version(), 1)
	requireBroken(t, checkHidden(e), promiseExpiry, "hides version")
}

// A value that lives otherwise than its client asked for is seen.
func TestLivesAreCompared(t *testing.T) {
	w, _ := lived(t)
	value := node.Record{TS: hlc.Make(10, 0), UUID: node.UUID{1}, Origin: 1, Value: []byte("x")}
	e := &Evidence{Scenario: w.sc, ledger: &w.ledger, Nodes: []NodeEvidence{{Number: 1, Records: []PathRecord{{Path: "expiring", Record: value}}}}}
	i := w.ledger.begin("expiring", false, "x", value.Value, 1, 1)
	require.Empty(t, checkLives(e))
	w.ledger.writes[i].ttl = 2*time.Second + time.Microsecond
	requireBroken(t, checkLives(e), promiseExpiry, "lives for 0s, and client 1 asked for 2s")
	e.Nodes[0].Records[0].Record.Expires = value.TS.Wall() + 2000
	require.Empty(t, checkLives(e))
	w.ledger.writes[i].ttl = 0
	requireBroken(t, checkLives(e), promiseExpiry, "lives for 2s, and client 1 asked for 0s")
}

// The history says where a value that a linearizable operation wrote may have ended: no earlier than it may, and only where a tombstone
// can have been its end.
func TestHistoriesHaveTheEndsThatMayBe(t *testing.T) {
	sc, err := scenarios.Load("everything")
	require.NoError(t, err)
	sc = Draw(4, sc) // values end.
	require.Positive(t, sc.Workload.TTLMax)
	record := func(ts node.Timestamp, u byte, value string) node.Record {
		return node.Record{TS: ts, UUID: node.UUID{u}, Origin: 1, Tombstone: value == "", Value: []byte(value)}
	}
	for what, want := range map[string]int{"": 1, "unknown": 1, "early": 0, "no tombstone": 0, "a write between": 0, "told to a delete": 1, "refused": 0, "for ever": 0, "not judged": 0} {
		w := newWorld(Options{Seed: 4, Scenario: &sc})
		path := "l/a"
		if what == "not judged" {
			path = "m/a"
		}
		value, end := record(10, 1, "x"), record(20, 2, "")
		i := w.ledger.begin(path, false, "x", value.Value, 1, 1)
		w.ledger.writes[i].ttl = time.Second
		w.ledger.acknowledged(i, value.Version(), 1)
		w.descends(path, &node.Slot{Consensus: &node.Consensus{Record: value}})
		w.now = 2 * time.Second
		switch what {
		case "unknown":
			w.ledger.writes[i].fate = fateUnknown
		case "early":
			w.now = time.Second / 2
		case "no tombstone":
			end = record(20, 2, "y")
		case "a write between":
			w.ledger.acknowledged(w.ledger.begin(path, false, "z", []byte("z"), 1, 1), node.Version{TS: 15}, 1)
		case "told to a delete":
			w.ledger.acknowledged(w.ledger.begin(path, true, "", nil, 1, 1), end.Version(), 1)
		case "refused":
			w.ledger.writes[i].fate = fateRefused
		case "for ever":
			w.ledger.writes[i].ttl = 0
		}
		w.descends(path, &node.Slot{Consensus: &node.Consensus{Record: end}})
		w.now = 3 * time.Second
		h := w.recorder.Finish(int64(w.now))
		w.withEnds(h)
		require.Len(t, h.Ops, want, what)
		if want > 0 {
			require.Equal(t, int64(time.Second-endsEarly(time.Second)), h.Ops[0].Invoke)
			require.Equal(t, "x", h.Ops[0].Expect)
		}
	}
}

// What linearizable operations write in the end of a value, or in place of nothing, is known; what none of them can have written is not.
func TestChosenTombstonesAreKnown(t *testing.T) {
	w, _ := lived(t)
	end := node.Record{TS: 20, UUID: node.UUID{2}, Origin: 1, Tombstone: true}
	r := PathRecord{Path: "deleted", Record: end, Slot: node.Slot{Consensus: &node.Consensus{Record: end}}}
	i := w.ledger.begin(r.Path, false, "x", []byte("x"), 1, 1)
	w.ledger.acknowledged(i, node.Version{TS: 10}, 1)
	require.False(t, deleteIsKnown(&w.ledger, r))
	w.ledger.writes[i].ttl = time.Second
	require.True(t, deleteIsKnown(&w.ledger, r))
	eventual := PathRecord{Path: r.Path, Record: end, Slot: node.SlotOf(&end)}
	require.False(t, deleteIsKnown(&w.ledger, eventual), "its end has a UUID that says so")
	w.ledger.acknowledged(i, node.Version{TS: 30}, 1)
	require.False(t, deleteIsKnown(&w.ledger, r), "it is older than the value")

	cas := w.ledger.begin(r.Path, false, "y", []byte("y"), 1, 1)
	w.ledger.writes[cas].fate = fateRefused
	require.False(t, deleteIsKnown(&w.ledger, r))
	w.ledger.writes[cas].named = true
	require.True(t, deleteIsKnown(&w.ledger, r))
	require.False(t, deleteIsKnown(&w.ledger, eventual))
}

// A value that nobody ends is what a run waits for in vain.
func TestUnendedValueIsFound(t *testing.T) {
	w, _ := lived(t)
	w.sc.Workload.TTLMax = time.Second
	require.Empty(t, w.expiringLeft())
	require.NoError(t, w.replicas[1].disk.store.Apply([]node.Op{{Key: "x/a", Value: []byte{1}}}))
	require.Contains(t, w.unsettled(), "waits for the end")
}

// endOf is the UUID of the tombstone that ends a value: all bits turned, but for those that say what kind of UUID it is.
func endOf(u node.UUID) node.UUID {
	for i := range u {
		u[i] = ^u[i]
	}
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return u
}
