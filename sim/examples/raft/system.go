package raft

import (
	"fmt"
	"strings"

	"kvs/sim"
	"kvs/sim/scenario"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// System is a cluster of Machines, for the simulator.
type System struct{}

// Name implements sim.System.
func (System) Name() string { return "raft" }

// Meanings implements document.Meant.
func (System) Meanings() map[string]string {
	return map[string]string{
		ElectionSafety.String():     "Two members were leaders in one term.",
		LeaderAppendOnly.String():   "A leader changed or removed an entry of its log.",
		LogMatching.String():        "Two logs have an entry of one index and term, and differ there or before.",
		LeaderCompleteness.String(): "A leader lacks an entry that was committed in an earlier term.",
		StateMachineSafety.String(): "Two members applied different entries at the same index.",
	}
}

// New implements sim.System.
func (System) New(w *sim.World) sim.Cluster {
	return &cluster{w: w, own: SectionsOf(w.Scenario()), unknown: make(map[string]int)}
}

// cluster is one run.
type cluster struct {
	sim.Base
	w       *sim.World
	own     *Sections
	unknown map[string]int // writes of unknown outcome, by register.
	probes  int
	counts  counts
}

var (
	_ sim.Operator    = (*cluster)(nil)
	_ sim.CoreChooser = (*cluster)(nil)
	_ sim.Counter     = (*cluster)(nil)
	_ sim.Explainer   = (*cluster)(nil)
)

// Start implements sim.Cluster.
func (c *cluster) Start(r *sim.Replica, now sim.Time, eff *sim.Effects) (sim.Machine, error) {
	return New(now, Options{
		ID: uint64(r.Number), Boot: uint64(r.Run()), Rand: r.Rand(), Disk: r.Reader(), Tuning: c.own.Tuning,
		Address: func(id uint64) string { return sim.Address(int(id)) },
	}, eff)
}

// machine is what a replica runs; nil when it is down.
func (c *cluster) machine(n int) *Machine {
	m, _ := c.w.Replica(n).Machine().(*Machine)
	return m
}

// leader is the machine that leads in the highest term of those among nodes; nil when there is none.
func (c *cluster) leader(nodes []int) (leader *Machine) {
	for _, n := range nodes {
		m := c.machine(n)
		if m == nil || m.broken {
			continue
		}
		if s := m.timer.look(); s.role == raft.StateLeader && (leader == nil || s.term > leader.timer.look().term) {
			leader = m
		}
	}
	return leader
}

// Unsettled implements sim.Cluster: there is a leader that all follow, all have applied everything, and all have the
// same state.
func (c *cluster) Unsettled(nodes []int) string {
	leader := c.leader(nodes)
	if leader == nil {
		return "no leader"
	}
	if c.w.Phase() == sim.PhaseLiveness {
		if missing := c.missing(leader); len(missing) > 0 {
			return fmt.Sprintf("n%d is no voter yet", missing[0])
		}
	}
	want := leader.timer.look()
	for _, n := range nodes {
		m := c.machine(n)
		if m == nil {
			return fmt.Sprintf("n%d is down", n)
		}
		switch now := m.timer.look(); {
		case now.term != want.term || now.lead != leader.id:
			return fmt.Sprintf("n%d does not follow n%d in term %d: it is a %s in term %d", n, leader.id, want.term,
				now.role, now.term)
		case m.applied.index != want.commit:
			return fmt.Sprintf("n%d has applied %d of %d entries", n, m.applied.index, want.commit)
		case m.hash != leader.hash:
			return fmt.Sprintf("n%d and n%d have applied different entries", n, leader.id)
		}
	}
	return ""
}

// missing are the nodes that are no voters of a configuration, as its leader has applied it.
func (c *cluster) missing(leader *Machine) (nodes []uint64) {
	for id := uint64(1); id <= uint64(c.w.Nodes()); id++ {
		if roleIn(leader.conf, id) != Voter || len(leader.conf.GetVotersOutgoing()) > 0 {
			nodes = append(nodes, id)
		}
	}
	return nodes
}

// MayBegin implements sim.CoreChooser. A majority of the nodes is enough only while all nodes are voters. And nodes
// outside the core stay as they are for good: without pre-vote a node that receives nothing stands for election again
// and again, and without check-quorum such a leader leads for ever, since the others receive its messages.
func (c *cluster) MayBegin() bool {
	return c.own.Operator.Every == 0 && c.own.Tuning.PreVote && c.own.Tuning.CheckQuorum
}

// MayBeCore implements sim.CoreChooser.
func (c *cluster) MayBeCore([]int) bool { return true }

// Describe implements sim.Cluster.
func (c *cluster) Describe(data []byte) (kind, detail string) {
	msg, err := DecodeMessage(data)
	if err != nil {
		return "damaged", err.Error()
	}
	kind = strings.TrimPrefix(msg.GetType().String(), "Msg")
	detail = fmt.Sprintf("term %d", msg.GetTerm())
	switch msg.GetType() {
	case pb.MsgApp:
		detail += fmt.Sprintf(", %d entries behind %d of term %d, commit %d", len(msg.GetEntries()), msg.GetIndex(),
			msg.GetLogTerm(), msg.GetCommit())
	case pb.MsgVote, pb.MsgPreVote:
		detail += fmt.Sprintf(", log to %d of term %d", msg.GetIndex(), msg.GetLogTerm())
	case pb.MsgSnap:
		detail += fmt.Sprintf(", to %d", msg.GetSnapshot().GetMetadata().GetIndex())
	case pb.MsgHeartbeat:
		detail += fmt.Sprintf(", commit %d", msg.GetCommit())
	case pb.MsgAppResp, pb.MsgReadIndexResp:
		detail += fmt.Sprintf(", index %d", msg.GetIndex())
	}
	if msg.GetReject() {
		detail += ", rejected"
	}
	return kind, detail
}

// Checkers implements sim.Cluster: Raft's own promises, as far as the scenario names them.
func (c *cluster) Checkers() []sim.Checker {
	list := []sim.Checker{&c.counts}
	for _, p := range []struct {
		promise scenario.Promise
		note    func(*Note) string
	}{
		{ElectionSafety, newElectionSafety().note}, {LeaderAppendOnly, newLeaderAppendOnly().note}, {LogMatching,
			newLogMatching().note},
		{LeaderCompleteness, newLeaderCompleteness().note}, {StateMachineSafety, newStateMachineSafety().note},
	} {
		if c.w.Scenario().Expects(p.promise) {
			list = append(list, &invariant{c.w, p.promise, p.note})
		}
	}
	return list
}

// invariant makes a Checker of one check.
type invariant struct {
	w       *sim.World
	promise scenario.Promise
	note    func(*Note) string
}

// Name implements sim.Checker.
func (i *invariant) Name() string { return i.promise.String() }

// Events implements sim.Checker.
func (i *invariant) Events() sim.EventSet { return sim.Events(sim.EventNoted) }

// Observe implements sim.Checker.
func (i *invariant) Observe(e *sim.Event) {
	if wrong := i.note(e.Note.(*Note)); wrong != "" {
		i.w.Violate(sim.Violation{Promise: i.promise.String(), Node: e.Replica.Number, Detail: wrong})
	}
}

// Finish implements sim.Checker.
func (i *invariant) Finish() {}

// counts tell how much of the library a run has reached.
type counts struct{ elections, applied, restored, configurations int }

// Name implements sim.Checker.
func (c *counts) Name() string { return "counts" }

// Events implements sim.Checker.
func (c *counts) Events() sim.EventSet { return sim.Events(sim.EventNoted) }

// Observe implements sim.Checker.
func (c *counts) Observe(e *sim.Event) {
	switch n := e.Note.(*Note); n.Kind {
	case NoteElected:
		c.elections++
	case NoteApplied:
		c.applied++
	case NoteRestored:
		c.restored++
	case NoteConfig:
		c.configurations++
	}
}

// Finish implements sim.Checker.
func (c *counts) Finish() {}

// Counts implements sim.Counter.
func (c *cluster) Counts() []sim.Count {
	return []sim.Count{{Name: "elections", N: c.counts.elections}, {Name: "applied", N: c.counts.applied},
		{Name: "snapshots", N: c.counts.restored}, {Name: "configurations", N: c.counts.configurations}}
}
