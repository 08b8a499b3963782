package checks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/slot"
	"kvs/sim"
)

// valueOf is a slot with one value that lives for ten seconds, and what it shows.
func valueOf(ts uint64) (node.Slot, node.Record) {
	rec := node.Record{TS: node.Timestamp(ts << 16), UUID: node.UUID{byte(ts)}, Origin: 7, Value: []byte("v")}
	rec.Expires = rec.TS.Wall() + 10_000
	return slot.Of(&rec), rec
}

func TestOverdueFires(t *testing.T) {
	c := newOverdueCheck(bare(t))
	s, rec := valueOf(1)
	shows := shown{version: func(string) node.Version { return rec.Version() }}
	c.started(1)
	c.stored(1, "a", &s, &rec, true)
	require.Empty(t, c.look(1, 18*time.Second, shows), "another member's value waits for that one a while")
	c.stored(1, "a", &s, &rec, true)
	requireBroken(t, c.look(1, 2*time.Second, shows), promiseExpiry, "lives for 10s")
	require.Empty(t, c.look(1, time.Hour, shows), "said once")

	c.stored(1, "a", &s, &rec, true)
	c.started(1)
	require.Empty(t, c.look(1, 29*time.Second, shows), "a crash costs running time")
	requireBroken(t, c.look(1, 2*time.Second, shows), promiseExpiry, "started 1 times")

	s.Candidates = append(s.Candidates, node.Candidate{UUID: node.UUID{0xff}, Origin: 8})
	c.stored(1, "a", &s, &rec, true)
	requireBroken(t, c.look(1, time.Hour, shows), promiseExpiry, "lives for 10s")
	c.stored(1, "a", &s, &rec, true)
	other := shown{version: func(string) node.Version { return node.Version{TS: rec.TS, UUID: node.UUID{0xff}} }}
	require.Empty(t, c.look(1, time.Hour, other), "another candidate shows since")
}

func TestOverdueWantsOnlyWhatCanBeDone(t *testing.T) {
	for what, ends := range map[string]func(c *overdueCheck, s *node.Slot, rec *node.Record){
		"replaced": func(c *overdueCheck, _ *node.Slot, rec *node.Record) {
			now := node.Record{TS: rec.TS + 1, Tombstone: true}
			s := slot.Of(&now)
			c.stored(1, "a", &s, &now, true)
		},
		"unreadable": func(c *overdueCheck, _ *node.Slot, _ *node.Record) { c.forget(1, "a") },
		"wiped":      func(c *overdueCheck, _ *node.Slot, _ *node.Record) { c.wiped(1) },
		"elsewhere":  func(c *overdueCheck, _ *node.Slot, _ *node.Record) { c.swapped(1, 2) },
		"an open conflict": func(c *overdueCheck, s *node.Slot, rec *node.Record) {
			s.Candidates = append(s.Candidates, node.Candidate{UUID: node.UUID{0xff}, Origin: 8})
			c.stored(1, "a", s, rec, false)
		},
	} {
		c := newOverdueCheck(bare(t))
		s, rec := valueOf(1)
		shows := shown{version: func(string) node.Version { return rec.Version() }}
		c.stored(1, "a", &s, &rec, true)
		ends(c, &s, &rec)
		require.Empty(t, c.look(1, time.Hour, shows), what)
	}
	c := newOverdueCheck(bare(t))
	s, rec := valueOf(1)
	shows := shown{version: func(string) node.Version { return rec.Version() }}
	rec.Expires, s.Candidates[0].Expires = 0, 0
	c.stored(1, "a", &s, &rec, true)
	require.Empty(t, c.look(1, time.Hour, shows), "for ever")
}

// What a linearizable operation wrote is overdue once its member could have had such an operation for long enough,
// without a break and in one epoch.
func TestOverdueChosenFires(t *testing.T) {
	c := newOverdueCheck(bare(t))
	_, rec := valueOf(1)
	s := node.Slot{Consensus: &node.Consensus{Ballot: node.Ballot{TS: rec.TS}, Record: rec}}
	require.True(t, s.ConsensusShows())
	epoch := uint64(1)
	now := shown{version: func(string) node.Version { return rec.Version() },
		agrees: func(string) uint64 { return epoch }}
	looks := func(count int) (out []sim.Violation) {
		for range count {
			out = append(out, c.look(1, time.Second, now)...)
		}
		return out
	}
	c.stored(1, "a", &s, &rec, true)
	const due, most = 20, int(overdueAgreed / time.Second)
	require.Empty(t, looks(due-1+most), "it had a majority from the first of these on")
	epoch = 0
	require.Empty(t, looks(100), "no majority")
	epoch = 2
	require.Empty(t, looks(most))
	epoch = 3
	require.Empty(t, looks(most), "the voters have changed")
	c.members[1].breaks++
	require.Empty(t, looks(most), "the member could not work meanwhile")
	c.started(1)
	require.Empty(t, looks(most), "nor here")
	requireBroken(t, looks(1), promiseExpiry, "lives for 10s")
	require.Empty(t, looks(100), "said once")
}

// A member can have linearizable operations with a majority that it reaches, that works, knows what it had on the path,
// and is in its epoch.
func TestOverdueAsksForMajority(t *testing.T) {
	w, _ := lived(t)
	c := newOverdueCheck(w.World)
	r := &w.Replicas[1]
	config := r.Node.Config()
	require.Equal(t, w.Nodes(), len(config.Voters))
	members := r.Node.Status().Members
	require.Equal(t, config.Epoch, c.mayAgree(r, members, "a"))
	require.Zero(t, c.mayAgree(r, nil, "a"), "it takes none for alive")
	for n := 2; n <= w.Nodes(); n++ {
		w.Replicas[n].Rotten["a"] = true
	}
	require.Zero(t, c.mayAgree(r, members, "a"), "the others have lost what they had")
	require.Equal(t, config.Epoch, c.mayAgree(r, members, "b"))
	for n := 2; n <= w.Nodes(); n++ {
		w.Links().Apply(chaos.Fault{Kind: chaos.Clog, From: []int{n}, To: []int{1}})
	}
	require.Zero(t, c.mayAgree(r, members, "b"), "it hears none of them")
}
