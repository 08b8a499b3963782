package sim

import (
	"slices"

	"kvs/chaos"
	"kvs/node"
)

// operatorCall marks the requests of the operator, who does not wait for answers.
const operatorCall = 1 << 63

// firstVoters is how many members found the cluster.
func (w *world) firstVoters() int {
	if w.sc.Voters.First == 0 {
		return w.nodes
	}
	return min(w.sc.Voters.First, w.nodes)
}

// operate is what somebody does who looks after the cluster: a voter whose disk is gone is demoted, since its identity never
// comes back. Now and then a living one is demoted, which gets itself promoted again, or is held from that until it is promoted. The request goes to a replica drawn at
// random, which may be down, cut off or behind.
func (w *world) operate() {
	if w.sc.Voters.Depart > 0 && w.depart() {
		return
	}
	r := &w.replicas[1+w.rng.IntN(w.nodes)]
	if r.node == nil || r.paused || r.node.Config() == nil {
		return
	}
	config := r.node.Config()
	var gone, living, held []node.ID
	for _, id := range config.Voters {
		exists := false
		for n := 1; n <= w.nodes; n++ {
			exists = exists || w.replicas[n].id == id
		}
		if exists {
			living = append(living, id)
		} else {
			gone = append(gone, id)
		}
	}
	for n := 1; n <= w.nodes; n++ {
		if id := w.replicas[n].id; slices.Contains(config.Held, id) {
			held = append(held, id)
		}
	}
	switch {
	case len(gone) > 0:
		w.demote(r, gone[w.rng.IntN(len(gone))], false)
	case len(held) > 0 && (w.recovering || w.rng.IntN(4) == 0):
		w.changeVoters(r, node.OpPromote, held[w.rng.IntN(len(held))], false)
	case !w.recovering && len(living) > 1 && chaos.Chance(w.rng, w.sc.Voters.Churn):
		id := living[w.rng.IntN(len(living))]
		w.demote(r, id, id%3 == 0)
	}
}

func (w *world) demote(r *replica, id node.ID, hold bool) { w.changeVoters(r, node.OpDemote, id, hold) }

func (w *world) changeVoters(r *replica, op node.OpKind, id node.ID, hold bool) {
	w.requests++
	w.step(r, &node.Request{
		ID: operatorCall | w.requests, Op: op, Level: node.Linearizable, Path: id.String(), Hold: hold,
		Deadline: r.clock.mono(w.now) + w.sc.Workload.Timeout,
	})
}
