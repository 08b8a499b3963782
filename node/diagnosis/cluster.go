package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kvs/node/api"
)

// Views are a cluster as its members see it.
type Views struct {
	By     map[string]*api.Status // by the ID of the member that sees it so.
	Silent map[string]string      // members that did not answer, by ID: why.

	ExpectedMembers int // with which the cluster is founded; zero: not known.
}

// Members are all that some view has, those that left or were removed left out, by their names.
func (v *Views) Members() []api.Member {
	seen := map[string]api.Member{}
	for _, st := range v.By {
		for _, m := range st.Members {
			if m.State != "left" && m.State != "removed" {
				seen[m.ID] = m
			}
		}
	}
	return slices.SortedFunc(maps.Values(seen), func(a, b api.Member) int { return strings.Compare(a.Name, b.Name) })
}

// state is how the member a sees the member b; empty: a did not answer, or does not know b.
func (v *Views) state(a, b string) string {
	if st := v.By[a]; st != nil {
		for i := range st.Members {
			if st.Members[i].ID == b {
				return st.Members[i].State
			}
		}
	}
	return ""
}

// Examine looks at the cluster of this name.
func (v *Views) Examine(name string) []api.Finding {
	f := &Findings{Subject: "cluster " + name}
	v.examineReach(f)
	v.examineVoters(f)
	v.examineVersions(f)
	v.examineData(f)
	return f.List
}

// examineReach compares who sees whom.
func (v *Views) examineReach(f *Findings) {
	n, members := len(f.List), v.Members()
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
		switch why, silent := v.Silent[b.ID]; {
		case len(miss) > 0 && (len(hear) > 0 || !silent):
			f.Add(Problem, "network", "open the port of both machines for TCP and UDP, in both directions",
				"%s is not heard by %s, and is heard by %s", b.Name, strings.Join(miss, ", "),
				orNone(hear))
		case len(miss) > 0:
			f.Add(Problem, "members", "start it, or kvs members remove it for good (docs/how-to/replace-a-node.md)",
				"%s (%s) is down: %s", b.Name, b.Address, why)
		case silent:
			f.Add(Warning, "members", "look whether a firewall lets this machine through",
				"%s (%s) is alive for the others, and does not answer here: %s", b.Name, b.Address, why)
		}
	}
	f.WellUnless(n, "members")
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no other member"
	}
	return strings.Join(names, ", ")
}

// examineVoters looks at how far the voters are from losing their majority, as the newest configuration has them.
func (v *Views) examineVoters(f *Findings) {
	n := len(f.List)
	var newest *api.Status
	for _, id := range slices.Sorted(maps.Keys(v.By)) {
		if st := v.By[id]; newest == nil || st.Voters.Epoch > newest.Voters.Epoch {
			newest = st
		}
	}
	switch {
	case newest == nil:
		return
	case newest.Voters.Epoch == 0:
		expected := ""
		if v.ExpectedMembers > 0 {
			expected = fmt.Sprintf(", of %d expected", v.ExpectedMembers)
		}
		f.Add(Problem, "voters", "start the missing nodes, or set expected_members to their number",
			"the cluster is not founded: %d members have met%s", len(v.Members()), expected)
		return
	}
	total, alive := len(newest.Voters.Voters), 0
	for _, voter := range newest.Voters.Voters {
		if v.Silent[voter.ID] == "" {
			alive++
		}
	}
	majority := total/2 + 1
	switch {
	case alive < majority:
		f.Add(Problem, "voters", "start them; if they are lost for ever: docs/how-to/lost-majority.md",
			"%d of %d voters answer, and %d are needed: quorum and linearizable requests fail", alive, total, majority)
	case alive == majority && total > 1 && alive < total:
		f.Add(Warning, "voters", "bring the missing voters back", "%d of %d voters answer: one more failure, and "+
			"quorum and linearizable requests fail", alive, total)
	}
	if total%2 == 0 {
		f.Add(Warning, "voters", "add a voter, or demote one: kvs voters",
			"%d voters survive no more failures than %d", total, total-1)
	}
	f.WellUnless(n, "voters")
}

// examineVersions compares the programs.
func (v *Views) examineVersions(f *Findings) {
	n, by := len(f.List), map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(v.By)) {
		st := v.By[id]
		by[st.Version] = append(by[st.Version], st.Name)
	}
	if len(by) > 1 {
		var parts []string
		for _, version := range slices.Sorted(maps.Keys(by)) {
			slices.Sort(by[version])
			parts = append(parts, strings.Join(by[version], ", ")+" "+version)
		}
		f.Add(Warning, "versions", "finish the upgrade: docs/how-to/upgrade.md", "members run different versions: %s",
			strings.Join(parts, "; "))
	}
	f.WellUnless(n, "versions")
}

// examineData compares what the members hold.
func (v *Views) examineData(f *Findings) {
	n, digests, queued := len(f.List), map[string]bool{}, 0
	for _, st := range v.By {
		digests[st.Digest] = true
		for i := range st.Peers {
			queued += st.Peers[i].QueueEntries
		}
	}
	if len(digests) > 1 {
		f.Add(Warning, "data", "look again in a moment: it is normal while clients write",
			"members hold different data; %d writes are on their way", queued)
	}
	f.WellUnless(n, "data")
}
