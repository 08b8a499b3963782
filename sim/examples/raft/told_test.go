package raft

import (
	"testing"
	"time"

	"kvs/sim"

	pb "go.etcd.io/raft/v3/raftpb"
)

// TestOldLeaderIsToldOnlyWithCheckQuorum shows why members may change only with check-quorum or pre-vote: without them
// a node that has reached a newer term drops what the leader of an older one sends, and says nothing. Raft has it
// answer (Ongaro and Ousterhout 2014, figure 2), and the leader step down.
func TestOldLeaderIsToldOnlyWithCheckQuorum(t *testing.T) {
	for _, check := range []bool{false, true} {
		tuning := DefaultTuning()
		tuning.PreVote, tuning.CheckQuorum, tuning.Async = false, check, true
		b := newBench(t, tuning)
		for range 3 {
			b.campaign(1) // nobody hears of it.
			b.sync(1)
		}
		n := b.nodes[1]
		n.out = nil
		b.now += time.Millisecond
		b.step(1, sim.Input{Kind: sim.InputFrame, Data: EncodeMessage(&pb.Message{
			Type: pb.MsgHeartbeat.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(2)),
			Commit: new(uint64(1)),
		})})
		b.sync(1)
		if told := len(n.out) > 0; told != check {
			t.Errorf("check-quorum %v: the leader of term 2 is told of term %d: %v", check, n.m.timer.look().term, told)
		}
	}
}
