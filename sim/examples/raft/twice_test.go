package raft

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"kvs/sim"
)

// bench is a cluster whose messages and syncs happen one by one, as a test says.
type bench struct {
	t      *testing.T
	tuning Tuning
	now    time.Duration
	nodes  []*benchNode // by id.
	checks []func(*Note) string
	said   []string
}

type benchNode struct {
	m       *Machine
	boot    uint64
	disk    memory
	queue   []sim.Persist
	durable sim.PersistID
	out     []sim.Send
}

func newBench(t *testing.T, tuning Tuning) *bench {
	b := &bench{t: t, tuning: tuning, nodes: make([]*benchNode, tuning.Voters+1)}
	b.checks = []func(*Note) string{newElectionSafety().note, newLogMatching().note, newLeaderCompleteness().note,
		newStateMachineSafety().note}
	for id := 1; id <= tuning.Voters; id++ {
		b.nodes[id] = &benchNode{disk: memory{}}
		b.start(id)
		b.sync(id)
	}
	return b
}

func (b *bench) start(id int) {
	n := b.nodes[id]
	n.boot++
	n.queue, n.out, n.durable = nil, nil, 0
	var eff sim.Effects
	m, err := New(sim.Time{Mono: b.now}, Options{
		ID: uint64(id), Boot: n.boot, Rand: rand.New(rand.NewPCG(uint64(id), n.boot)), Disk: n.disk, Tuning: b.tuning,
		Address: func(id uint64) string { return fmt.Sprint(id) },
	}, &eff)
	if err != nil {
		b.t.Fatal(err)
	}
	n.m = m
	b.carryOut(n, &eff)
}

func (b *bench) step(id int, in sim.Input) {
	var eff sim.Effects
	b.nodes[id].m.Step(sim.Time{Mono: b.now}, &in, &eff)
	b.carryOut(b.nodes[id], &eff)
}

func (b *bench) carryOut(n *benchNode, eff *sim.Effects) {
	if eff.Persist.ID != 0 {
		n.queue = append(n.queue, eff.Persist)
	}
	n.out = append(n.out, eff.Sends...)
	for _, note := range eff.Notes {
		for _, check := range b.checks {
			if s := check(note.(*Note)); s != "" {
				b.said = append(b.said, s)
			}
		}
	}
}

// sync makes everything that a node has handed to its disk durable.
func (b *bench) sync(id int) {
	n := b.nodes[id]
	for len(n.queue) > 0 {
		for _, p := range n.queue {
			n.disk.persist(p)
			n.durable = p.ID
		}
		n.queue = nil
		b.step(id, sim.Input{Kind: sim.InputPersisted, UpTo: n.durable})
	}
}

// deliver hands over what may leave a node for another one, which syncs if it is told to, and loses what may leave it
// for others.
func (b *bench) deliver(from, to int, sync bool) {
	n := b.nodes[from]
	var kept []sim.Send
	var now []sim.Send
	for _, s := range n.out {
		switch {
		case s.After > n.durable:
			kept = append(kept, s)
		case s.To == fmt.Sprint(to):
			now = append(now, s)
		}
	}
	n.out = kept
	for _, s := range now {
		b.step(to, sim.Input{Kind: sim.InputFrame, Data: s.Data})
	}
	if sync {
		b.sync(to)
	}
}

// campaign lets a node's election timer run out. A node that leads only ticks.
func (b *bench) campaign(id int) {
	m := b.nodes[id].m
	m.timer.elapsed = m.timer.limit
	b.now = m.timer.next
	b.step(id, sim.Input{Kind: sim.InputTick})
}

func (b *bench) put(id int, value string) {
	b.step(id, sim.Input{Kind: sim.InputRequest, ID: 1, Deadline: time.Hour, Body: &Command{Kind: Put,
		Session: uint64(len(value)), Seq: 1, Key: "k", Value: value}})
}

// TestWinsATermTwice shows what the library allows with asynchronous storage writes: a request for votes leaves before
// the candidate's own term and vote are durable. With slow disks n1 leads in a term that its disk has never heard of,
// and after a crash leads in it again.
func TestWinsATermTwice(t *testing.T) {
	for _, early := range []bool{true, false} {
		tuning := DefaultTuning()
		tuning.PreVote, tuning.CheckQuorum, tuning.Async, tuning.EarlyVotes = false, false, true, early
		b := newBench(t, tuning)

		b.campaign(1) // and the disk of n1 is slow.
		votes := b.nodes[1].out
		b.deliver(1, 2, true)
		b.nodes[1].out = votes
		b.deliver(1, 3, true)
		b.deliver(2, 1, false)
		b.deliver(3, 1, false)
		b.put(1, "a") // to n2 alone.
		for range 3 {
			b.deliver(1, 2, true)
			b.deliver(2, 1, false)
		}

		b.start(1) // it had crashed, and nothing of the above was on its disk.
		b.campaign(1)
		b.sync(1)
		b.deliver(1, 3, true)
		b.deliver(3, 1, true)
		b.put(1, "bb")
		for range 4 {
			for to := 2; to <= 3; to++ {
				out := b.nodes[1].out
				b.deliver(1, to, true)
				if to == 2 {
					b.nodes[1].out = out
				}
				b.deliver(to, 1, true)
			}
			b.campaign(1)
		}
		said := strings.Join(b.said, "\n")
		switch {
		case early && !containsAll(said, "two leaders", "is one thing in the log of n1", "applied"):
			t.Errorf("early votes: the checks say\n%s\nwant two leaders of a term, two entries of a name, both applied",
				said)
		case !early && said != "":
			t.Errorf("durable votes: the checks say\n%s", said)
		}
	}
}

func containsAll(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}
