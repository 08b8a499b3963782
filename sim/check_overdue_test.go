package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// valueOf is a slot with one value that lives for ten seconds, and what it shows.
func valueOf(ts uint64) (node.Slot, node.Record) {
	rec := node.Record{TS: node.Timestamp(ts << 16), UUID: node.UUID{byte(ts)}, Origin: 7, Value: []byte("v")}
	rec.Expires = rec.TS.Wall() + 10_000
	return node.SlotOf(&rec), rec
}

func TestOverdueFires(t *testing.T) {
	c := newOverdueCheck(2)
	s, rec := valueOf(1)
	c.started(1)
	c.stored(1, "a", &s, &rec)
	require.Empty(t, c.look(1, 18*time.Second), "another member's value waits for that one a while")
	c.stored(1, "a", &s, &rec)
	requireBroken(t, c.look(1, 2*time.Second), promiseExpiry, "lives for 10s")
	require.Empty(t, c.look(1, time.Hour), "said once")

	c.stored(1, "a", &s, &rec)
	c.started(1)
	require.Empty(t, c.look(1, 29*time.Second), "a crash costs running time")
	requireBroken(t, c.look(1, 2*time.Second), promiseExpiry, "started 1 times")
}

func TestOverdueWantsOnlyWhatCanBeDone(t *testing.T) {
	for what, ends := range map[string]func(c *overdueCheck, s *node.Slot, rec *node.Record){
		"replaced": func(c *overdueCheck, _ *node.Slot, rec *node.Record) {
			now := node.Record{TS: rec.TS + 1, Tombstone: true}
			s := node.SlotOf(&now)
			c.stored(1, "a", &s, &now)
		},
		"unreadable": func(c *overdueCheck, _ *node.Slot, _ *node.Record) { c.forget(1, "a") },
		"wiped":      func(c *overdueCheck, _ *node.Slot, _ *node.Record) { c.wiped(1) },
		"elsewhere":  func(c *overdueCheck, _ *node.Slot, _ *node.Record) { c.swapped(1, 2) },
		"a conflict": func(c *overdueCheck, s *node.Slot, rec *node.Record) {
			s.Candidates = append(s.Candidates, node.Candidate{UUID: node.UUID{0xff}, Origin: 8})
			c.stored(1, "a", s, rec)
		},
	} {
		c := newOverdueCheck(2)
		s, rec := valueOf(1)
		c.stored(1, "a", &s, &rec)
		ends(&c, &s, &rec)
		require.Empty(t, c.look(1, time.Hour), what)
	}
	c := newOverdueCheck(1)
	s, rec := valueOf(1)
	rec.Expires, s.Candidates[0].Expires = 0, 0
	c.stored(1, "a", &s, &rec)
	require.Empty(t, c.look(1, time.Hour), "for ever")
}
