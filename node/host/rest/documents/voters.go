package documents

import (
	"kvs/node"
	"kvs/node/api"
)

// Voters is the configuration in force.
func Voters(st *node.Status) api.Voters {
	out := api.Voters{Voters: []api.Voter{}}
	if st.Config == nil {
		return out
	}
	out.Epoch, out.CaughtUp = st.Config.Epoch, st.CaughtUp >= st.Config.Epoch
	out.Recoveries = len(st.Config.Former)
	out.Founding = st.Config.Founding.String()
	for _, f := range st.Config.Former {
		out.Former = append(out.Former, f.String())
	}
	out.Voters = append(out.Voters, voterList(st, st.Config.Voters)...)
	out.Held = voterList(st, st.Config.Held)
	return out
}

// voterList describes these members.
func voterList(st *node.Status, ids []node.ID) (out []api.Voter) {
	for _, id := range ids {
		v := api.Voter{ID: id.String()}
		for _, m := range st.Members {
			if m.ID == id {
				v.Name, v.State = m.Name, m.State.String()
			}
		}
		out = append(out, v)
	}
	return out
}
