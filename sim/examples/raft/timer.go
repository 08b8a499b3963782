package raft

import (
	"time"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// timer decides when the node stands for election. The library would decide that itself, with a timeout that it draws
// from crypto/rand, its only source of randomness that no seed can repeat. So the library's own timer is not used: a
// node that does not lead is ticked by TickQuiesced, which only counts, and this timer calls Campaign instead, by the
// same rules (tickElection, reset, and the places that set electionElapsed to zero in raft.go) with a timeout drawn
// from the seed. A leader, whose ticks draw nothing, is ticked by Tick.
type timer struct {
	m       *Machine
	next    time.Duration // when the next tick is due.
	elapsed int           // ticks since the node heard from a leader, voted, or changed.
	limit   int           // how many of them make an election.
}

// state is the state whose change resets the library's own timer.
type state struct {
	term, vote uint64
	role       raft.StateType
	commit     uint64
	lead       uint64
}

func newTimer(m *Machine) timer {
	t := timer{m: m}
	t.reset()
	return t
}

func (t *timer) look() state {
	s := t.m.node.BasicStatus()
	return state{s.GetTerm(), s.GetVote(), s.RaftState, s.GetCommit(), s.Lead}
}

func (t *timer) reset() {
	t.elapsed = 0
	t.limit = t.m.tuning.ElectionTicks + t.m.rng.IntN(t.m.tuning.ElectionTicks)
}

// tick makes one tick if it is due. Ticks during a pause are dropped, as those of time.Ticker are.
func (t *timer) tick() {
	now := t.m.now
	if now < t.next {
		return
	}
	t.next = max(t.next+t.m.tuning.Tick, now)
	before := t.look()
	if before.role == raft.StateLeader {
		t.m.node.Tick()
		t.changed(before)
		return
	}
	t.m.node.TickQuiesced()
	if t.elapsed++; t.elapsed >= t.limit {
		t.elapsed = 0
		_ = t.m.node.Campaign() // does nothing on a node that may not stand.
		t.changed(before)
	}
}

// changed restarts the count with a new timeout when the node's term or role has changed.
func (t *timer) changed(before state) state {
	now := t.look()
	switch {
	case now.term != before.term || now.role != before.role && now.role != raft.StatePreCandidate:
		t.reset()
	case now.vote != before.vote:
		t.elapsed = 0
	}
	return now
}

// stepped does what changed does, and also restarts the count after a message from the leader.
func (t *timer) stepped(before state, msg *pb.Message) {
	now := t.changed(before)
	switch msg.GetType() {
	case pb.MsgApp, pb.MsgHeartbeat, pb.MsgSnap:
		if msg.GetTerm() == now.term && now.role == raft.StateFollower {
			t.elapsed = 0
		}
	case pb.MsgVote:
		if now.vote == msg.GetFrom() && msg.GetTerm() == now.term {
			t.elapsed = 0
		}
	}
}
