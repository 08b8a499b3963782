package node

import (
	"math/rand/v2"
	"strings"
	"time"

	"kvs/node/contract"
	"kvs/sim"
)

// staged is the bench's cluster as the simulator starts and asks it.
type staged struct{ *bench }

// Name implements sim.System.
func (staged) Name() string { return "bench" }

// New implements sim.System.
func (s staged) New(*sim.World) sim.Cluster { return &stagedCluster{bench: s.bench} }

// stagedCluster hears of every message in the moment in which it leaves.
type stagedCluster struct {
	sim.Base
	bench *bench
}

// Client implements sim.Cluster: requests are those of tests.
func (c *stagedCluster) Client(int) sim.Client { return nil }

// Events makes the cluster an observer, AppendState one that a stage tells of events.
func (c *stagedCluster) Events() sim.EventSet { return sim.Events(sim.EventSent) }

// Observe writes the transcript.
func (c *stagedCluster) Observe(e *sim.Event) {
	s, from := contract.Send(*e.Send), e.Replica.Name()
	s.To = nameOf(s.To)
	c.bench.transcribe(from, s)
	if c.bench.spy != nil {
		c.bench.spy(from, s)
	}
	c.bench.kept = append(c.bench.kept, c.bench.keeps(from, s))
}

// AppendState implements sim.Stater: nobody searches.
func (c *stagedCluster) AppendState(b []byte) []byte { return b }

// Fail implements sim.Failer.
func (c *stagedCluster) Fail(reply *sim.Reply, detail string) {
	r := contract.Reply{Response: contract.Response(*reply.Body.(*stagedAnswer))}
	r.Fail(detail)
	reply.Body = (*stagedAnswer)(&r.Response)
}

// stagedAnswer is the body of a reply.
type stagedAnswer contract.Response

// Hash implements sim.Hasher: no two runs are compared.
func (*stagedAnswer) Hash(*sim.Hash) {}

// Start implements sim.Cluster.
func (c *stagedCluster) Start(r *sim.Replica, now sim.Time, eff *sim.Effects) (sim.Machine, error) {
	b := c.bench
	m := b.machine[r.Number-1]
	tuning := contract.DefaultTuning()
	tuning.Forwards = b.forwards
	if b.tune != nil {
		b.tune(&tuning)
	}
	o := Options{
		Name: m.name, Addr: m.name, Cluster: "test", Store: r.Reader(), Seeds: []string{"n1", "n2"}, Tuning: tuning,
		Rand:     rand.New(rand.NewPCG(uint64(r.Number-1), uint64(m.boot))),
		LogLevel: contract.LogDebug, Founder: !b.newcomers,
	}
	if m.change != nil {
		m.change(&o)
	}
	s := &stagedNode{bench: b, testMachine: m, calls: map[uint64]uint64{}}
	n, err := New(now, o, &s.eff)
	if err != nil {
		return nil, err
	}
	m.node = n
	s.handOver(eff)
	return s, nil
}

// Addresses on the bench are names; those of the world have a port. In capitals a name is an alias.
const worldPort = ":7946"

func nameOf(addr string) string { return strings.TrimSuffix(addr, worldPort) }

// stagedNode is a node as a sim.Machine. Requests have the IDs that tests gave them.
type stagedNode struct {
	*testMachine
	bench *bench
	eff   contract.Effects
	calls map[uint64]uint64 // the world's IDs of requests, by those of tests.
}

// Step implements sim.Machine.
func (s *stagedNode) Step(now sim.Time, in *sim.Input, eff *sim.Effects) {
	s.eff.Reset()
	if do, is := in.Body.(func(*Node)); is {
		s.node.Now, s.node.Eff = now, &s.eff
		do(s.node)
		s.node.finish()
	} else {
		s.node.Step(now, s.input(in), &s.eff)
	}
	s.handOver(eff)
}

func (s *stagedNode) input(in *sim.Input) contract.Input {
	switch in.Kind {
	case sim.InputTick:
		return contract.Tick{}
	case sim.InputDatagram:
		return &contract.Datagram{From: nameOf(in.From), Data: in.Data}
	case sim.InputFrame:
		return &contract.Frame{Data: in.Data}
	case sim.InputPersisted:
		return &contract.Persisted{UpTo: in.UpTo, Err: in.Err}
	case sim.InputRequest:
		r := in.Body.(*contract.Request)
		s.calls[r.ID] = in.ID
		return r
	}
	return in.Body.(contract.Input)
}

// handOver hands the world what the node wants done.
func (s *stagedNode) handOver(eff *sim.Effects) {
	e, b := &s.eff, s.bench
	s.logs = append(s.logs, e.Logs...)
	if e.Electorate != nil {
		s.electorate = e.Electorate
	}
	if e.Persist.ID != 0 {
		if b.watch != nil {
			b.watch(s.name, &e.Persist)
		}
		b.push(benchEvent{at: b.now + b.fsync, to: s.replica.Number - 1, sync: e.Persist.ID})
	}
	eff.Persist, eff.Wake = e.Persist, e.Wake
	for _, send := range e.Sends {
		send.To = strings.ToLower(send.To) + worldPort
		eff.Sends = append(eff.Sends, send)
	}
	for i := range e.Replies {
		r := e.Replies[i]
		eff.Replies = append(eff.Replies,
			sim.Reply{After: r.After, ID: s.calls[r.ID], Body: (*stagedAnswer)(&r.Response)})
	}
}

// caller asks for one thing, and keeps the answer where tests find it.
type caller struct {
	sim.BaseClient
	bench   *bench
	machine *testMachine
	request *contract.Request
	asked   bool
}

// callerPatience is longer than any test takes: the deadline of a request is the test's.
const callerPatience = 1000 * time.Hour

// Next implements sim.Client.
func (c *caller) Next() (think time.Duration, more bool) { return 0, !c.asked }

// Begin implements sim.Client.
func (c *caller) Begin() sim.Operation {
	c.asked = true
	return sim.Operation{Node: c.machine.replica.Number, Timeout: callerPatience, Body: c.request,
		Kind: c.request.Op.String(), Subject: c.request.Path}
}

// Answer implements sim.Client.
func (c *caller) Answer(_ *sim.Replica, _ *sim.Call, reply *sim.Reply) sim.Answer {
	r := contract.Response(*reply.Body.(*stagedAnswer))
	c.machine.replies[c.request.ID] = r
	c.bench.note("%s answers: %s %s", c.machine.name, r.Code, r.Record.TS)
	return sim.Answer{Value: r.Record.Value, Output: r.Code.String()}
}
