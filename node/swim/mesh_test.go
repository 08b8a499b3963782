package swim

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mesh is a network of machines in virtual time: a millisecond and a bit per message, and what faults a test asks for.
// The simulator of the repository is the real one; this one is for conversations short enough to read.
type mesh struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Duration
	seq   int
	queue eventQueue
	nodes []*meshNode

	lossPercent int                                     // of datagrams.
	cut         func(from, to string, stream bool) bool // nil: whole.
	stall       func(name string) bool                  // a node that does not run; nil: all do.
	hash        uint64                                  // over all that is sent.
	script      *strings.Builder                        // transcript; nil: none.
	names       map[uint64]int                          // sequence numbers in order of appearance, for transcripts.
	ignore      func(p *packet) bool                    // what a transcript leaves out.
}

type meshNode struct {
	name   string
	addr   string
	id     ID
	boots  uint64
	salt   uint32 // of the run: another one at each start.
	up     bool
	m      *Machine
	out    Output
	events []Event
	dials  int // push-pull requests sent.
}

type meshEvent struct {
	at   time.Duration
	seq  int
	from string
	send Send
}

type eventQueue []meshEvent

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].seq < q[j].seq)
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(meshEvent)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func newMesh(t *testing.T, seed uint64) *mesh {
	return &mesh{t: t, rng: rand.New(rand.NewPCG(seed, 1)), names: map[uint64]int{}, hash: 14695981039346656037}
}

// testConfig is the default with the room the node gives a datagram.
func testConfig() Config {
	c := DefaultConfig()
	c.DatagramBytesMax = 1378
	return c
}

// add makes node number len+1, called a, b, c, ..., and starts it.
func (w *mesh) add(seeds ...string) *meshNode {
	i := len(w.nodes)
	name := string(rune('a' + i))
	n := &meshNode{name: name, addr: name + ":1", id: ID(i + 1)}
	w.nodes = append(w.nodes, n)
	w.start(n, seeds, nil)
	return n
}

// start begins the next run of n, as a process does that kept its disk.
func (w *mesh) start(n *meshNode, seeds []string, known []Member) {
	n.boots++
	n.salt = n.salt*5 + 3
	n.up = true
	m, err := New(Options{
		Config: testConfig(),
		Self: Member{ID: n.id, Name: n.name, Addr: n.addr, Born: uint64(n.id) * 100,
			Incarnation: FirstIncarnation(n.boots, n.salt)},
		Seeds: seeds, Known: known, Now: w.now, Rand: rand.New(rand.NewPCG(w.rng.Uint64(), 2)),
	})
	require.NoError(w.t, err)
	n.m = m
	n.m.Tick(w.now, &n.out)
	w.collect(n)
}

// cluster makes n nodes that join through the first.
func cluster(t *testing.T, seed uint64, n int) *mesh {
	w := newMesh(t, seed)
	for range n {
		w.add("a:1")
	}
	w.until(time.Minute, func() bool { return w.agree(Alive) })
	return w
}

func (w *mesh) node(name string) *meshNode { return w.nodes[name[0]-'a'] }

// collect takes what n wants done.
func (w *mesh) collect(n *meshNode) {
	ok, other := n.m.Vouched()
	if !n.m.vouching.announced && other == 0 && (ok || w.now-n.m.born >= 5*time.Second) { // as package node does it.
		n.m.Announce(&n.out)
	}
	h := fnv.New64a()
	for _, e := range n.out.Events {
		n.events = append(n.events, e)
		w.note("%s sees %s %s, was %s, new=%v, at %s", n.name, e.Member.Name, e.Member.State, e.Was, e.New,
			e.Member.Addr)
	}
	for _, s := range n.out.Sends {
		if !s.Stream {
			if len(s.Data) > n.m.cfg.DatagramBytesMax {
				require.Fail(w.t, "datagram too long")
			}
		} else if s.Data[1] == kindRequest {
			n.dials++
		}
		w.transcribe(n.name, s)
		fmt.Fprintf(h, "%d %s %s %d\n", w.now, n.name, s.To, w.hash)
		h.Write(s.Data)
		w.hash = h.Sum64()
		to := s.To[:1]
		switch {
		case !s.Stream && w.rng.IntN(100) < w.lossPercent:
		case w.cut != nil && w.cut(n.name, to, s.Stream):
		default:
			w.seq++
			delay := time.Millisecond + time.Duration(w.rng.IntN(1000))*time.Microsecond
			heap.Push(&w.queue, meshEvent{at: w.now + delay, seq: w.seq, from: n.addr, send: s})
		}
	}
	n.out = Output{}
	w.check(n)
}

// check asserts what must hold in every machine after every step.
func (w *mesh) check(n *meshNode) {
	var states [stateCount]int
	fine := len(n.m.rumours) <= len(n.m.peers)+1 && len(n.m.relays) <= relaysMax && len(n.m.order) <= 2*len(n.m.peers)
	for i, p := range n.m.peers {
		states[p.State]++
		fine = fine && (i == 0 || n.m.peers[i-1].ID < p.ID) && p.ID != n.id
	}
	for i, p := range n.m.suspects {
		fine = fine && p.State == Suspect && p.suspicion != nil && (i == 0 || n.m.suspects[i-1].ID < p.ID)
	}
	if !fine || states != n.m.states || len(n.m.suspects) != states[Suspect] {
		require.Fail(w.t, "machine is broken", "%s: %+v", n.name, n.m)
	}
}

// until lets time pass until the condition holds, and fails when it does not within limit.
func (w *mesh) until(limit time.Duration, holds func() bool) {
	w.t.Helper()
	end := w.now + limit
	for !holds() {
		if !w.step(end) {
			require.Fail(w.t, "not reached", "within %v; tables:\n%s", limit, w.tables())
		}
	}
}

// pass lets time pass.
func (w *mesh) pass(d time.Duration) {
	end := w.now + d
	for w.step(end) {
	}
	w.now = end
}

// step does the next thing that happens not after end.
func (w *mesh) step(end time.Duration) bool {
	var next *meshNode
	at := end + 1
	for _, n := range w.nodes {
		if n.up && n.m.Next() < at && !w.stalled(n) {
			next, at = n, n.m.Next()
		}
	}
	if len(w.queue) > 0 && w.queue[0].at < at {
		e := heap.Pop(&w.queue).(meshEvent)
		if e.at > end {
			heap.Push(&w.queue, e)
			return false
		}
		w.now = max(w.now, e.at)
		w.deliver(e)
		return true
	}
	if next == nil {
		return false
	}
	w.now = max(w.now, at)
	next.m.Tick(w.now, &next.out)
	if next.m.Next() <= w.now {
		require.Fail(w.t, "a tick must do all that is due")
	}
	w.collect(next)
	return true
}

func (w *mesh) stalled(n *meshNode) bool { return w.stall != nil && w.stall(n.name) }

func (w *mesh) deliver(e meshEvent) {
	for _, n := range w.nodes {
		if n.addr != e.send.To || !n.up {
			continue
		}
		if w.stalled(n) { // it waits in the socket.
			w.seq++
			e.at, e.seq = w.now+100*time.Millisecond, w.seq
			heap.Push(&w.queue, e)
			continue
		}
		var err error
		if e.send.Stream {
			err = n.m.Stream(w.now, Speaker{}, e.send.Data, &n.out)
		} else {
			err = n.m.Datagram(w.now, e.from, e.send.Data, &n.out)
		}
		if err != nil {
			require.NoError(w.t, err)
		}
		clear(e.send.Data) // borrowed only: whoever kept it will be caught.
		w.collect(n)
	}
}

// agree says whether all nodes that run see each other in state s, and the same addresses.
func (w *mesh) agree(s State) bool {
	for _, n := range w.nodes {
		if !n.up {
			continue
		}
		for _, o := range w.nodes {
			if m, ok := n.m.Lookup(o.id); o.up && (!ok || m.State != s || m.Addr != o.addr) {
				return false
			}
		}
	}
	return true
}

// sees returns how the node called viewer sees the one called other.
func (w *mesh) sees(viewer, other string) string {
	m, ok := w.node(viewer).m.Lookup(w.node(other).id)
	if !ok {
		return "nothing"
	}
	return m.State.String()
}

func (w *mesh) tables() string {
	var b strings.Builder
	for _, n := range w.nodes {
		if n.up {
			for _, m := range n.m.Members() {
				fmt.Fprintf(&b, "%s: %s %s %d\n", n.name, m.Name, m.State, m.Incarnation)
			}
		}
	}
	return b.String()
}

// forget drops the events seen so far.
func (w *mesh) forget() {
	for _, n := range w.nodes {
		n.events = nil
	}
}

// Transcripts.

func (w *mesh) note(format string, args ...any) {
	if w.script != nil {
		fmt.Fprintf(w.script, "%9s  "+format+"\n", append([]any{w.now.Round(time.Millisecond)}, args...)...)
	}
}

func (w *mesh) transcribe(from string, s Send) {
	if w.script == nil {
		return
	}
	var p packet
	require.NoError(w.t, p.decode(s.Data, s.Stream))
	if w.ignore != nil && w.ignore(&p) {
		return
	}
	w.note("%s -> %s: %s", from, s.To[:1], w.describe(&p))
}

func (w *mesh) describe(p *packet) string {
	n, ok := w.names[p.seq]
	if !ok {
		n = len(w.names) + 1
		w.names[p.seq] = n
	}
	kind := map[byte]string{kindPing: "ping", kindPingReq: "ping-req", kindAck: "ack", kindNack: "nack",
		kindStreamPing: "ping over a stream", kindStreamAck: "ack over a stream", kindRequest: "push-pull",
		kindResponse: "push-pull answer", kindAsk: "question", kindAnswer: "answer"}[p.kind]
	b := fmt.Sprintf("%s #%d", kind, n)
	if p.target != 0 {
		b += " of " + w.nodes[(p.target-1)%100].name
	}
	if p.self.id != 0 {
		b += " from" + w.rumour(&p.self)
	}
	if len(p.rumours) > 0 {
		b += ":"
	}
	for i := range p.rumours {
		b += w.rumour(&p.rumours[i])
	}
	return b
}

// rumour prints run.refutes for the incarnation.
func (w *mesh) rumour(r *rumour) string {
	s := fmt.Sprintf(" [%s %s %d.%d", r.name, r.state, RunOf(r.incarnation), r.incarnation&(1<<lifeShift-1))
	if r.state == Suspect {
		s += " says " + w.nodes[(r.accuser-1)%100].name
	}
	return s + "]"
}
