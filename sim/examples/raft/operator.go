package raft

import (
	"time"

	"kvs/chaos"
	"kvs/sim"

	pb "go.etcd.io/raft/v3/raftpb"
)

// OperateEvery implements sim.Operator.
func (c *cluster) OperateEvery() time.Duration { return c.own.Operator.Every }

// Operate implements sim.Operator. While there are faults it tells a running node, leader or not, to change the roles
// of some nodes as that node knows them, or to hand over the leadership; it does not wait for one change before the
// next. Afterwards it makes every node a voter again.
func (c *cluster) Operate() {
	if c.w.Phase() != sim.PhaseSafety {
		c.restoreVoters()
		return
	}
	rng := c.w.Rand()
	r := c.w.Replica(1 + rng.IntN(c.w.Nodes()))
	for range 1 + rng.IntN(burstMax) {
		m := c.machine(r.Number)
		if m == nil || r.Paused() || m.broken {
			return
		}
		if chaos.Chance(rng, c.own.Operator.Transfer) {
			c.w.Control(r, &Control{Target: 1 + rng.Uint64N(uint64(c.w.Nodes()))})
			return
		}
		if control, ok := c.drawChange(m.conf); ok {
			c.w.Control(r, &control)
		}
	}
}

// burstMax is how many changes the operator asks for at once, at most.
const burstMax = 3

// drawChange draws a change of a configuration.
func (c *cluster) drawChange(conf *pb.ConfState) (control Control, ok bool) {
	rng := c.w.Rand()
	if len(conf.GetVotersOutgoing()) > 0 {
		return Control{}, chaos.Chance(rng, c.own.Operator.Leave)
	}
	changes := 1
	if control.Joint = chaos.Chance(rng, c.own.Operator.Joint); control.Joint {
		changes += rng.IntN(3)
		control.Stay = rng.IntN(2) == 0
	}
	for _, i := range rng.Perm(c.w.Nodes())[:min(changes, c.w.Nodes())] {
		id := uint64(i + 1)
		if role := Role(rng.IntN(3)); role != roleIn(conf, id) {
			control.Changes = append(control.Changes, Member{id, role})
		}
	}
	return control, len(control.Changes) > 0 && votersAfter(conf, control.Changes) >= c.own.Operator.Least
}

// restoreVoters makes one more node a voter, or leaves a joint configuration.
func (c *cluster) restoreVoters() {
	leader := c.leader(c.nodes())
	if leader == nil {
		return
	}
	r, missing := c.w.Replica(int(leader.id)), c.missing(leader)
	switch {
	case len(leader.conf.GetVotersOutgoing()) > 0:
		c.w.Control(r, &Control{})
	case len(missing) > 0:
		c.w.Control(r, &Control{Changes: []Member{{missing[0], Voter}}})
	}
}

// votersMin is how many voters an operator leaves, unless a scenario says otherwise. With two, a removed leader may
// take along the vote without which the other cannot be elected; with one, ReadIndex is wrong. See README.md, "What it
// found".
const votersMin = 3

func (c *cluster) nodes() []int {
	list := make([]int, c.w.Nodes())
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// votersAfter counts the voters that a configuration has after changes.
func votersAfter(conf *pb.ConfState, changes []Member) (n int) {
	roles := make(map[uint64]Role)
	for _, id := range conf.GetVoters() {
		roles[id] = Voter
	}
	for _, m := range changes {
		roles[m.ID] = m.Role
	}
	for _, role := range roles {
		if role == Voter {
			n++
		}
	}
	return n
}

// roleIn is the role of a node in a configuration; in a joint one, that in the incoming half.
func roleIn(conf *pb.ConfState, id uint64) Role {
	for _, v := range conf.GetVoters() {
		if v == id {
			return Voter
		}
	}
	for _, list := range [][]uint64{conf.GetLearners(), conf.GetLearnersNext()} {
		for _, v := range list {
			if v == id {
				return Learner
			}
		}
	}
	return Outside
}
