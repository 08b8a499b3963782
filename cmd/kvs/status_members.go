package main

import (
	"fmt"
	"slices"
	"strings"

	"kvs/node/daemon"
)

// The part of a status about members that do not run here, and about what their absence means.

// stateUnreachable is the state of a member that a node of this machine knows and cannot reach.
const stateUnreachable = "unreachable"

// unreachable is such a member.
type unreachable struct {
	daemon.Member
	by string // the node that cannot reach it.
}

// unreachableMembers are the members that nodes consider dead, or that are silent, and that have no report, in the
// order of their names.
func unreachableMembers(reports []daemon.Report) []unreachable {
	var out []unreachable
	for _, r := range reports {
		for _, m := range r.Health.Members {
			reported := func(other daemon.Report) bool {
				return other.Record.Address != "" && other.Record.Address == m.Address || other.Name == m.Name &&
					other.State != daemon.StateRunning
			}
			listed := func(u unreachable) bool { return u.Name == m.Name && u.Address == m.Address }
			gone := m.State == "dead" || m.State == daemon.StateSilent
			if gone && !slices.ContainsFunc(reports, reported) && !slices.ContainsFunc(out, listed) {
				out = append(out, unreachable{m, r.Name})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b unreachable) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// sayWhatIsMissing explains in words what does not work, and what to do: the table shows only figures.
func (a *app) sayWhatIsMissing(reports []daemon.Report, away []unreachable) {
	for _, m := range away {
		a.say("%s at %s: %s cannot reach it; start it there (kvs start), or take it out for good: kvs "+
			"members remove %s", m.Name, m.Address, m.by, m.Name)
	}
	for _, r := range reports {
		stands := r.Health.Bootstrap == nil || r.Health.Bootstrap.Phase == "waiting" // or else the table says more.
		if r.Answers && !r.Health.Ready && len(r.Health.Reasons) > 0 && r.Health.Mode != daemon.ModeStarting && stands {
			a.say("%s is not ready: %s", r.Name, strings.Join(r.Health.Reasons, "; "))
			continue
		}
		for _, w := range r.Health.Warnings {
			a.say("%s: %s", r.Name, w)
		}
	}
	for _, r := range reports {
		if r.Health.Retired != "" {
			a.say("%s is no longer a member of its cluster: %s", r.Name, r.Health.Retired)
		}
	}
	for _, r := range reports {
		if h := r.Health; h.LostMajority() {
			a.say("%s", lostMajority(r))
			return // the others say the same.
		}
	}
}

// lostMajority describes what a node without a majority cannot do, and the missing members.
func lostMajority(r daemon.Report) string {
	var missing []string
	for _, m := range r.Health.Members {
		if m.State == "dead" || m.State == "suspect" || m.State == daemon.StateSilent {
			missing = append(missing, m.Name)
		}
	}
	text := fmt.Sprintf(
		"MAJORITY LOST: %s reaches %d of %d voters: linearizable and quorum operations fail until %d are back",
		r.Name, r.Health.VotersAlive, r.Health.Voters, r.Health.Voters/2+1)
	if len(missing) > 0 {
		text += "; missing: " + strings.Join(missing, ", ")
	}
	return text + "; if they are lost for ever, see kvs recover"
}
