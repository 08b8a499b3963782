package raft

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Role is the part that a node plays in a configuration.
type Role uint8

// The roles. Voters count for every majority; learners receive the log and count for none.
const (
	Outside Role = iota
	Learner
	Voter
)

var roleNames = [...]string{"outside", "learner", "voter"}

func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// Member is a node and the role that it has, or is to have.
type Member struct {
	ID   uint64
	Role Role
}

// Control is a command of the operator to a node: to hand over to the node Target, or if that is zero to propose
// Changes.
type Control struct {
	Target  uint64
	Changes []Member // none: to leave a joint configuration.
	Joint   bool     // through joint consensus, even a single one,
	Stay    bool     // and stay in the joint configuration until the operator ends it.
}

// control carries out an operator's command, if the library accepts it.
func (m *Machine) control(c *Control) {
	if m.node.BasicStatus().Lead == raft.None {
		return
	}
	before := m.timer.look()
	if c.Target != raft.None {
		m.node.TransferLeader(c.Target)
	} else {
		_ = m.node.ProposeConfChange(changeOf(c)) // without a leader it is dropped.
	}
	m.timer.changed(before)
}

// changeOf is the library's form of a change: a single one as the first version of the protocol had it, else one
// through joint consensus, which the leader ends by itself unless it is to stay.
func changeOf(c *Control) pb.ConfChangeI {
	var singles []*pb.ConfChangeSingle
	for _, m := range c.Changes {
		kind := pb.ConfChangeRemoveNode
		switch m.Role {
		case Voter:
			kind = pb.ConfChangeAddNode
		case Learner:
			kind = pb.ConfChangeAddLearnerNode
		}
		singles = append(singles, &pb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(m.ID)})
	}
	switch {
	case len(singles) == 0:
		return &pb.ConfChangeV2{}
	case len(singles) == 1 && !c.Joint:
		return &pb.ConfChange{Type: singles[0].Type, NodeId: singles[0].NodeId}
	case c.Stay:
		return &pb.ConfChangeV2{Transition: pb.ConfChangeTransitionJointExplicit.Enum(), Changes: singles}
	}
	return &pb.ConfChangeV2{Transition: pb.ConfChangeTransitionJointImplicit.Enum(), Changes: singles}
}

// allowed reports whether a change may be applied to a configuration: the checks of package confchange, which panics
// where this returns false. A change that was valid when it was proposed may be invalid when it is applied.
func allowed(conf *pb.ConfState, c *pb.ConfChangeV2) bool {
	joint := len(conf.GetVotersOutgoing()) > 0
	if c.LeaveJoint() {
		return joint
	}
	if joint {
		return false
	}
	voters := slices.Clone(conf.GetVoters())
	for _, single := range c.GetChanges() {
		voters = slices.DeleteFunc(voters, func(id uint64) bool { return id == single.GetNodeId() })
		if single.GetType() == pb.ConfChangeAddNode {
			voters = append(voters, single.GetNodeId())
		}
	}
	return len(voters) > 0
}

// membersOf lists the members of a configuration by id; of a joint one, those of both halves.
func membersOf(conf *pb.ConfState) []Member {
	var list []Member
	add := func(ids []uint64, role Role) {
		for _, id := range ids {
			if !slices.ContainsFunc(list, func(m Member) bool { return m.ID == id }) {
				list = append(list, Member{id, role})
			}
		}
	}
	add(conf.GetVoters(), Voter)
	add(conf.GetVotersOutgoing(), Voter)
	add(conf.GetLearners(), Learner)
	slices.SortFunc(list, func(a, b Member) int { return int(a.ID) - int(b.ID) })
	return list
}
