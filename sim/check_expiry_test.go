package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
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
	i := w.ledger.begin(path, false, "y", write.Value, 1, 1)
	w.ledger.acknowledged(i, write.Version(), 1)
	requireBroken(t, checkHidden(e), promiseExpiry, "hides version")
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
