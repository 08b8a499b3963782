package documents

import (
	"time"

	"kvs/node"
	"kvs/node/api"
)

// Conflict is how one conflict stands, with the names of members as st knows them.
func Conflict(r *node.ConflictRecord, st *node.Status) api.Conflict {
	d := &r.Decision
	out := api.Conflict{
		Path: r.Path, Timestamp: r.Slot.TS.String(), Winner: d.Winner.String(), Rule: d.Rule.String(), Settled: d.Final,
		Reason: d.Reason(), Voters: d.Voters, Seen: time.UnixMilli(r.Seen).UTC(),
		Candidates: []api.Candidate{}, Votes: []api.Vote{},
	}
	for i := range r.Slot.Candidates {
		c := &r.Slot.Candidates[i]
		out.Candidates = append(out.Candidates, api.Candidate{
			UUID: c.UUID.String(), Origin: memberName(st, c.Origin), OriginID: c.Origin.String(), Deleted: c.Tombstone,
			ContentType: c.ContentType, Bytes: r.Bytes[i],
		})
	}
	for _, v := range r.Slot.Votes {
		out.Votes = append(out.Votes, api.Vote{Member: memberName(st, v.Member), MemberID: v.Member.String(),
			UUID: v.UUID.String()})
	}
	return out
}

// memberName is a member's name, or its ID when this node no longer knows the name.
func memberName(st *node.Status, id node.ID) string {
	for i := range st.Members {
		if m := &st.Members[i]; m.ID == id && m.Name != "" {
			return m.Name
		}
	}
	return id.String()
}
