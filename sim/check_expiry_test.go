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
