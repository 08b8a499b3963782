package slot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is said of a slot beside its encoding is what the encoding shows to those who read it again.
func TestStoredSaysWhatItsRecordShows(t *testing.T) {
	value := Record{TS: 9 << 16, UUID: UUID{1}, Origin: 1, Value: []byte("v")}
	short := Record{TS: 9 << 16, UUID: UUID{2}, Origin: 2, Value: []byte("w")}
	short.SetTTL(time.Minute)
	tombstone := Record{TS: 9 << 16, UUID: UUID{3}, Origin: 3, Tombstone: true}
	above := short
	above.TS += 1 << 16
	conflict := func(records ...Record) Slot {
		s := Slot{TS: records[0].TS}
		for i := range records {
			s.addCandidate(records[i].AsCandidate())
			s.AddVote(Vote{records[i].Origin, records[i].UUID})
		}
		return s
	}
	chosen := func(s Slot, r Record) Slot {
		s.Consensus = &Consensus{Promised: Ballot{TS: r.TS}, Ballot: Ballot{TS: r.TS}, Record: r}
		return s
	}
	e := NewElectorate([]ID{1, 2, 3})
	for name, c := range map[string]struct {
		slot                Slot
		tombstone, expiring bool
	}{
		"a value":              {Of(&value), false, false},
		"a value that expires": {Of(&short), false, true},
		"a tombstone":          {Of(&tombstone), true, false},
		"a mere promise":       {Slot{Consensus: &Consensus{Promised: Ballot{TS: 5}}}, false, false},
		"a promise above a value": {
			Slot{TS: short.TS, Candidates: Of(&short).Candidates, Consensus: &Consensus{}}, false, true},
		"chosen":                              {chosen(Slot{}, short), false, true},
		"a chosen tombstone":                  {chosen(Slot{}, tombstone), true, false},
		"an expiring value above a tombstone": {chosen(Of(&tombstone), above), true, true},
		"a conflict with a tombstone":         {conflict(value, tombstone), true, false},
		"a conflict that expires":             {conflict(short, tombstone), true, true},
	} {
		t.Run(name, func(t *testing.T) {
			stored := Store("p", &c.slot, e)
			read, err := Decode("p", stored.Record)
			require.NoError(t, err)
			require.Equal(t, read.Version(), stored.Version)
			require.Equal(t, c.tombstone, stored.Tombstone)
			require.Equal(t, c.tombstone, EncodedTombstone("p", stored.Record))
			require.Equal(t, read.Conflict(), InConflict(stored.Record))
			shown := e.Visible(&read)
			require.Equal(t, c.expiring, stored.Expiring == shown.Version() && stored.Life == shown.Life() &&
				stored.Life != 0)
			if !c.expiring {
				require.Zero(t, stored.Expiring)
				require.Zero(t, stored.Life)
			}
			require.Equal(t, stored, StoredAs(stored.Record, &read, e))
		})
	}
}
