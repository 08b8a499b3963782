package raft

import (
	"fmt"
	"time"

	"kvs/linearize"
	"kvs/sim"
	"kvs/sim/explore"

	pb "go.etcd.io/raft/v3/raftpb"
)

// space describes how the system is explored: clusters that have elected a leader, and a few operations on one
// register.
//
// The library does not expose its memory, so the state of a node is the sequence of all its inputs. There are more
// states than with a machine that encodes its own state (sim.Stater), so scopes are small.
func space() *explore.Space {
	op := func(node int, word string, after bool) explore.Op {
		return explore.Op{Node: node, Word: word, After: after}
	}
	return &explore.Space{System: exploredSystem{}, Words: []string{"put", "get", "cas"}, Scopes: []explore.Scope{
		{Name: "one-write", About: "a write", Nodes: 3, Ops: []explore.Op{op(1, "put", false)}},
		{Name: "write-beside-read", About: "a write and a read at once, by way of two nodes", Nodes: 2,
			Ops: []explore.Op{op(1, "put", false), op(2, "get", false)}},
		{Name: "write-then-read", About: "a write, and a read after it by way of another node", Nodes: 3,
			Ops: []explore.Op{op(1, "put", false), op(2, "get", true)}},
		{Name: "node-crashes", Nodes: 2, Crashes: 1, Victims: []int{1},
			About: "a write and a read after it, and at any moment a node crashes and forgets what was not durable",
			Ops:   []explore.Op{op(1, "put", false), op(2, "get", true)}},
	}}
}

// exploredSystem is System with the clients of a scope.
type exploredSystem struct{ System }

// New implements sim.System. All nodes vote, and none waits for the lease of a former leader before it votes for
// another: hardly any time passes here.
func (exploredSystem) New(w *sim.World) sim.Cluster {
	own := *SectionsOf(w.Scenario())
	own.Tuning.PreVote, own.Tuning.CheckQuorum, own.Tuning.Voters = false, false, w.Nodes()
	return &exploredCluster{cluster: &cluster{w: w, own: &own, unknown: make(map[string]int)}}
}

type exploredCluster struct{ *cluster }

// Checkers implements sim.Cluster: the histories are judged, and the library's own panics.
func (*exploredCluster) Checkers() []sim.Checker { return nil }

// Together implements explore.Guide: all follow one leader.
func (c *exploredCluster) Together() bool {
	all := make([]int, c.w.Nodes())
	for i := range all {
		all[i] = i + 1
	}
	leader := c.leader(all)
	if leader == nil {
		return false
	}
	want := leader.timer.look()
	for _, n := range all {
		m := c.machine(n)
		if m == nil || m.broken {
			return false
		}
		if now := m.timer.look(); now.term != want.term || now.lead != leader.id {
			return false
		}
	}
	return true
}

// Upkeep implements explore.Guide: elections, and heartbeats that no read waits for.
func (*exploredCluster) Upkeep(_ sim.Transport, data []byte) bool {
	msg, err := DecodeMessage(data)
	if err != nil {
		return false
	}
	switch msg.GetType() {
	case pb.MsgHeartbeat, pb.MsgHeartbeatResp:
		return len(msg.GetContext()) == 0
	case pb.MsgVote, pb.MsgVoteResp:
		return true
	}
	return false
}

// Content implements explore.Guide.
func (*exploredCluster) Content(data []byte) []byte { return data }

// Disk implements explore.Guide.
func (*exploredCluster) Disk() string { return "" }

// OwnClocks implements explore.Guide: followers and leaders count the same time.
func (*exploredCluster) OwnClocks() bool { return false }

// Commute implements explore.Guide: nodes share only messages.
func (*exploredCluster) Commute() bool { return true }

// Warm implements explore.Guide.
func (*exploredCluster) Warm(int) sim.Client { return nil }

// Script implements explore.Guide.
func (*exploredCluster) Script(number int, ops []explore.Op) sim.Client {
	return &script{number: number, ops: ops}
}

// Closing implements explore.Guide: a read at each node.
func (c *exploredCluster) Closing() (out []sim.Client) {
	for n := 1; n <= c.w.Nodes(); n++ {
		out = append(out, &script{number: closingSession + n, ops: []explore.Op{{Node: n, Word: "get"}}})
	}
	return out
}

const (
	exploredKey    = "a"
	closingSession = 100 // and above: those of the reads at the end.
)

// script is a client that asks for some operations, one after the other.
type script struct {
	sim.BaseClient
	number int
	ops    []explore.Op
	begun  int
}

// Next implements sim.Client.
func (s *script) Next() (think time.Duration, more bool) { return 0, s.begun < len(s.ops) }

// Begin implements sim.Client. A compare-and-set expects that nothing is there.
func (s *script) Begin() sim.Operation {
	op := s.ops[s.begun]
	s.begun++
	cmd := Command{Session: uint64(s.number), Seq: uint64(s.begun), Key: exploredKey}
	switch op.Word {
	case "get":
		cmd.Kind = Get
	case "put":
		cmd.Kind, cmd.Value = Put, fmt.Sprintf("v%d.%d", s.number, s.begun)
	case "cas":
		cmd.Kind, cmd.Value, cmd.ExpectAbsent = CAS, fmt.Sprintf("v%d.%d", s.number, s.begun), true
	}
	return sim.Operation{Node: op.Node, Body: &cmd, Kind: op.Word, Subject: cmd.Key, Label: cmd.Value,
		History: &linearize.Op{Node: sim.NodeName(op.Node), Kind: historyKinds[cmd.Kind], Path: cmd.Key,
			Level: "linearizable", Input: cmd.Value, ExpectAbsent: cmd.ExpectAbsent}}
}

// Answer implements sim.Client.
func (s *script) Answer(_ *sim.Replica, call *sim.Call, reply *sim.Reply) sim.Answer {
	return answerOf(call.Op.Body.(*Command), reply.Body.(*Result))
}
