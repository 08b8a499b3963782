package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/sim/hash"
	"kvs/sim/pool"
	"kvs/sim/scenario"
)

// World is the whole state of one run. Its exported methods are for the run's Cluster and its checkers.
type World struct {
	sc      *scenario.Scenario
	seed    uint64 // of randomness: see scenario.Disk.Walk.
	runSeed uint64
	nodes   int
	names   []string // by number of the replica.
	system  System
	cluster Cluster
	hooks   hooks
	bus     bus

	now    time.Duration
	seq    uint64
	agenda agenda
	hash   Hash
	tracer func(line string) // nil: no trace.

	recording *Recording // nil: no recording.
	stage     *Stage     // nil: the world runs by its agenda.

	rng       *rand.Rand // of replicas, disks and crashes.
	clientRNG *rand.Rand
	net       network
	replicas  []Replica // by number, from 1.
	walk      walk
	callers   []*Caller
	calls     pool.Pool[Call]
	answer    Answer // of the operation that ends.
	requests  uint64
	in        Input
	eff       Effects

	recorder   *linearize.Recorder
	netSince   time.Duration // of the last change of the network.
	violations []Violation

	operations int
	stats      stats
	phase      Phase
	core       *core         // nil: it is not its phase.
	recovered  time.Duration // when the liveness phase began.
	settled    bool
}

// stats are numbers for people, and for tests that need to know that an event happened at all.
type stats struct {
	events     uint64
	faults     int
	crashes    int // of the plan,
	torn       int // and those of them that cut persists in flight.
	sent, lost uint64
	answers    [4]uint64 // by linearize.Status.
}

// hooks are the optional interfaces of a cluster; nil: it does not implement them.
type hooks struct {
	operator  Operator
	guard     Guard
	sparer    Sparer
	rotter    Rotter
	forger    Forger
	core      CoreChooser
	explainer Explainer
	counter   Counter
	historian Historian
	failer    Failer
}

func hooksOf(c Cluster) (h hooks) {
	h.operator, _ = c.(Operator)
	h.guard, _ = c.(Guard)
	h.sparer, _ = c.(Sparer)
	h.rotter, _ = c.(Rotter)
	h.forger, _ = c.(Forger)
	h.core, _ = c.(CoreChooser)
	h.explainer, _ = c.(Explainer)
	h.counter, _ = c.(Counter)
	h.historian, _ = c.(Historian)
	h.failer, _ = c.(Failer)
	return h
}

const (
	watchEvery   = 500 * time.Millisecond
	verifyEvery  = 50 * time.Millisecond
	bootSpread   = 100 * time.Millisecond // the cluster starts within it.
	eventsPerSec = 1_000_000              // more events in one virtual second mean an endless loop of events.
)

// NewWorld makes a world before its first event. Most callers need Run.
func NewWorld(o Options) *World {
	sc := o.Scenario
	w := &World{
		sc: sc, seed: o.Seed, runSeed: o.Seed, system: o.System, walk: newWalk(o.Seed,
			sc), nodes: sc.Nodes, hash: hash.New(o.Seed),
		tracer: o.Trace, recording: o.Record,
	}
	if sc.Disk.Walk {
		w.seed = 1 // the seed only chooses where to crash.
	}
	w.rng, w.clientRNG = w.derive(streamWorld), w.derive(streamClient)
	w.net = network{links: chaos.NewLinks(w.nodes, sc.Network), rng: w.derive(streamNet)}
	header := linearize.Header{World: "sim", Seed: o.Seed, Scenario: sc.Name, Commit: o.Commit, Plan: sc.Plan.String()}
	for _, p := range sc.Expect {
		header.Promises = append(header.Promises, linearize.Promise{Name: p.String()})
	}
	if m, ok := o.System.(Modeled); ok {
		header.Model = m.Model().Name()
	}
	w.names = make([]string, w.nodes+1)
	w.replicas = make([]Replica, w.nodes+1)
	for n := 1; n <= w.nodes; n++ {
		w.names[n] = NodeName(n)
		header.Nodes = append(header.Nodes, w.names[n])
		w.makeReplica(n)
		w.at(chaos.DrawDuration(w.rng, 0, bootSpread), entry{kind: entryBoot, node: uint8(n)})
	}
	w.recorder = linearize.NewRecorder(header)
	w.cluster = o.System.New(w)
	w.hooks = hooksOf(w.cluster)
	w.bus.subscribe(w.cluster)
	for c := 1; c <= sc.Clients; c++ {
		w.AddClient(w.cluster.Client(c), c, 0, RoleLoad)
	}
	for i := range sc.Plan.Events {
		w.at(sc.Plan.Events[i].At, entry{kind: entryFault, slot: int32(i)})
	}
	w.at(watchEvery, entry{kind: entryWatch})
	if w.operatorEvery() > 0 {
		w.at(w.operatorEvery(), entry{kind: entryOperator})
	}
	w.at(sc.Duration, entry{kind: entryRecovery})
	return w
}

func (w *World) operatorEvery() time.Duration {
	if w.hooks.operator == nil {
		return 0
	}
	return w.hooks.operator.OperateEvery()
}

// Now is the virtual time since the beginning of the run.
func (w *World) Now() time.Duration { return w.now }

// Scenario is the scenario of the run. It must not be changed.
func (w *World) Scenario() *scenario.Scenario { return w.sc }

// Nodes is the number of replicas. It implements chaos.Target.
func (w *World) Nodes() int { return w.nodes }

// Replica returns the one with a number, from 1.
func (w *World) Replica(n int) *Replica { return &w.replicas[n] }

// Phase is the present one.
func (w *World) Phase() Phase { return w.phase }

// Settled reports whether the run has settled: all is finished and agreed.
func (w *World) Settled() bool { return w.settled }

// Hash is the trace hash, to which a Cluster may add.
func (w *World) Hash() *Hash { return &w.hash }

// Cluster is the system's part of the run.
func (w *World) Cluster() Cluster { return w.cluster }

// at puts an entry on the agenda.
func (w *World) at(at time.Duration, e entry) {
	w.seq++
	e.at, e.seq = at, w.seq
	if w.stage != nil {
		w.stage.take(e)
		return
	}
	w.agenda.push(e)
}

// live runs the world to its end: until all has settled, or time is up.
func (w *World) live() {
	end := w.sc.Duration + w.sc.Core + w.sc.Settle
	second, inSecond := time.Duration(-1), 0
	for w.agenda.len() > 0 && !w.settled {
		e := w.agenda.pop()
		if e.at > end {
			w.now = end
			return
		}
		if s := e.at / time.Second; s != second {
			second, inSecond = s, 0
		}
		inSecond++
		if inSecond > eventsPerSec {
			panic(fmt.Sprintf("sim: more than %d events in the second from %s on, "+
				"the last one a %s at n%d: something feeds itself",
				eventsPerSec, second*time.Second, e.kind, e.node))
		}
		w.now = e.at
		w.stats.events++
		w.hash.Word(uint64(e.at))
		w.hash.Word(uint64(e.kind)<<48 | uint64(e.node)<<40 | uint64(uint32(e.slot)))
		w.happen(e)
	}
}

func (w *World) happen(e entry) {
	if w.tracer != nil && e.kind != entryVerify && e.kind != entryWatch {
		w.tracer(fmt.Sprintf("%s %s node=%d slot=%d run=%d hash=%s", w.now, e.kind, e.node, e.slot, e.run, w.hash))
	}
	switch e.kind {
	case entryTick, entryPacket, entrySynced, entryRequest:
		w.input(e)
	case entryThink:
		w.think(e.slot)
	case entryAnswer:
		w.answered(e)
	case entryGiveUp:
		w.giveUp(e)
	case entryBoot:
		if r := &w.replicas[e.node]; r.run == 0 { // otherwise a fault of the first moments has started it.
			w.start(r)
		}
	case entryFault:
		w.fault(w.sc.Plan.Events[e.slot].Fault)
	case entryWatch:
		w.bus.tell(w.bus.event(EventWatch, nil))
		w.at(w.now+watchEvery, entry{kind: entryWatch})
	case entryOperator:
		w.hooks.operator.Operate()
		w.at(w.now+w.operatorEvery(), entry{kind: entryOperator})
	case entryWalk:
		w.walkOn()
	case entryCrash:
		if r := &w.replicas[e.node]; r.doomed > 0 && e.run == r.run {
			w.crashBusy(r)
		}
	case entryRecovery:
		if w.sc.Core == 0 || !w.beginCore() {
			w.beginLiveness()
		}
	case entryVerify:
		w.verify()
	}
}

// WatchEvery is the virtual time from one EventWatch to the next.
const WatchEvery = watchEvery

func (w *World) fault(f chaos.Fault) {
	w.stats.faults++
	if err := w.Apply(f); err != nil {
		panic("sim: " + err.Error()) // the plan was validated, and the world supports all its faults.
	}
}

// setPhase enters a phase.
func (w *World) setPhase(p Phase) {
	w.phase = p
	w.bus.tell(w.bus.event(EventPhase, nil))
}

// beginLiveness ends all faults. Clients finish what they have begun; those that the cluster adds prove that each
// replica serves.
func (w *World) beginLiveness() {
	w.setPhase(PhaseLiveness)
	w.recovered = w.now
	if err := w.Apply(chaos.Fault{Kind: chaos.Recover}); err != nil {
		panic("sim: " + err.Error())
	}
	w.cluster.Probe(w.all())
	w.at(w.now+verifyEvery, entry{kind: entryVerify})
}

// all are the numbers of all replicas.
func (w *World) all() []int {
	all := make([]int, w.nodes)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// verify ends a phase when the run has settled.
func (w *World) verify() {
	switch {
	case w.core != nil:
		w.verifyCore()
	case w.unsettled() == "":
		w.settled = true
	default:
		w.at(w.now+verifyEvery, entry{kind: entryVerify})
	}
}

// unsettled describes what is still missing at the end of the liveness phase; empty: nothing.
func (w *World) unsettled() string {
	for _, c := range w.callers {
		switch {
		case c.role == RoleScript && !c.done:
			return fmt.Sprintf("client %d still has to %s %q at n%d", c.Number, c.Op.Kind, c.Op.Subject, c.node)
		case c.role == RoleProbe && !c.done:
			return fmt.Sprintf("n%d has not served a write since the faults ended", c.node)
		case c.busy:
			return c.waits()
		}
	}
	for n := 1; n <= w.nodes; n++ {
		if left := w.replicas[n].unsettled(); left != "" {
			return left
		}
	}
	return w.cluster.Unsettled(w.all())
}

// Violate records violations, but not thousands of one kind.
func (w *World) Violate(list ...Violation) {
	const perPromiseMax = 10
	for _, v := range list {
		same := 0
		for i := range w.violations {
			if w.violations[i].Promise == v.Promise {
				same++
			}
		}
		if same >= perPromiseMax {
			continue
		}
		v.At = w.now
		w.violations = append(w.violations, v)
		if w.recording != nil {
			w.Mark(v.Node, MarkBroken, v.String())
		}
		w.Trace("VIOLATION %s", v)
	}
}

// Violations are those found so far.
func (w *World) Violations() []Violation { return w.violations }

// Tracing reports whether the run is traced.
func (w *World) Tracing() bool { return w.tracer != nil }

// Trace writes a line of the trace. Where it is called often, ask Tracing first.
func (w *World) Trace(format string, args ...any) {
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s "+format, append([]any{w.now}, args...)...))
	}
}

// LogLevel is the lowest level of log lines that are used: machines need not make others.
func (w *World) LogLevel() LogLevel {
	switch {
	case w.tracer != nil:
		return LogDebug
	case w.recording != nil:
		return LogInfo
	}
	return LogError + 1
}

// Links is the present state of the network. Only faults may change it.
func (w *World) Links() *chaos.Links { return w.net.links }

// NetSince is when a fault changed the network last; zero: none has.
func (w *World) NetSince() time.Duration { return w.netSince }
