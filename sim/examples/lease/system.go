package lease

import (
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/sim"
	"kvs/sim/scenario"
)

// Exclusive is the promise of the service: a member acts only under a lease that is not older than any lease under
// which a member has acted.
const Exclusive scenario.Promise = "exclusive"

// System implements sim.System.
type System struct{}

// Name implements sim.System.
func (System) Name() string { return "lease" }

// Meanings implements document.Meant.
func (System) Meanings() map[string]string {
	return map[string]string{string(Exclusive): "A member acted under a lease that was older than one already in use."}
}

// New implements sim.System.
func (System) New(w *sim.World) sim.Cluster { return &cluster{w: w, own: w.Scenario().Own.(*Sections)} }

// cluster is one run.
type cluster struct {
	sim.Base
	w   *sim.World
	own *Sections
}

// Start implements sim.Cluster. A member that has granted a lease before does not know when: it assumes that it was
// just now.
func (c *cluster) Start(r *sim.Replica, now sim.Time, _ *sim.Effects) (sim.Machine, error) {
	n := &Node{number: r.Number, term: c.own.Term, fromAnswer: c.own.FromAnswer, rng: r.Rand()}
	for i := range c.w.Nodes() {
		n.peers = append(n.peers, sim.Address(i+1))
	}
	value, found, err := r.Reader().Get(grantedKey)
	if found {
		n.grant, n.until = binary.BigEndian.Uint64(value), now.Mono+n.term
	}
	asked, found, err2 := r.Reader().Get(askedKey)
	if n.highest = n.grant; found {
		n.highest = max(n.grant, binary.BigEndian.Uint64(asked))
	}
	return n, errors.Join(err, err2)
}

// AppendState implements sim.Stater, for sim/explore: the state on which the node's future depends. Without it a search
// works too, but takes longer.
func (n *Node) AppendState(b []byte) []byte {
	for _, v := range []uint64{n.grant, uint64(n.until), n.asking, uint64(n.askedAt), uint64(n.late), n.votes, n.token,
		uint64(n.ends), n.highest, uint64(len(n.waiting))} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	for _, id := range n.waiting {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	return b
}

// number is that of the member at an address.
func number(address string) int {
	for n := 1; n < nodesSpan; n++ {
		if sim.Address(n) == address {
			return n
		}
	}
	panic("lease: no member has the address " + address)
}

// Describe implements sim.Cluster.
func (*cluster) Describe(data []byte) (kind, detail string) {
	words := map[byte]string{ask: "ask", granted: "granted", refused: "refused", release: "release"}
	return words[data[0]], "ballot=" + strconv.FormatUint(binary.BigEndian.Uint64(data[1:]), 10)
}

// Client implements sim.Cluster.
func (c *cluster) Client(number int) sim.Client {
	return &client{cluster: c, rng: c.w.LoadRand(number)}
}

// Probe implements sim.Cluster: each member acts once.
func (c *cluster) Probe(nodes []int) {
	for _, n := range nodes {
		number := c.w.Scenario().Clients + n
		c.w.AddClient(&client{cluster: c, rng: c.w.LoadRand(number), probe: n}, number, n, sim.RoleProbe)
	}
}

// client asks members to act; a probe asks one of them until it has.
type client struct {
	sim.BaseClient
	*cluster
	rng   *rand.Rand
	probe int
	done  bool
	op    sim.Operation
}

// Next implements sim.Client.
func (c *client) Next() (think time.Duration, more bool) {
	c.op = sim.Operation{Node: c.probe, Timeout: time.Second, Kind: "act", Subject: "lease"}
	if c.probe == 0 {
		c.op.Node = 1 + c.rng.IntN(c.w.Nodes())
	}
	return chaos.DrawDuration(c.rng, c.own.Think, c.own.ThinkMax), !c.done
}

// Begin implements sim.Client.
func (c *client) Begin() sim.Operation { return c.op }

// Answer implements sim.Client.
func (c *client) Answer(_ *sim.Replica, _ *sim.Call, reply *sim.Reply) sim.Answer {
	if reply.Body == uint64(0) {
		return sim.Answer{Status: linearize.Fail, Err: "another member holds the lease"}
	}
	return sim.Answer{Status: linearize.OK, Output: fmt.Sprint("lease ", reply.Body)}
}

// End implements sim.Client.
func (c *client) End(_ *sim.Operation, a *sim.Answer) (again bool) {
	c.done = c.probe != 0 && a.Status == linearize.OK
	return false
}

// Checkers implements sim.Cluster.
func (c *cluster) Checkers() []sim.Checker {
	if !c.w.Scenario().Expects(Exclusive) {
		return nil
	}
	return []sim.Checker{&exclusive{w: c.w}}
}

// exclusive judges the promise of that name.
type exclusive struct {
	w    *sim.World
	last uint64 // the highest token under which a member has acted.
}

// AppendState implements sim.Stater, for sim/explore.
func (x *exclusive) AppendState(b []byte) []byte { return binary.BigEndian.AppendUint64(b, x.last) }

func (x *exclusive) Name() string         { return string(Exclusive) }
func (x *exclusive) Events() sim.EventSet { return sim.Events(sim.EventReplied) }
func (x *exclusive) Finish()              {}

func (x *exclusive) Observe(e *sim.Event) {
	token := e.Reply.Body.(uint64)
	if token != 0 && token < x.last {
		x.w.Violate(sim.Violation{Promise: x.Name(), Node: e.Replica.Number,
			Detail: fmt.Sprintf("acts under lease %d after n%d has acted under lease %d",
				token, x.last%nodesSpan, x.last)})
	}
	x.last = max(x.last, token)
}

// Sections are what the service adds to the text of scenarios.
type Sections struct {
	scenario.Plain
	Think, ThinkMax time.Duration
	Term            time.Duration
	FromAnswer      bool
}

//go:embed scenarios/*.scenario mutants/*.mutant
var files embed.FS

// Mutants are bugs to plant in the service: see kvs/sim/mutants.
var Mutants = must(fs.Sub(files, "mutants"))

// Scenarios are the scenarios of the service.
var Scenarios = &scenario.Library{Files: must(fs.Sub(files, "scenarios")), New: func() scenario.Sections {
	return &Sections{Think: 20 * time.Millisecond, ThinkMax: 200 * time.Millisecond, Term: 2 * time.Second}
}}

func must(f fs.FS, err error) fs.FS {
	if err != nil {
		panic("lease: " + err.Error())
	}
	return f
}

// Clone implements scenario.Sections.
func (s *Sections) Clone() scenario.Sections {
	c := *s
	return &c
}

// WorkloadKeys implements scenario.Sections.
func (s *Sections) WorkloadKeys() []scenario.Option {
	return []scenario.Option{scenario.DurationRange("think", &s.Think, &s.ThinkMax)}
}

// Lines implements scenario.Sections.
func (s *Sections) Lines() []scenario.Line {
	return []scenario.Line{{Word: "lease", Options: []scenario.Option{scenario.Duration("term", &s.Term),
		scenario.Bool("from-answer", &s.FromAnswer)}}}
}

// Promises implements scenario.Sections.
func (s *Sections) Promises() []scenario.Promise {
	return []scenario.Promise{Exclusive, scenario.Finished}
}

// Draw implements scenario.Sections: the term is the upper bound of what is drawn.
func (s *Sections) Draw(rng *rand.Rand, _ *scenario.Scenario, m scenario.Moment) {
	if m == scenario.AfterDisk {
		s.Term = chaos.DrawDuration(rng, s.Term/2, s.Term)
	}
}

// Check implements scenario.Sections.
func (s *Sections) Check(*scenario.Scenario) error {
	if s.Think < 0 || s.ThinkMax < s.Think || s.Term < 100*time.Millisecond || s.Term > time.Minute {
		return fmt.Errorf("use think=0s and above, the smaller end first, and a term of 100ms to 1m")
	}
	return nil
}
