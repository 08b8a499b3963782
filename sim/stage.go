package sim

import (
	"slices"
	"time"

	"kvs/chaos"
	"kvs/sim/clock"
	"kvs/sim/memstore"
	"kvs/sim/scenario"
)

// Stage is a world without events of its own: its holder chooses the next event among the possible ones. Messages wait
// until they are delivered, requests until they are asked, fsyncs until they end, machines until they are woken. The
// exhaustive search (kvs/sim/explore) is built on it. The code that steps machines and carries out their effects is
// that of every other run.
//
// Time stands still, except for the clocks of replicas, which Gain moves one by one. No randomness is drawn: the state
// depends only on the order of the chosen events. So a request is named after its client and its number, a crash loses
// everything that is not durable, and clients are informed of every crash. A client draws from World.LoadRand, which is
// its own.
//
// Only checkers that are Staters receive events, since two paths to the same state count as one.
type Stage struct {
	w       *World
	sent    []Flight
	asked   []Request
	syncing []entry         // by number of the replica; its kind is entrySynced while an fsync runs.
	wakes   []bool          // by number: its machine has asked to be woken.
	gained  []time.Duration // by number: how far its clocks have moved.
	inputs  []Hash          // by number: over all inputs of the run.
}

// Stater is a Machine, a Checker or a Cluster that can encode the state on which its future depends.
type Stater interface {
	// AppendState appends an unambiguous encoding of it.
	AppendState(b []byte) []byte
}

// Flight is a message in flight. Data is only lent.
type Flight struct {
	From, To  int
	Transport Transport
	Data      []byte

	entry entry
}

// Request is an operation in flight to a replica.
type Request struct {
	Caller *Caller
	Node   int

	entry entry
}

// StageOptions of NewStage. System and Scenario are required.
type StageOptions struct {
	System   System
	Seed     uint64
	Scenario *scenario.Scenario // drawn. Its plan, clients, network, clocks and disks are left out.
	Disks    []*memstore.Store  // by number of the replica; they are copied. Nil: they are empty.
	Clock    time.Duration      // what all clocks show at the beginning, monotonic ones and wall clocks.
}

// stageCountBits are the bits of a request's ID on a stage that count the client's attempts.
const stageCountBits = 16

// NewStage makes a world in which no process runs yet.
func NewStage(o StageOptions) *Stage {
	sc := o.Scenario.Clone()
	bare := scenario.Default(sc.Own)
	bare.Nodes, bare.Clients, bare.Name, bare.Expect = sc.Nodes, 0, sc.Name, sc.Expect
	bare.Network, bare.Disk = chaos.Link{}, scenario.Disk{}
	w := NewWorld(Options{System: o.System, Seed: o.Seed, Scenario: &bare})
	st := &Stage{w: w, syncing: make([]entry, w.nodes+1), wakes: make([]bool, w.nodes+1),
		gained: make([]time.Duration, w.nodes+1), inputs: make([]Hash, w.nodes+1)}
	w.stage, w.agenda = st, agenda{}
	w.bus.keepStaters()
	for n := 1; n <= w.nodes; n++ {
		r := &w.replicas[n]
		r.clock = clock.Clock{NaturalOffset: o.Clock, MonoBase: o.Clock}
		r.disk.KeepAtCrash = -1
		if o.Disks != nil {
			r.disk.Store = o.Disks[n].Clone()
		}
	}
	return st
}

// World is the world of the stage, which its cluster and checkers use.
func (st *Stage) World() *World { return st.w }

// take takes an entry that the world has put on its agenda.
func (st *Stage) take(e entry) {
	switch e.kind {
	case entryPacket:
		p := st.w.net.packets.At(e.slot)
		p.loose = true // it is not lost with a broken connection.
		st.sent = append(st.sent,
			Flight{From: int(p.from), To: int(p.to), Transport: p.transport, Data: p.data, entry: e})
	case entryRequest:
		c := st.w.calls.At(e.slot)
		st.asked = append(st.asked, Request{Caller: c.Caller, Node: int(e.node), entry: e})
	case entrySynced:
		st.syncing[e.node] = e
	case entryTick:
		st.w.replicas[e.node].tickAt, st.wakes[e.node] = 0, true
	case entryThink, entryAnswer:
		st.w.happen(e) // clients neither think nor wait for their answers.
	}
}

// Sent returns the messages that were sent since it was called last, in their order.
func (st *Stage) Sent() []Flight {
	out := st.sent
	st.sent = nil
	return out
}

// Asked returns the requests that were made since it was called last, in their order.
func (st *Stage) Asked() []Request {
	out := st.asked
	st.asked = nil
	return out
}

// Start begins a run of a replica's process. A failure is a violation: see Violations.
func (st *Stage) Start(n int) {
	st.syncing[n], st.wakes[n], st.inputs[n] = entry{}, false, Hash{}
	st.w.start(&st.w.replicas[n])
}

// Crash ends the process of a replica, and loses what is not durable.
func (st *Stage) Crash(n int) { st.w.crash(&st.w.replicas[n]) }

// Deliver lets a message arrive.
func (st *Stage) Deliver(f Flight) {
	h := &st.inputs[f.To]
	h.Word(uint64(f.Transport)<<8 | uint64(f.From))
	h.Bytes(f.Data)
	st.w.happen(f.entry)
}

// Ask lets a request arrive.
func (st *Stage) Ask(q Request) {
	h := &st.inputs[q.Node]
	h.Word(1 << 16)
	h.Word(uint64(q.Caller.Number)<<stageCountBits | uint64(q.Caller.count))
	st.w.happen(q.entry)
}

// Syncing reports whether persists wait for the disk of a replica.
func (st *Stage) Syncing(n int) bool { return st.syncing[n].kind == entrySynced }

// Sync makes all pending persists of a replica durable. Persists that follow from it wait for the next call.
func (st *Stage) Sync(n int) {
	waiting := st.w.replicas[n].disk.Waiting
	st.SyncUpTo(n, waiting[len(waiting)-1].ID)
}

// SyncUpTo makes the pending persists of a replica durable up to a given one, which must be pending.
func (st *Stage) SyncUpTo(n int, upTo PersistID) {
	e, d := st.syncing[n], &st.w.replicas[n].disk
	later := slices.IndexFunc(d.Waiting, func(p Persist) bool { return p.ID > upTo })
	if later < 0 {
		later = len(d.Waiting)
	}
	st.syncing[n], d.Syncing = entry{}, later
	st.inputs[n].Word(2 << 16)
	st.inputs[n].Word(uint64(d.Waiting[later-1].ID))
	st.w.happen(e)
}

// Wakes reports whether the machine of a replica has asked to be woken, and when, by its monotonic clock.
func (st *Stage) Wakes(n int) (mono time.Duration, asked bool) {
	return st.w.replicas[n].clock.Mono(st.w.replicas[n].wakeAt), st.wakes[n]
}

// Wake wakes the machine of a replica, even if it is too early.
func (st *Stage) Wake(n int) {
	st.wakes[n] = false
	st.inputs[n].Word(3 << 16)
	st.w.in = Input{Kind: InputTick}
	st.w.step(&st.w.replicas[n])
}

// Gain moves the clocks of a replica forwards.
func (st *Stage) Gain(n int, by time.Duration) {
	r := &st.w.replicas[n]
	r.clock.Gain(by)
	r.wakeAt -= by
	st.gained[n] += by
	st.inputs[n].Word(4<<16 | uint64(by)<<20)
}

// AddClient adds a client, which draws its first operation at once.
func (st *Stage) AddClient(c Client, number, at int, role Role) { st.w.AddClient(c, number, at, role) }

// Held are the messages of a replica that wait for its disk. They are only lent.
func (st *Stage) Held(n int) []Send { return st.w.replicas[n].gate.Sends() }

// AppendState appends the state on which the future of a replica's process depends: its machine's own encoding, if it
// is a Stater, or a hash of all its inputs.
func (st *Stage) AppendState(b []byte, n int) []byte {
	if s, ok := st.w.replicas[n].machine.(Stater); ok {
		return s.AppendState(b)
	}
	return append(b, st.inputs[n].String()...)
}

// AppendChecks appends the state of the cluster and its checkers, of those that are Staters.
func (st *Stage) AppendChecks(b []byte) []byte {
	for _, s := range st.w.bus.staters {
		b = s.AppendState(b)
	}
	return b
}

// Judge makes the checkers on the stage judge.
func (st *Stage) Judge() {
	for _, c := range st.w.bus.checkers {
		c.Finish()
	}
}

// keepStaters leaves out all observers that are no Staters.
func (b *bus) keepStaters() {
	for k := range b.lists {
		b.lists[k] = slices.DeleteFunc(b.lists[k], func(o observer) bool { _, is := o.(Stater); return !is })
		for _, o := range b.lists[k] {
			if s := o.(Stater); !slices.Contains(b.staters, s) {
				b.staters = append(b.staters, s)
			}
		}
	}
	b.checkers = slices.DeleteFunc(b.checkers, func(c Checker) bool { _, is := c.(Stater); return !is })
}
