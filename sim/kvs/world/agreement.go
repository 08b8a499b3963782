package world

import (
	"fmt"

	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim"
)

// Disagreements requires that every replica sees every replica alive, under its present identity, and no others: a
// member that lost its disk is another member, and its former identity must be dead.
func Disagreements(nodes []NodeEvidence) []sim.Violation {
	var out []sim.Violation
	bad := func(n int, format string, args ...any) {
		out = append(out, sim.Violation{Promise: scenarios.MembershipAgreed.String(), Node: n,
			Detail: fmt.Sprintf(format, args...)})
	}
	for i := range nodes {
		viewer := &nodes[i]
		if !viewer.Up {
			bad(viewer.Number, "is down")
			continue
		}
		for j := range nodes {
			if state, known := StateOf(viewer.Members, nodes[j]); !known {
				bad(viewer.Number, "does not know n%d", nodes[j].Number)
			} else if state != swim.Alive {
				bad(viewer.Number, "sees n%d %s", nodes[j].Number, state)
			}
		}
		for _, m := range viewer.Members {
			if (m.State == swim.Alive || m.State == swim.Suspect) && !isReplica(nodes, m) {
				bad(viewer.Number, "sees %s (%s) %s, an identity that is gone", m.Name, m.ID, m.State)
			}
		}
	}
	checkGone(nodes, bad)
	return out
}

// StateOf is the state of a replica in the member table of another.
func StateOf(members []swim.Member, n NodeEvidence) (swim.State, bool) {
	for _, m := range members {
		if m.ID == n.ID {
			return m.State, true
		}
	}
	return 0, false
}

func isReplica(nodes []NodeEvidence, m swim.Member) bool {
	for i := range nodes {
		if nodes[i].ID == m.ID {
			return true
		}
	}
	return false
}

// checkGone requires that all replicas agree on which members are gone, and since when.
func checkGone(nodes []NodeEvidence, bad func(n int, format string, args ...any)) {
	type exit struct {
		state swim.State
		at    uint64
	}
	for i := range nodes {
		for _, m := range nodes[i].Members {
			if !m.State.Gone() {
				continue
			}
			for j := range nodes {
				for _, o := range nodes[j].Members {
					if o.ID == m.ID && (exit{o.State, o.GoneAt}) != (exit{m.State, m.GoneAt}) {
						bad(nodes[j].Number, "sees %s (%s) %s, which n%d knows to have %s", o.Name, o.ID, o.State,
							nodes[i].Number, m.State)
					}
				}
			}
		}
	}
}
