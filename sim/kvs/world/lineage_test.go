package world

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
)

// The history says where a value that a linearizable operation wrote may have ended: no earlier than it may, and
// only where a tombstone can have been its end.
func TestHistoriesHaveTheEndsThatMayBe(t *testing.T) {
	sc, err := scenarios.Load("everything")
	require.NoError(t, err)
	sc = sim.Draw(4, sc) // values end.
	require.Positive(t, scenarios.Of(&sc).Workload.TTLMax)
	record := func(ts node.Timestamp, u byte, value string) node.Record {
		return node.Record{TS: ts, UUID: node.UUID{u}, Origin: 1, Tombstone: value == "", Value: []byte(value)}
	}
	for what, want := range map[string]int{"": 1, "unknown": 1, "early": 0, "no tombstone": 0, "a write between": 0,
		"told to a delete": 1, "refused": 0, "for ever": 0, "not judged": 0} {
		w := start(sim.Options{Seed: 4, Scenario: &sc})
		w.Still()
		path := "l/a"
		if what == "not judged" {
			path = "m/a"
		}
		value, end := record(10, 1, "x"), record(20, 2, "")
		i := w.Ledger.Begin(path, false, "x", value.Value, 1, 1)
		w.Ledger.Writes[i].TTL = time.Second
		w.Ledger.Acknowledge(i, value.Version(), 1)
		w.descends(path, &node.Slot{Consensus: &node.Consensus{Record: value}})
		w.RunUntil(2 * time.Second)
		switch what {
		case "unknown":
			w.Ledger.Writes[i].Fate = ledger.Unknown
		case "early":
			w.RunUntil(time.Second / 2)
		case "no tombstone":
			end = record(20, 2, "y")
		case "a write between":
			w.Ledger.Acknowledge(w.Ledger.Begin(path, false, "z", []byte("z"), 1, 1), node.Version{TS: 15}, 1)
		case "told to a delete":
			w.Ledger.Acknowledge(w.Ledger.Begin(path, true, "", nil, 1, 1), end.Version(), 1)
		case "refused":
			w.Ledger.Writes[i].Fate = ledger.Refused
		case "for ever":
			w.Ledger.Writes[i].TTL = 0
		}
		w.descends(path, &node.Slot{Consensus: &node.Consensus{Record: end}})
		w.RunUntil(3 * time.Second)
		h := w.History()
		w.withEnds(h)
		require.Len(t, h.Ops, want, what)
		if want > 0 {
			require.Equal(t, int64(time.Second-EndsEarly(time.Second)), h.Ops[0].Invoke)
			require.Equal(t, "x", h.Ops[0].Expect)
		}
	}
}
