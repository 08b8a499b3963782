package rest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

func TestConflicts(t *testing.T) {
	s := newSite(t)
	stored := node.Slot{TS: 5<<16 | 3, Candidates: []node.Candidate{
		{UUID: node.UUID{1}, Origin: 1, ContentType: "text/plain"}, {UUID: node.UUID{2}, Origin: 9, Tombstone: true},
	}, Votes: []node.Vote{{Member: 1, UUID: node.UUID{1}}, {Member: 9, UUID: node.UUID{2}}}}
	s.core.set(func(f *fakeCore) {
		f.snapshot = fullSnapshot()
		f.conflict = []node.ConflictRecord{{
			Path: "a/b", Slot: stored, Bytes: []int{7, 0}, Seen: 1_700_000_000_123,
			Decision: slot.NewElectorate([]node.ID{1, 2, 9}).Winner(&stored),
		}}
	})
	var got api.Conflicts
	s.do("GET", "/conflicts?prefix=a%2F&limit=7", "").json(&got)
	require.Equal(t, "a/ 7", s.core.asked)
	require.Equal(t, []api.Conflict{{
		Path: "a/b", Timestamp: "5.00003", Winner: node.UUID{1}.String(), Rule: "oldest", Voters: 3,
		Reason: "no candidate has a majority; its origin is the oldest", Seen: time.UnixMilli(1_700_000_000_123).UTC(),
		Candidates: []api.Candidate{
			{UUID: node.UUID{1}.String(), Origin: "n 1", OriginID: "0000000000000001", ContentType: "text/plain",
				Bytes: 7},
			{UUID: node.UUID{2}.String(), Origin: "0000000000000009", OriginID: "0000000000000009", Deleted: true},
		},
		Votes: []api.Vote{
			{Member: "n 1", MemberID: "0000000000000001", UUID: node.UUID{1}.String()},
			{Member: "0000000000000009", MemberID: "0000000000000009", UUID: node.UUID{2}.String()},
		},
	}}, got.Conflicts)

	s.do("GET", "/conflicts", "")
	require.Equal(t, " 100", s.core.asked)
	for _, bad := range []string{"?limit=0", "?limit=1025", "?limit=x", "?prefix=%FF", "?path=a"} {
		s.do("GET", "/conflicts"+bad, "").problem(api.BadParameter)
	}
	s.core.set(func(f *fakeCore) { f.joinErr = ErrStopping })
	s.do("GET", "/conflicts", "").problem(api.ShuttingDown)
}

func TestCandidates(t *testing.T) {
	s := newSite(t)
	stored := node.Slot{TS: 5 << 16, Candidates: []node.Candidate{
		{UUID: node.UUID{1}, Origin: 1, ContentType: "a/b", Value: []byte("lost")},
		{UUID: node.UUID{2}, Origin: 9, Tombstone: true},
	}, Votes: []node.Vote{{Member: 1, UUID: node.UUID{2}}}}
	require.NoError(t, s.core.store.Apply([]node.Change{{Key: "r/x/y z", Value: slot.Encode("x/y z", &stored)}}))
	r := s.do("GET", "/conflicts/x/y%20z?uuid="+stored.Candidates[0].UUID.String(), "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "lost", string(r.body))
	require.Equal(t, "a/b", r.header.Get("Content-Type"))
	require.Equal(t, "5.00000", r.header.Get(api.HeaderTimestamp))
	require.Contains(t, s.do("GET", "/conflicts/x/y%20z?uuid="+stored.Candidates[1].UUID.String(), "").problem(
		api.NotFound).Detail, "was a deletion")
	require.Contains(t, s.do("GET", "/conflicts/x/y%20z?uuid="+node.UUID{7}.String(), "").problem(api.NotFound).Detail,
		"any more")
	s.do("GET", "/conflicts/x?uuid="+node.UUID{1}.String(), "").problem(api.NotFound)
	s.do("GET", "/conflicts/x", "").problem(api.BadParameter)
	s.do("GET", "/conflicts/x?uuid=7", "").problem(api.BadParameter)
	s.do("GET", "/conflicts/x/?uuid=7", "").problem(api.BadPath)
	s.do("GET", "/conflicts//x?uuid=7", "").problem(api.BadPath)
}
