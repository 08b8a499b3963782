package world

import (
	"slices"
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/sim"
)

// firstVoters is how many members found the cluster.
func (w *World) firstVoters() int {
	if w.Own.Voters.First == 0 {
		return w.Nodes()
	}
	return min(w.Own.Voters.First, w.Nodes())
}

// OperateEvery implements sim.Operator.
func (w *World) OperateEvery() time.Duration { return w.Own.Voters.Operator }

// Operate implements sim.Operator. It does what an operator of a cluster does: a voter whose disk is lost is demoted,
// since its identity never comes back. At times a living voter is demoted, which promotes itself again, or is held from
// that until the operator promotes it. The request goes to a replica drawn at random, which may be down, cut off or
// behind.
func (w *World) Operate() {
	if w.Phase() == sim.PhaseCore {
		return // a core gets everything done alone.
	}
	if w.renewOlder() || w.Own.Voters.Depart > 0 && w.depart() {
		return
	}
	r := &w.Replicas[1+w.Rand().IntN(w.Nodes())]
	if r.Node == nil || r.Paused() || r.Node.Config() == nil {
		return
	}
	config := r.Node.Config()
	var gone, living, held []node.ID
	for _, id := range config.Voters {
		exists := false
		for n := 1; n <= w.Nodes(); n++ {
			exists = exists || w.Replicas[n].ID == id
		}
		if exists {
			living = append(living, id)
		} else {
			gone = append(gone, id)
		}
	}
	for n := 1; n <= w.Nodes(); n++ {
		if id := w.Replicas[n].ID; slices.Contains(config.Held, id) {
			held = append(held, id)
		}
	}
	switch {
	case len(gone) > 0:
		w.demote(r, gone[w.Rand().IntN(len(gone))], false)
	case len(held) > 0 && (w.Recovering() || w.Rand().IntN(4) == 0):
		w.changeVoters(r, node.OpPromote, held[w.Rand().IntN(len(held))], false)
	case !w.Recovering() && len(living) > 1 && chaos.Chance(w.Rand(), w.Own.Voters.Churn):
		if id := living[w.Rand().IntN(len(living))]; w.mayDemote(config, id) {
			w.demote(r, id, id%3 == 0)
		}
	}
}

// renewOlder gives a member that has found out that its data folder is an older copy an empty one, as its log says.
func (w *World) renewOlder() bool {
	for n := 1; n <= w.Nodes(); n++ {
		r := &w.Replicas[n]
		if r.Older && r.Node != nil && !r.Paused() && r.Node.Mode() == node.ModeFailed {
			w.Renew(r.Replica)
			return true
		}
	}
	return false
}

func (w *World) demote(r *Replica, id node.ID, hold bool) { w.changeVoters(r, node.OpDemote, id, hold) }

func (w *World) changeVoters(r *Replica, op node.OpKind, id node.ID, hold bool) {
	w.Control(r.Replica, &node.Request{
		ID: w.OperatorID(), Op: op, Level: node.Linearizable, Path: id.String(), Hold: hold,
		Deadline: r.Time().Mono + w.Own.Workload.Timeout,
	})
}
