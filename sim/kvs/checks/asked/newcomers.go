package asked

import (
	"slices"

	"kvs/node"
	"kvs/node/swim"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// Newcomers holds newcomers to node/bootstrap: a member is asked for a plan or a page only when it has said, in answer
// to a question of this run, that it serves. Any other hello may be old or meant for a former member, so it counts for
// nothing. Outcomes seldom show one that counted: a newcomer that believes an old "empty" has to believe it of all
// others, and last of all.
type Newcomers struct {
	check
	members []asking // by number of the replica.
}

// asking is what a member has asked in its run, and been told.
type asking struct {
	questions map[uint64]string // where the question of this number went.
	serves    []server
	pulls     bool // it has begun to pull, in this run or a former one.
}

// server is a member that has said that it serves, and where the question went.
type server struct {
	id   node.ID
	addr string
}

// NewNewcomers makes the checker of a run; promise is what it reports.
func NewNewcomers(w *world.World, promise string) *Newcomers {
	return &Newcomers{check{w, promise}, make([]asking, w.Nodes()+1)}
}

// Observe implements sim.Checker.
func (c *Newcomers) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	m := &c.members[r.Number]
	if e.Kind == sim.EventStarted {
		*m = asking{questions: make(map[uint64]string)}
		if b := r.Node.Status().Bootstrap; b != nil {
			m.pulls = b.Phase == "pulling" || b.Phase == "comparing"
		}
		return
	}
	if e.Input != nil && e.Input.Kind == sim.InputFrame {
		m.told(e.Input.Data)
	}
	for i := range e.Effects.Sends {
		s := &e.Effects.Sends[i]
		switch {
		case s.Transport != sim.TransportFrame:
		case isKind(s.Data, wire.KindHello):
			var h wire.Hello
			if _, ok := read(s.Data, &h); ok && h.Asks != 0 {
				m.questions[h.Asks] = s.To
			}
		case isKind(s.Data, wire.KindPlanAsk), isKind(s.Data, wire.KindPageAsk):
			c.pulls(r, s.To)
			m.pulls = m.pulls || isKind(s.Data, wire.KindPageAsk)
		}
	}
	for i := range e.Effects.Persist.Changes {
		if ch := &e.Effects.Persist.Changes[i]; ch.Key == node.BootstrapKey && ch.Value == nil && m.pulls {
			m.pulls = false
			c.ends(r, e.Input)
		}
	}
}

// told takes in a hello that answers a question.
func (m *asking) told(frame []byte) {
	if !isKind(frame, wire.KindHello) {
		return
	}
	var h wire.Hello
	from, ok := read(frame, &h)
	if !ok || !h.Standing.Serves() {
		return
	}
	if addr, asked := m.questions[h.Answers]; asked && !slices.Contains(m.serves, server{from, addr}) {
		m.serves = append(m.serves, server{from, addr})
	}
}

// pulls judges that a member asks the one at an address for data. The address of a member may have changed meanwhile.
func (c *Newcomers) pulls(r *world.Replica, addr string) {
	m := &c.members[r.Number]
	if slices.ContainsFunc(m.serves, func(s server) bool { return s.addr == addr }) {
		return
	}
	there := func(s server) bool {
		return slices.ContainsFunc(r.Node.Status().Members, func(o swim.Member) bool {
			return o.ID == s.id && o.Addr == addr
		})
	}
	if !slices.ContainsFunc(m.serves, there) {
		c.bad(r.Number, "", "pulls from the member at %s, which has not said in answer to a question that it serves",
			addr)
	}
}

// ends judges the step in which a member that has pulled takes itself for one in step: the last answer of a comparison
// has arrived then, from a member that serves. One that is silent, or a newcomer, does not tell it what it lacks.
func (c *Newcomers) ends(r *world.Replica, in *sim.Input) {
	if in == nil || in.Kind != sim.InputFrame ||
		!isKind(in.Data, wire.KindTreeAnswer) && !isKind(in.Data, wire.KindLeafAnswer) {
		c.bad(r.Number, "", "takes itself for one in step, and no comparison has ended with an answer")
		return
	}
	_, from, _, err := wire.Open(in.Data, wire.ClusterHash(world.ClusterName))
	if err != nil || !slices.ContainsFunc(c.members[r.Number].serves, func(s server) bool { return s.id == from }) {
		c.bad(r.Number, "", "takes itself for one in step after a comparison with %s, which has not said in answer "+
			"to a question that it serves", from)
	}
}
