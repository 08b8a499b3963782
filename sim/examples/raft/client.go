package raft

import (
	"fmt"
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/sim"
)

// client reads and writes registers, one operation at a time. It sends a request without an answer again, to another
// node and under the same number.
type client struct {
	sim.BaseClient
	c      *cluster
	rng    *rand.Rand
	number int
	seq    uint64
	known  map[string]string // the value that it read last from a register: a compare-and-set expects it.

	command Command
	tries   int
	doubt   bool // an attempt of this operation may have been applied.
}

// unknownMax bounds the writes to one register whose outcome is unknown: each stays open to the end of the history,
// and the judge's work grows with them. From then on the register is only read.
const unknownMax = 32

// Client implements sim.Cluster.
func (c *cluster) Client(number int) sim.Client {
	return &client{c: c, rng: c.w.LoadRand(number), number: number, known: make(map[string]string)}
}

// Next implements sim.Client.
func (k *client) Next() (think time.Duration, more bool) {
	w := &k.c.own.Workload
	k.seq++
	k.tries, k.doubt = 0, false
	cmd := Command{Kind: k.kind(), Session: uint64(k.number), Seq: k.seq, Key: fmt.Sprintf("k%d", k.rng.IntN(w.Keys))}
	if cmd.Kind != Get {
		cmd.Value = fmt.Sprintf("%d.%d", k.number, k.seq)
	}
	if cmd.Kind == CAS {
		cmd.Expect = k.known[cmd.Key]
		cmd.ExpectAbsent = cmd.Expect == ""
	}
	k.command = cmd
	return chaos.DrawDuration(k.rng, w.Think, w.ThinkMax), true
}

func (k *client) kind() Kind {
	w := &k.c.own.Workload
	n := k.rng.IntN(w.Get + w.Put + w.CAS)
	switch {
	case n < w.Get:
		return Get
	case n < w.Get+w.Put:
		return Put
	}
	return CAS
}

// Begin implements sim.Client.
func (k *client) Begin() sim.Operation {
	if k.c.unknown[k.command.Key] >= unknownMax {
		k.command = Command{Kind: Get, Session: k.command.Session, Seq: k.command.Seq, Key: k.command.Key}
	}
	cmd := k.command
	node := 1 + k.rng.IntN(k.c.w.Nodes())
	return sim.Operation{
		Node: node, Timeout: k.c.own.Workload.Timeout, Body: &cmd, Kind: cmd.Kind.String(), Subject: cmd.Key,
		Label: cmd.Value,
		History: &linearize.Op{Node: sim.NodeName(node), Kind: historyKinds[cmd.Kind], Path: cmd.Key,
			Level: "linearizable",
			Input: cmd.Value, Expect: cmd.Expect, ExpectAbsent: cmd.ExpectAbsent},
	}
}

var historyKinds = [...]linearize.Kind{Get: linearize.Get, Put: linearize.Put, CAS: linearize.CAS}

// Answer implements sim.Client.
func (k *client) Answer(_ *sim.Replica, call *sim.Call, reply *sim.Reply) sim.Answer {
	return answerOf(call.Op.Body.(*Command), reply.Body.(*Result))
}

func answerOf(cmd *Command, res *Result) sim.Answer {
	a := sim.Answer{Status: linearize.Info, Err: res.Detail}
	switch res.Status {
	case Refused:
		a.Status = linearize.Fail
	case Done:
		a.Status, a.Value, a.Output = linearize.OK, []byte(res.Value), res.Value
		switch {
		case cmd.Kind == Get:
			a.History = linearize.Answer{Found: res.Found, Output: res.Value}
		case cmd.Kind == CAS && res.Applied:
			a.History = linearize.Answer{Applied: true}
		case cmd.Kind == CAS:
			a.History = linearize.Answer{Shown: true, Found: res.Found, Output: res.Value}
		}
	}
	return a
}

// End implements sim.Client.
func (k *client) End(op *sim.Operation, a *sim.Answer) (again bool) {
	cmd := &k.command
	switch a.Status {
	case linearize.OK:
		k.remember(cmd, a)
		return false
	case linearize.Info:
		k.doubt = true
	}
	if k.tries++; k.tries < k.c.own.Workload.Tries {
		op.Node = 1 + k.rng.IntN(k.c.w.Nodes())
		return true
	}
	if k.doubt {
		a.Status = linearize.Info
		if cmd.Kind != Get {
			k.c.unknown[cmd.Key]++
		}
	}
	return false
}

func (k *client) remember(cmd *Command, a *sim.Answer) {
	if h := &a.History; cmd.Kind == Get || h.Shown {
		k.known[cmd.Key] = h.Output
	} else {
		k.known[cmd.Key] = cmd.Value
	}
}

// probe writes to one node until it succeeds once: the node serves.
type probe struct {
	sim.BaseClient
	c       *cluster
	node    int
	session uint64
	seq     uint64
	served  bool
}

const (
	probeThink   = 100 * time.Millisecond
	probeSession = 1 << 32 // and above: those of probes.
)

// Probe implements sim.Cluster.
func (c *cluster) Probe(nodes []int) {
	for _, n := range nodes {
		c.probes++
		c.w.AddClient(&probe{c: c, node: n, session: probeSession + uint64(c.probes)},
			c.w.Scenario().Clients+c.probes, n, sim.RoleProbe)
	}
}

// Next implements sim.Client.
func (p *probe) Next() (think time.Duration, more bool) {
	p.seq++
	return probeThink, !p.served
}

// Begin implements sim.Client.
func (p *probe) Begin() sim.Operation {
	key := "probe/" + sim.NodeName(p.node)
	return sim.Operation{
		Node: p.node, Timeout: p.c.own.Workload.Timeout, Kind: Put.String(), Subject: key,
		Body: &Command{Kind: Put, Session: p.session, Seq: p.seq, Key: key, Value: fmt.Sprint(p.seq)},
	}
}

// Answer implements sim.Client.
func (p *probe) Answer(_ *sim.Replica, call *sim.Call, reply *sim.Reply) sim.Answer {
	return answerOf(call.Op.Body.(*Command), reply.Body.(*Result))
}

// End implements sim.Client.
func (p *probe) End(_ *sim.Operation, a *sim.Answer) (again bool) {
	p.served = p.served || a.Status == linearize.OK
	return false
}
