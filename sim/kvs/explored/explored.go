// Package explored is kvs for sim/explore: real nodes that have met, and a few linearizable operations on one path. It
// is not kvs as the simulator runs it, with workloads, operators and checkers: that is sim/kvs.
//
// After the last step of an execution every node reads the path linearizably. Failure detection and comparisons do not
// run while operations are under way.
package explored

import (
	"fmt"
	"slices"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/schema"
	"kvs/node/swim"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/explore"
	"kvs/sim/kvs/member"
	"kvs/sim/scenario"
)

// path is the path of all operations.
const path = "a"

// Space describes how kvs is explored. kvs' own sections of scenarios are not used.
func Space() *explore.Space {
	return &explore.Space{System: system{}, Scenario: scenario.Default(nil), Words: words[:], Scopes: Scopes(),
		With: func(names []string) sim.System { return system{on: names} }}
}

// words are those of operations. A create is a compare-and-set that requires that there is no value, and a swap one
// that requires the value that its script has written last at the same node. An eventual is a put at that level: it may
// show later, or never. A demote takes the vote of the last node.
var words = [...]string{"get", "put", "delete", "create", "swap", "eventual", "demote"}

// What a scope may turn on.
const (
	withForwards = "forwards" // operations go to the preferred proposer.
	withMixed    = "mixed"    // no prefix is strong, so that there are writes of other levels.
	withVoters   = "voters"   // messages about the configuration are delivered as those of operations are.
)

type system struct{ on []string }

// Name implements sim.System.
func (system) Name() string { return "kvs" }

// New implements sim.System.
func (s system) New(w *sim.World) sim.Cluster {
	return &cluster{w: w, on: s.on, nodes: make([]*node.Node, w.Nodes()+1)}
}

// cluster is one execution.
type cluster struct {
	explore.Base
	w     *sim.World
	on    []string
	nodes []*node.Node // by number; the running ones, or the last ones.
}

// Start implements sim.Cluster.
func (c *cluster) Start(r *sim.Replica, now sim.Time, eff *sim.Effects) (sim.Machine, error) {
	seeds := make([]string, 0, c.w.Nodes())
	for n := 1; n <= c.w.Nodes(); n++ {
		seeds = append(seeds, sim.Address(n))
	}
	tuning := node.DefaultTuning()
	tuning.Forwards = slices.Contains(c.on, withForwards)
	strong := []string{"/"} // so that compare-and-sets go the way of plain writes.
	if slices.Contains(c.on, withMixed) {
		strong = nil
	}
	m, err := member.Start(now, node.Options{
		Name: r.Name(), Addr: r.Address(), Cluster: "explore", Store: r.Reader(), Seeds: seeds, Rand: r.Rand(),
		ExpectedMembers: c.w.Nodes(), Founder: true, LogLevel: c.w.LogLevel(),
		StrongPrefixes: strong, Tuning: tuning,
	}, eff)
	if err != nil {
		return nil, err
	}
	c.nodes[r.Number] = m.Node
	return m, nil
}

// Client implements sim.Cluster: there are none but those of scopes.
func (c *cluster) Client(int) sim.Client { return nil }

// Probe implements sim.Cluster.
func (c *cluster) Probe([]int) {}

// Unsettled implements sim.Cluster.
func (c *cluster) Unsettled([]int) string { return "" }

// Describe implements sim.Cluster.
func (c *cluster) Describe(data []byte) (kind, detail string) {
	return wire.FrameName(data), wire.FrameDetail(data)
}

// Checkers implements sim.Cluster.
func (c *cluster) Checkers() []sim.Checker { return nil }

// Together implements explore.Guide: all members know each other and the configuration.
func (c *cluster) Together() bool {
	for n := 1; n <= c.w.Nodes(); n++ {
		st := c.nodes[n].Status()
		alive := 0
		for _, m := range st.Members {
			if m.State == swim.Alive {
				alive++
			}
		}
		if alive != c.w.Nodes() || st.Config == nil || len(st.Config.Voters) != c.w.Nodes() ||
			st.CaughtUp < st.Config.Epoch || st.Mode != node.ModeNormal {
			return false
		}
	}
	return true
}

// Upkeep implements explore.Guide.
func (c *cluster) Upkeep(t sim.Transport, data []byte) bool {
	return t != sim.TransportFrame || !wire.OfOperation(data) &&
		!(slices.Contains(c.on, withVoters) && wire.KindOf(data).About() == wire.SubjectConfiguration)
}

// Content implements explore.Guide: a frame without its stamp and seal.
func (c *cluster) Content(data []byte) []byte { return wire.FrameContent(data) }

// Disk implements explore.Guide: the records.
func (c *cluster) Disk() string { return schema.PrefixRecord }

// OwnClocks implements explore.Guide: no promise of the nodes depends on their clocks.
func (c *cluster) OwnClocks() bool { return true }

// Commute implements explore.Guide.
func (c *cluster) Commute() bool { return true }

// Script implements explore.Guide.
func (c *cluster) Script(number int, ops []explore.Op) sim.Client {
	s := &script{number: number}
	for _, op := range ops {
		s.ops = append(s.ops, request{node: op.Node, word: op.Word, path: c.pathOf(op.Word)})
	}
	return s
}

// pathOf is the path of an operation: that of a demote is the member.
func (c *cluster) pathOf(word string) string {
	if word == "demote" {
		return c.nodes[c.w.Nodes()].ID().String()
	}
	return path
}

// Warm implements explore.Guide. A node's first write waits for the bound of its clock to be durable, and that would
// hide other missing waits.
func (c *cluster) Warm(n int) sim.Client {
	return &script{ops: []request{{node: n, word: "put", path: fmt.Sprintf("warm/n%d", n)}}}
}

// Closing implements explore.Guide: linearizable reads at all nodes, one after the other.
func (c *cluster) Closing() []sim.Client {
	var out []sim.Client
	for n := 1; n <= c.w.Nodes(); n++ {
		out = append(out, &script{ops: []request{{node: n, word: "get", path: path}}})
	}
	return out
}

// request is one operation.
type request struct {
	node int
	word string
	path string
}

// script is a client that asks for some operations, one after the other.
type script struct {
	sim.BaseClient
	number int // of the first operation in the scope.
	ops    []request
	begun  int
	op     linearize.Op
	wrote  map[int]written // by node.
}

// written is what a script has written.
type written struct {
	version node.Version
	value   string
}

// Next implements sim.Client.
func (s *script) Next() (think time.Duration, more bool) { return 0, s.begun < len(s.ops) }

// kinds are the words' kinds in a history.
var kinds = map[string]linearize.Kind{"get": linearize.Get, "put": linearize.Put, "delete": linearize.Delete,
	"create": linearize.CAS, "swap": linearize.CAS, "eventual": linearize.Put}

// Begin implements sim.Client.
func (s *script) Begin() sim.Operation {
	q := &s.ops[s.begun]
	r := &node.Request{Level: node.Linearizable, Path: q.path}
	s.op = linearize.Op{Node: sim.NodeName(q.node), Kind: kinds[q.word], Path: q.path,
		Level: node.Linearizable.String()}
	switch q.word {
	case "get":
		r.Op = node.OpGet
	case "delete":
		r.Op = node.OpDelete
	case "demote":
		r.Op = node.OpDemote
	default:
		s.op.Input = fmt.Sprintf("v%d", s.number+s.begun)
		r.Op, r.Value, r.ContentType = node.OpPut, []byte(s.op.Input), "text/plain"
	}
	switch last := s.wrote[q.node]; {
	case q.word == "create" || q.word == "swap" && last.value == "":
		s.op.ExpectAbsent = true
		r.Condition = node.Condition{Kind: node.IfNoneMatch, Any: true}
	case q.word == "swap":
		s.op.Expect = last.value
		r.Condition = node.Condition{Kind: node.IfMatch, Versions: []node.Version{last.version}}
	}
	s.begun++
	switch q.word {
	case "eventual":
		r.Level = node.Eventual
	case "demote":
		return sim.Operation{Node: q.node, Body: r, Kind: q.word, Subject: q.path}
	}
	return sim.Operation{Node: q.node, Body: r, Kind: q.word, Subject: q.path, Label: s.op.Input, History: &s.op}
}

// Answer implements sim.Client.
func (s *script) Answer(_ *sim.Replica, _ *sim.Call, reply *sim.Reply) sim.Answer {
	r, kind := &reply.Body.(*member.Answered).Response, s.op.Kind
	a := sim.Answer{Status: linearize.OK, Value: r.Record.Value}
	a.Output = fmt.Sprintf("%s %q", r.Code, r.Record.Value)
	switch {
	case s.ops[s.begun-1].word == "eventual":
		a.Status, a.Err = linearize.Info, "it may show at any time"
	case r.Code == node.CodePrecondition:
	case r.Code == node.CodeOK || r.Code == node.CodeCreated || r.Code == node.CodeNotFound && kind == linearize.Get:
		a.History.Applied = kind == linearize.CAS
		if kind != linearize.Get && kind != linearize.Delete {
			if s.wrote == nil {
				s.wrote = make(map[int]written)
			}
			s.wrote[s.ops[s.begun-1].node] = written{r.Record.Version(), s.op.Input}
		}
		if kind == linearize.Get {
			a.History.Found, a.History.Output = r.Record.Live(), string(r.Record.Value)
		}
	case r.Outcome == node.OutcomeUnknown && kind != linearize.Get:
		a.Status, a.Err = linearize.Info, r.Detail
	default:
		a.Status, a.Err = linearize.Fail, r.Code.String()+": "+r.Detail
	}
	return a
}
