package ops

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"kvs/node/api"
	"kvs/node/host/config"
)

// askPatience bounds how long a member may take for its status.
const askPatience = 3 * time.Second

// views are a cluster as its members see it.
type views struct {
	cfg    *config.Config         // of a node of this machine, whose credentials are used.
	by     map[string]*api.Status // by the ID of the member that sees it so.
	silent map[string]string      // members that did not answer here, by ID: why.
}

// askMembers completes the views with those of the other members.
func (e *Env) askMembers(ctx context.Context, v *views) {
	v.silent = map[string]string{}
	for _, m := range v.members() {
		if v.by[m.ID] != nil {
			continue
		}
		st, err := e.statusOf(ctx, v.cfg, m.Address)
		if err != nil {
			v.silent[m.ID] = err.Error()
			continue
		}
		if st.ID == m.ID {
			v.by[m.ID] = st
		}
	}
}

// statusOf asks another member for its status.
func (e *Env) statusOf(ctx context.Context, cfg *config.Config, address string) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	c, err := e.Dial(cfg, address, true)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	st, err := c.Status(ctx)
	return &st, err
}

// members are all that some view has, those that left or were removed left out, by their names.
func (v *views) members() []api.Member {
	seen := map[string]api.Member{}
	for _, st := range v.by {
		for _, m := range st.Members {
			if m.State != "left" && m.State != "removed" {
				seen[m.ID] = m
			}
		}
	}
	return slices.SortedFunc(maps.Values(seen), func(a, b api.Member) int { return strings.Compare(a.Name, b.Name) })
}

// state is how the member a sees the member b; empty: a did not answer, or does not know b.
func (v *views) state(a, b string) string {
	if st := v.by[a]; st != nil {
		for i := range st.Members {
			if st.Members[i].ID == b {
				return st.Members[i].State
			}
		}
	}
	return ""
}

// examine looks at the cluster.
func (v *views) examine(name string) []finding {
	f := &findings{subject: "cluster " + name}
	v.examineReach(f)
	v.examineVoters(f)
	v.examineVersions(f)
	v.examineData(f)
	return f.list
}

// examineReach compares who sees whom.
func (v *views) examineReach(f *findings) {
	n, members := len(f.list), v.members()
	for _, b := range members {
		var hear, miss []string
		for _, a := range members {
			switch v.state(a.ID, b.ID) {
			case "alive":
				if a.ID != b.ID {
					hear = append(hear, a.Name)
				}
			case "dead", "suspect":
				miss = append(miss, a.Name)
			}
		}
		switch why, silent := v.silent[b.ID]; {
		case len(miss) > 0 && (len(hear) > 0 || !silent):
			f.add(problem, "network", "open the port of both machines for TCP and UDP, in both directions",
				"%s is not heard by %s, and is heard by %s", b.Name, strings.Join(miss, ", "),
				orNone(hear))
		case len(miss) > 0:
			f.add(problem, "members", "start it, or kvs members remove it for good (docs/how-to/replace-a-node.md)",
				"%s (%s) is down: %s", b.Name, b.Address, why)
		case silent:
			f.add(warning, "members", "look whether a firewall lets this machine through",
				"%s (%s) is alive for the others, and does not answer here: %s", b.Name, b.Address, why)
		}
	}
	f.wellUnless(n, "members")
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no other member"
	}
	return strings.Join(names, ", ")
}

// examineVoters looks at how far the voters are from losing their majority, as the newest configuration has them.
func (v *views) examineVoters(f *findings) {
	n := len(f.list)
	var newest *api.Status
	for _, id := range slices.Sorted(maps.Keys(v.by)) {
		if st := v.by[id]; newest == nil || st.Voters.Epoch > newest.Voters.Epoch {
			newest = st
		}
	}
	switch {
	case newest == nil:
		return
	case newest.Voters.Epoch == 0:
		f.add(problem, "voters", "start the missing nodes, or set expected_members to their number",
			"the cluster is not founded: %d members have met, of %d expected", len(v.members()), v.cfg.ExpectedMembers)
		return
	}
	total, alive := len(newest.Voters.Voters), 0
	for _, voter := range newest.Voters.Voters {
		if v.silent[voter.ID] == "" {
			alive++
		}
	}
	majority := total/2 + 1
	switch {
	case alive < majority:
		f.add(problem, "voters", "start them; if they are lost for ever: docs/how-to/lost-majority.md",
			"%d of %d voters answer, and %d are needed: quorum and linearizable requests fail", alive, total, majority)
	case alive == majority && total > 1 && alive < total:
		f.add(warning, "voters", "bring the missing voters back", "%d of %d voters answer: one more failure, and "+
			"quorum and linearizable requests fail", alive, total)
	}
	if total%2 == 0 {
		f.add(warning, "voters", "add a voter, or demote one: kvs voters",
			"%d voters survive no more failures than %d", total, total-1)
	}
	f.wellUnless(n, "voters")
}

// examineVersions compares the programs.
func (v *views) examineVersions(f *findings) {
	n, by := len(f.list), map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(v.by)) {
		st := v.by[id]
		by[st.Version] = append(by[st.Version], st.Name)
	}
	if len(by) > 1 {
		var parts []string
		for _, version := range slices.Sorted(maps.Keys(by)) {
			slices.Sort(by[version])
			parts = append(parts, strings.Join(by[version], ", ")+" "+version)
		}
		f.add(warning, "versions", "finish the upgrade: docs/how-to/upgrade.md", "members run different versions: %s",
			strings.Join(parts, "; "))
	}
	f.wellUnless(n, "versions")
}

// examineData compares what the members hold.
func (v *views) examineData(f *findings) {
	n, digests, queued := len(f.list), map[string]bool{}, 0
	for _, st := range v.by {
		digests[st.Digest] = true
		for i := range st.Peers {
			queued += st.Peers[i].QueueEntries
		}
	}
	if len(digests) > 1 {
		f.add(warning, "data", "look again in a moment: it is normal while clients write",
			"members hold different data; %d writes are on their way", queued)
	}
	f.wellUnless(n, "data")
}
