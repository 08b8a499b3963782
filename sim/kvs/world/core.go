package world

import (
	"slices"

	"kvs/node"
	"kvs/node/swim"
	"kvs/sim"
)

// What the core phase asks of a cluster whose voters may change: a majority of the nodes is only a core if it holds a
// majority of those whose word counts. While a change of voters is under way that may be two sets, and some of what
// was promised may lie with either; then there is no core, and the phase is left out.

// MayBegin implements sim.CoreChooser: where operations need voters, the configuration must be known to a majority
// of the nodes: no other node could teach it to the rest.
func (w *World) MayBegin() bool {
	if w.Own.Workload.Level == node.Eventual {
		return true
	}
	if len(w.configs()) <= w.Nodes()/2 {
		return false
	}
	if w.Own.Voters.Operator == 0 {
		return true
	}
	return w.departing.number == 0 && !w.changingVoters(w.configInForce())
}

// MayBeCore implements sim.CoreChooser: the members of a core can find each other, and a core is a majority of the
// voters, too, of every configuration that is known anywhere, and of those before it as long as some voter of the core
// may have to ask them.
func (w *World) MayBeCore(nodes []int) bool {
	if !w.acquainted(nodes) {
		return false
	}
	c := w.configInForce()
	if c != nil && w.Own.Voters.Operator > 0 && !w.caughtUp(c, nodes) && !w.majority(c.Previous, nodes) {
		return false
	}
	return !slices.ContainsFunc(w.configs(), func(c *node.Config) bool { return !w.majority(c.Voters, nodes) }) &&
		w.speakFor(c, nodes)
}

// speakFor reports whether the voters among the nodes can go on with every path: of one that has rotted a voter knows
// nothing any more.
func (w *World) speakFor(c *node.Config, nodes []int) bool {
	if c == nil || w.Own.Workload.Level != node.Linearizable {
		return true
	}
	for i := range w.Ledger.Paths {
		speaking := slices.DeleteFunc(slices.Clone(nodes), func(n int) bool {
			return !w.SpeaksFor(&w.Replicas[n], w.Ledger.Paths[i].Path)
		})
		if !w.majority(c.Voters, speaking) {
			return false
		}
	}
	return true
}

// acquainted reports whether these nodes can all find each other, through each other at most: of two of them one has
// heard of the other, or is configured with its address. Members that were apart from their first moment on, without
// one of their seeds among them, cannot, in the simulator or elsewhere. A node that is down shows its seeds alone.
func (w *World) acquainted(nodes []int) bool {
	dials := func(a, b int) bool {
		r := &w.Replicas[a]
		return slices.Contains(w.seeds(a), sim.Address(b)) || r.Node != nil && slices.ContainsFunc(
			r.Node.Status().Members, func(m swim.Member) bool { return m.Addr == sim.Address(b) })
	}
	found := nodes[:1:1]
	for i := 0; i < len(found); i++ {
		for _, n := range nodes {
			if !slices.Contains(found, n) && (dials(found[i], n) || dials(n, found[i])) {
				found = append(found, n)
			}
		}
	}
	return len(found) == len(nodes)
}

// majority reports whether more than half of these voters are among the nodes.
func (w *World) majority(voters []node.ID, nodes []int) bool {
	count := 0
	for _, n := range nodes {
		if slices.Contains(voters, w.Replicas[n].ID) {
			count++
		}
	}
	return 2*count > len(voters)
}

// caughtUp reports whether all voters among the nodes hold what their epoch begins with.
func (w *World) caughtUp(c *node.Config, nodes []int) bool {
	return !slices.ContainsFunc(nodes, func(n int) bool {
		r := &w.Replicas[n]
		return c.Votes(r.ID) && c.Epoch > 1 && (r.Node == nil || r.Node.Status().CaughtUp < c.Epoch)
	})
}

// configs are those that running members know.
func (w *World) configs() (out []*node.Config) {
	for n := 1; n <= w.Nodes(); n++ {
		if r := &w.Replicas[n]; r.Node != nil && r.Node.Config() != nil {
			out = append(out, r.Node.Config())
		}
	}
	return out
}
