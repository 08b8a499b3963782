package explore

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/swim"
	"kvs/sim/memstore"
)

const (
	wallBase   = 1_700_000_000_000      // milliseconds.
	stepTime   = time.Microsecond       // a node's clock moves by so much with each of its steps.
	warmUpMax  = 100_000                // steps until the members know each other; a bound, which nothing reaches.
	warmUpID   = 1 << 40                // of the requests before the operations begin.
	closingMax = 20_000                 // the same for the reads at the end.
	patience   = 300 * time.Millisecond // what a node that wakes up has slept too long: its first repetition is due.
)

// stepKind is what happens in a step.
type stepKind uint8

const (
	stepDeliver stepKind = iota // message number `which` of node `from` arrives.
	stepRequest                 // client operation number `which` arrives.
	stepSynced                  // the node's disk is done, for the which-th time.
	stepTick                    // the node wakes up, for the which-th time.
	stepEnd                     // nothing happens any more: the execution is judged.
	stepCrash                   // the node crashes and starts again, for the which-th time.
)

// step is one step of an execution. The same step of two executions that differ in the order of steps at other nodes is equal.
type step struct {
	kind  stepKind
	at    int // the node where it happens.
	from  int
	which int
}

func compareSteps(a, b step) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.at, b.at), cmp.Compare(a.from, b.from), cmp.Compare(a.which, b.which))
}

type message struct {
	from, to, number int
	data             []byte
}

// member is a node and what surrounds it.
type member struct {
	node    *node.Node
	store   *memstore.Store
	gate    node.Gate
	held    []node.Send // what the gate holds back, as part of the state.
	durable node.PersistID
	pending []node.Persist
	mono    time.Duration
	wake    time.Duration
	sent    int // messages of operations so far: they are numbered.
	synced  int
	ticks   int
	crashes int
	runs    int
	touched bool // something happened here since it started.
}

// call is the state of a client operation.
type call struct {
	sent, over bool
	lost       bool // its node crashed: nobody knows.
	response   node.Response
}

// world is one execution.
type world struct {
	scope      *Scope
	members    []member // [0] unused.
	flight     []message
	background []message // failure detection, while it runs.
	meeting    bool      // it runs.
	calls      []call
	eff        node.Effects
	crashes    int
	ticks      int
	scratch    []byte
	amnesia    bool
	answers    map[uint64]node.Response // of the closing reads.
	steps      int
}

func address(i int) string { return fmt.Sprintf("n%d:1", i) }

func number(address string) int {
	var i int
	if _, err := fmt.Sscanf(address, "n%d:1", &i); err != nil {
		return 0
	}
	return i
}

// newWorld starts the nodes on the given disks and lets them meet.
func newWorld(s *Scope, disks []*memstore.Store) (*world, error) {
	w := &world{scope: s, members: make([]member, s.Nodes+1), calls: make([]call, len(s.Ops)), answers: map[uint64]node.Response{}}
	w.meeting = true
	for i := 1; i <= s.Nodes; i++ {
		m := &w.members[i]
		m.store, m.mono = memstore.New(), time.Second
		if disks != nil {
			m.store = disks[i].Clone()
		}
		if err := w.start(i); err != nil {
			return nil, err
		}
	}
	if err := w.meet(); err != nil {
		return nil, err
	}
	if err := w.warm(); err != nil {
		return nil, err
	}
	w.meeting = false
	return w, nil
}

func (w *world) start(i int) error {
	m := &w.members[i]
	m.runs++
	seeds := make([]string, 0, w.scope.Nodes)
	for k := 1; k <= w.scope.Nodes; k++ {
		seeds = append(seeds, address(k))
	}
	m.gate, m.held, m.durable, m.pending, m.touched = node.Gate{}, nil, 0, nil, false
	w.eff.Reset()
	n, err := node.New(w.time(m), node.Options{
		Name: fmt.Sprintf("n%d", i), Addr: address(i), Cluster: "explore", Store: m.store, Seeds: seeds,
		Rand: rand.New(rand.NewPCG(uint64(i), uint64(m.runs))), ExpectedMembers: w.scope.Nodes, Founder: true,
	}, &w.eff)
	if err != nil {
		return fmt.Errorf("n%d does not start: %w", i, err)
	}
	m.node = n
	w.carryOut(i)
	w.sync(i)
	return nil
}

func (w *world) time(m *member) node.Time {
	return node.Time{Wall: wallBase + m.mono.Milliseconds(), Mono: m.mono}
}

// input steps a node.
func (w *world) input(i int, in node.Input) {
	m := &w.members[i]
	w.steps++
	m.mono += stepTime
	m.touched = true
	w.eff.Reset()
	m.node.Step(w.time(m), in, &w.eff)
	w.carryOut(i)
}

// carryOut sees to what a step asked for.
func (w *world) carryOut(i int) {
	m := &w.members[i]
	if w.eff.Wake != 0 {
		m.wake = w.eff.Wake
	}
	if w.eff.Persist.ID != 0 {
		m.pending = append(m.pending, w.eff.Persist)
	}
	w.pass(i)
	w.release(i)
	if !w.scope.victim(i) || w.meeting {
		w.sync(i)
	}
}

// sync makes durable what waits for the disk, until nothing does.
func (w *world) sync(i int) {
	m := &w.members[i]
	for len(m.pending) > 0 {
		var upTo node.PersistID
		for _, p := range m.pending {
			if err := m.store.Apply(p.Ops); err != nil {
				panic(err) // a store in memory that nobody told to fail.
			}
			upTo = p.ID
		}
		m.pending = nil
		w.eff.Reset()
		m.durable = upTo
		m.held = slices.DeleteFunc(m.held, func(s node.Send) bool { return s.After <= upTo })
		m.gate.Durable(upTo, &w.eff)
		m.node.Step(w.time(m), &node.Persisted{UpTo: upTo}, &w.eff)
		if w.eff.Wake != 0 {
			m.wake = w.eff.Wake
		}
		if w.eff.Persist.ID != 0 {
			m.pending = append(m.pending, w.eff.Persist)
		}
		w.pass(i)
		w.release(i)
		if w.scope.victim(i) && !w.meeting {
			return // what came out of it is a step of its own.
		}
	}
}

// pass lets through what need not wait for the disk.
func (w *world) pass(i int) {
	m := &w.members[i]
	for _, s := range w.eff.Sends {
		if s.After > m.durable && s.Transport == node.TransportFrame && node.OfOperation(s.Data) {
			m.held = append(m.held, s)
		}
	}
	m.gate.Pass(&w.eff)
}

// release takes messages and answers that may go out.
func (w *world) release(i int) {
	m := &w.members[i]
	for _, s := range w.eff.Sends {
		to := number(s.To)
		if to == 0 || to == i {
			continue
		}
		msg := message{from: i, to: to, data: append([]byte(nil), s.Data...)}
		switch {
		case s.Transport == node.TransportFrame && node.OfOperation(s.Data):
			m.sent++
			msg.number = m.sent
			w.flight = append(w.flight, msg)
		case w.meeting && s.Transport == node.TransportDatagram:
			msg.number = -1
			w.background = append(w.background, msg)
		case w.meeting:
			w.background = append(w.background, msg)
		}
	}
	for _, r := range w.eff.Replies {
		if k := int(r.ID) - 1; k < len(w.calls) {
			w.calls[k].over, w.calls[k].response = true, r.Response
		} else {
			w.answers[r.ID] = r.Response
		}
	}
}

// receive hands a message to a node.
func (w *world) receive(msg message) {
	if msg.number == -1 {
		w.input(msg.to, &node.Datagram{From: address(msg.from), Data: msg.data})
		return
	}
	w.input(msg.to, &node.Frame{Data: msg.data})
}

// deliverAll delivers everything in the order in which it was sent.
func (w *world) deliverAll(essential bool) {
	for len(w.background) > 0 || essential && len(w.flight) > 0 {
		queue := &w.background
		if len(*queue) == 0 {
			queue = &w.flight
		}
		msg := (*queue)[0]
		*queue = slices.Delete(*queue, 0, 1)
		w.receive(msg)
	}
}

// passTime wakes up the node that wants it first.
func (w *world) passTime() {
	first := 1
	for i := 2; i <= w.scope.Nodes; i++ {
		if w.members[i].wake < w.members[first].wake {
			first = i
		}
	}
	m := &w.members[first]
	m.mono = max(m.mono, m.wake)
	w.input(first, node.Tick{})
}

// meet lets failure detection run until all members know each other and the configuration, and nothing is on its way.
func (w *world) meet() error {
	for range warmUpMax {
		w.deliverAll(true)
		if w.together() {
			return nil
		}
		w.passTime()
	}
	return fmt.Errorf("the members do not come together within %d steps", warmUpMax)
}

// warm has every node with a slow disk write once, elsewhere. A node's first write waits for the bound of its clock to be durable, and
// that would hide what else should wait.
func (w *world) warm() error {
	for i := 1; i <= w.scope.Nodes; i++ {
		if !w.scope.victim(i) {
			continue
		}
		id := warmUpID + uint64(i)
		w.input(i, &node.Request{ID: id, Op: node.OpPut, Level: node.Linearizable, Path: fmt.Sprintf("warm/n%d", i)})
		for range warmUpMax {
			w.deliverAll(true)
			if _, over := w.answers[id]; over {
				break
			}
			w.passTime()
		}
		answer, over := w.answers[id]
		if !over || answer.Code != node.CodeCreated && answer.Code != node.CodeOK {
			return fmt.Errorf("n%d cannot write before the operations begin: %s %s", i, answer.Code, answer.Detail)
		}
		delete(w.answers, id)
	}
	return nil
}

func (w *world) together() bool {
	for i := 1; i <= w.scope.Nodes; i++ {
		st := w.members[i].node.Status()
		alive := 0
		for _, m := range st.Members {
			if m.State == swim.Alive {
				alive++
			}
		}
		if alive != w.scope.Nodes || st.Config == nil || len(st.Config.Voters) != w.scope.Nodes || st.CaughtUp < st.Config.Epoch || st.Mode != node.ModeNormal {
			return false
		}
	}
	return true
}

// enabled lists the steps that are possible, in a fixed order.
func (w *world) enabled() []step {
	var out []step
	for k := range w.scope.Ops {
		if c := &w.calls[k]; !c.sent && (!w.scope.Ops[k].After || w.calls[k-1].over || w.calls[k-1].lost) {
			out = append(out, step{kind: stepRequest, at: w.scope.Ops[k].Node, which: k})
		}
	}
	for _, m := range w.flight {
		out = append(out, step{kind: stepDeliver, at: m.to, from: m.from, which: m.number})
	}
	for i := 1; i <= w.scope.Nodes; i++ {
		m := &w.members[i]
		if len(m.pending) > 0 {
			out = append(out, step{kind: stepSynced, at: i, which: m.synced})
		}
		if w.ticks < w.scope.Ticks && w.waits(i) {
			out = append(out, step{kind: stepTick, at: i, which: m.ticks})
		}
		if w.crashes < w.scope.Crashes && w.scope.victim(i) && m.touched {
			out = append(out, step{kind: stepCrash, at: i, which: m.crashes})
		}
	}
	slices.SortFunc(out, compareSteps)
	return out
}

// waits reports whether an operation is under way at a node: there is nothing else that its waking up is good for.
func (w *world) waits(i int) bool {
	for k := range w.calls {
		if c := &w.calls[k]; w.scope.Ops[k].Node == i && c.sent && !c.over && !c.lost {
			return true
		}
	}
	return false
}

// take lives one step.
func (w *world) take(s step) error {
	m := &w.members[s.at]
	switch s.kind {
	case stepDeliver:
		at := slices.IndexFunc(w.flight, func(f message) bool { return f.from == s.from && f.number == s.which && f.to == s.at })
		if at < 0 {
			return fmt.Errorf("%s: there is no such message: the schedule is of another version of kvs", s)
		}
		msg := w.flight[at]
		w.flight = slices.Delete(w.flight, at, at+1)
		w.receive(msg)
	case stepRequest:
		w.request(s.which)
	case stepSynced:
		m.synced++
		w.sync(s.at)
	case stepTick:
		w.ticks++
		m.ticks++
		m.mono = max(m.mono, m.wake) + patience
		w.input(s.at, node.Tick{})
	case stepCrash:
		return w.crash(s.at)
	}
	return nil
}

func (w *world) request(k int) {
	op := &w.scope.Ops[k]
	w.calls[k].sent = true
	r := &node.Request{ID: uint64(k) + 1, Level: node.Linearizable, Path: op.Path}
	switch op.Kind {
	case linearize.Get:
		r.Op = node.OpGet
	case linearize.Delete:
		r.Op = node.OpDelete
	default:
		r.Op, r.Value, r.ContentType = node.OpPut, []byte(label(k)), "text/plain"
	}
	if op.Kind == createKind {
		r.Condition = node.Condition{Kind: node.IfNoneMatch, Any: true}
	}
	w.input(op.Node, r)
}

func label(k int) string { return fmt.Sprintf("v%d", k+1) }

// crash ends a node at once, what waits for its disk with it, and starts it again; it meets the others before anything else happens.
func (w *world) crash(i int) error {
	w.crashes++
	m := &w.members[i]
	m.crashes++
	for k := range w.calls {
		if c := &w.calls[k]; w.scope.Ops[k].Node == i && c.sent && !c.over {
			c.lost = true
		}
	}
	if w.amnesia {
		var lost []node.Op
		err := m.store.Scan("r/", "r/", func(key string, _ []byte) bool {
			lost = append(lost, node.Op{Key: key})
			return true
		})
		if err = errors.Join(err, m.store.Apply(lost)); err != nil {
			return err
		}
	}
	w.meeting = true
	defer func() { w.meeting = false }()
	if err := w.start(i); err != nil {
		return err
	}
	for range warmUpMax {
		w.deliverAll(false)
		if w.together() {
			return nil
		}
		m.mono = max(m.mono, m.wake)
		w.input(i, node.Tick{})
	}
	return fmt.Errorf("n%d does not find the others again", i)
}
