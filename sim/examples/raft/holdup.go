package raft

import (
	"fmt"
	"strings"

	"kvs/sim"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Explain implements sim.Explainer: the state of each node, and a leader's progress with the others.
func (c *cluster) Explain(h *sim.Holdup) {
	for _, n := range h.Among() {
		m := c.machine(n)
		if m == nil {
			continue
		}
		s, last := m.timer.look(), m.journal.last()
		h.Say("n%d is a %s in term %d, follows %s, log to %d of term %d, committed %d, applied %d, %s", n,
			strings.TrimPrefix(s.role.String(), "State"), s.term, nodeName(s.lead), last.index, last.term, s.commit,
			m.applied.index, describeConf(m.conf))
		if s.role != raft.StateLeader {
			continue
		}
		m.node.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
			if id != m.id {
				h.Say("  to n%d: %s, matches to %d, next %d", id, p.State, p.Match, p.Next)
			}
		})
	}
}

func nodeName(id uint64) string {
	if id == raft.None {
		return "no node"
	}
	return fmt.Sprintf("n%d", id)
}

// describeConf prints a configuration: (1 2 3), a joint one as (1 2)&&(2 3), learners behind a plus.
func describeConf(conf *pb.ConfState) string {
	text := "voters " + ids(conf.GetVoters())
	if out := conf.GetVotersOutgoing(); len(out) > 0 {
		text += "&&" + ids(out)
	}
	if learners := append(conf.GetLearners(), conf.GetLearnersNext()...); len(learners) > 0 {
		text += " learners " + ids(learners)
	}
	return text
}

func ids(list []uint64) string {
	return "(" + strings.Trim(fmt.Sprint(list), "[]") + ")"
}
