package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/node/swim"
	"kvs/scenarios"
)

// world is everything there is during one run.
type world struct {
	sc    *scenarios.Scenario
	seed  uint64
	nodes int
	names []string // by number of the replica.

	now    time.Duration
	seq    uint64
	heap   eventHeap
	trace  trace
	tracer func(line string) // nil: nobody listens.

	recording *Recording // nil: nobody looks.
	coverage  *Coverage  // the same.

	rng       *rand.Rand // of replicas, disks and crashes.
	clientRNG *rand.Rand
	net       network
	frames    slab
	replicas  []replica // by number, from 1.
	walk      walk
	clients   []client
	calls     pool[call]
	requests  uint64
	unknown   map[string]int // linearizable writes of unknown outcome, by path.
	keyed     keyedWrites
	eff       node.Effects
	logLevel  node.LogLevel

	recorder     *linearize.Recorder
	ledger       ledger
	hlc          hlcCheck
	conflict     conflictCheck
	delivery     deliveryCheck
	netSince     time.Duration      // of the last change of the network.
	born         map[node.ID]uint64 // of every identity there ever was.
	recency      recency
	ends         endCheck
	persistFirst persistCheck
	clocks       clockCheck
	overdue      overdueCheck
	lineage      lineage
	violations   []Violation

	founders bool // nodes with empty disks begin a cluster instead of looking for one: in tests of something else.
	joins    joinCheck

	damages   damages
	departing departure // the member on its way out.

	operations int
	stats      stats
	core       *core // nil: it is not its phase.
	recovering bool
	recovered  time.Duration // when the liveness phase began.
	settled    bool
	spare      []swim.Member
}

// stats are numbers for people, and for tests that want to know that something happened at all.
type stats struct {
	events     uint64
	faults     int
	crashes    int // of the plan,
	torn       int // and those of them that cut persists in flight.
	sent, lost uint64
	answers    [4]uint64 // by linearize.Status.
}

// Streams of randomness: each part of the world draws from its own, so that one more draw here does not change everything
// there.
const (
	streamWorld  = 1
	streamNet    = 2
	streamClient = 3
	streamCore   = 4
	streamLoad   = 1 << 16 // plus the number of the client.
	streamReads  = 1 << 17 // plus the number of the replica: which reads of a disk fail.
	streamNode   = 1 << 24 // plus number and run of the replica.
)

// derive returns the stream with a number. Both words of PCG's state come out of SplitMix64, so that neighbouring seeds and
// streams have nothing in common.
func (w *world) derive(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(splitMix(w.seed), splitMix(w.seed^splitMix(stream))))
}

// splitMix is SplitMix64 of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
func splitMix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const (
	watchEvery   = 500 * time.Millisecond
	verifyEvery  = 50 * time.Millisecond
	bootSpread   = 100 * time.Millisecond // the cluster starts within it.
	monoPPMMax   = 50
	eventsPerSec = 1_000_000 // more events in one virtual second mean that something feeds itself.
)

func newWorld(o Options) *world {
	sc := o.Scenario
	w := &world{
		sc: sc, seed: o.Seed, walk: newWalk(o.Seed, sc), nodes: sc.Nodes, trace: newTrace(o.Seed), tracer: o.Trace, logLevel: node.LogError + 1,
		ledger: newLedger(), hlc: newHLCCheck(), conflict: newConflictCheck(), delivery: newDeliveryCheck(), born: make(map[node.ID]uint64), recency: newRecency(), unknown: make(map[string]int),
		ends: newEndCheck(sc.Nodes), persistFirst: newPersistCheck(), clocks: newClockCheck(sc.Nodes), overdue: newOverdueCheck(sc.Nodes), lineage: make(lineage),
	}
	w.recording, w.coverage = o.Record, o.Coverage
	switch {
	case w.tracer != nil:
		w.logLevel = node.LogDebug
	case w.recording != nil:
		w.logLevel = node.LogInfo
	}
	if sc.Disk.Walk {
		w.seed = 1 // the seed says where to crash, and nothing else.
	}
	w.rng, w.clientRNG = w.derive(streamWorld), w.derive(streamClient)
	w.net = network{links: chaos.NewLinks(w.nodes, sc.Network), rng: w.derive(streamNet)}
	header := linearize.Header{World: "sim", Seed: o.Seed, Scenario: sc.Name, Commit: o.Commit, Plan: sc.Plan.String()}
	w.names = make([]string, w.nodes+1)
	w.replicas = make([]replica, w.nodes+1)
	for n := 1; n <= w.nodes; n++ {
		w.names[n] = nodeName(n)
		header.Nodes = append(header.Nodes, w.names[n])
		w.replicas[n] = w.newReplica(n)
		w.at(chaos.DrawDuration(w.rng, 0, bootSpread), event{kind: eventBoot, node: uint8(n)})
	}
	w.recorder = linearize.NewRecorder(header)
	for c := 1; c <= sc.Clients; c++ {
		w.clients = append(w.clients, client{
			number: c, process: w.recorder.NewProcess(), write: noWrite,
			generator: scenarios.NewGenerator(w.derive(streamLoad+uint64(c)), sc.Workload, w.nodes, c),
		})
		w.plan(int32(c - 1))
	}
	for i := range sc.Plan.Events {
		w.at(sc.Plan.Events[i].At, event{kind: eventFault, slot: int32(i)})
	}
	w.at(watchEvery, event{kind: eventWatch})
	if w.sc.Voters.Operator > 0 {
		w.at(w.sc.Voters.Operator, event{kind: eventOperator})
	}
	w.at(sc.Duration, event{kind: eventRecovery})
	return w
}

func (w *world) newReplica(n int) replica {
	r := replica{number: n, disk: newDisk(w.sc.Disk.Sync, w.sc.Disk.SyncMax), shown: make(map[string]node.Version), rotten: make(map[string]bool)}
	r.disk.readRNG = w.derive(streamReads + uint64(n))
	r.clock.naturalOffset = chaos.DrawDuration(w.rng, w.sc.Clocks.Skew, w.sc.Clocks.SkewMax)
	if w.rng.IntN(2) == 0 {
		r.clock.naturalOffset = -r.clock.naturalOffset
	}
	r.clock.naturalPPM = w.sc.Clocks.Drift + w.rng.Int64N(w.sc.Clocks.DriftMax-w.sc.Clocks.Drift+1)
	if w.rng.IntN(2) == 0 {
		r.clock.naturalPPM = -r.clock.naturalPPM
	}
	r.clock.monoPPM = w.rng.Int64N(2*monoPPMMax+1) - monoPPMMax
	return r
}

// seeds are the addresses in the configuration of replica n.
func (w *world) seeds(n int) []string {
	var out []string
	for other := 1; other <= min(w.nodes, w.sc.Tuning.Seeds); other++ {
		if other != n {
			out = append(out, address(other))
		}
	}
	return out
}

// at puts an event on the heap.
func (w *world) at(at time.Duration, e event) {
	w.seq++
	e.at, e.seq = at, w.seq
	w.heap.push(e)
}

// live runs the world to its end: until all has settled, or time is up.
func (w *world) live() {
	end := w.sc.Duration + w.sc.Core + w.sc.Settle
	second, inSecond := time.Duration(-1), 0
	for w.heap.len() > 0 && !w.settled {
		e := w.heap.pop()
		if e.at > end {
			w.now = end
			return
		}
		if s := e.at / time.Second; s != second {
			second, inSecond = s, 0
		}
		inSecond++
		if inSecond > eventsPerSec {
			panic(fmt.Sprintf("sim: more than %d events in the second from %s on, the last one a %s at n%d: something feeds itself",
				eventsPerSec, second*time.Second, e.kind, e.node))
		}
		w.now = e.at
		w.stats.events++
		w.trace.word(uint64(e.at))
		w.trace.word(uint64(e.kind)<<48 | uint64(e.node)<<40 | uint64(uint32(e.slot)))
		w.happen(e)
		w.gather()
	}
}

func (w *world) happen(e event) {
	if w.tracer != nil && e.kind != eventVerify && e.kind != eventWatch {
		w.tracer(fmt.Sprintf("%s %s node=%d slot=%d run=%d hash=%s", w.now, e.kind, e.node, e.slot, e.run, w.trace))
	}
	switch e.kind {
	case eventTick, eventPacket, eventSynced, eventRequest:
		w.input(e)
	case eventThink:
		w.think(e.slot)
	case eventAnswer:
		w.answered(e)
	case eventGiveUp:
		w.giveUp(e)
	case eventBoot:
		if r := &w.replicas[e.node]; r.run == 0 { // else a fault of the first moments came before.
			w.start(r)
		}
	case eventFault:
		w.fault(w.sc.Plan.Events[e.slot].Fault)
	case eventWatch:
		w.watch()
		w.at(w.now+watchEvery, event{kind: eventWatch})
	case eventOperator:
		w.operate()
		w.at(w.now+w.sc.Voters.Operator, event{kind: eventOperator})
	case eventWalk:
		w.walkOn()
	case eventCrash:
		if r := &w.replicas[e.node]; r.doomed > 0 && e.run == r.run {
			w.crashBusy(r)
		}
	case eventRecovery:
		if w.sc.Core == 0 || !w.beginCore() {
			w.beginLiveness()
		}
	case eventVerify:
		if w.core != nil {
			w.verifyCore()
			return
		}
		if w.unsettled() == "" {
			w.settled = true
			return
		}
		w.at(w.now+verifyEvery, event{kind: eventVerify})
	}
}

func (w *world) fault(f chaos.Fault) {
	w.stats.faults++
	if err := w.Apply(f); err != nil {
		panic("sim: " + err.Error()) // the plan was validated, and the world supports everything.
	}
}

// beginLiveness ends all faults. Clients finish what they have begun; a probe for each replica proves that it serves.
func (w *world) beginLiveness() {
	w.recovering, w.recovered = true, w.now
	if err := w.Apply(chaos.Fault{Kind: chaos.Recover}); err != nil {
		panic("sim: " + err.Error())
	}
	for n := 1; n <= w.nodes; n++ {
		w.addProbe(n, w.sc.Clients+n)
	}
	w.at(w.now+verifyEvery, event{kind: eventVerify})
}

func (w *world) addProbe(n, number int) {
	w.clients = append(w.clients, client{
		number: number, probe: true, write: noWrite,
		op: scenarios.Op{Kind: scenarios.OpPut, Path: probeDir + w.names[n], Node: n},
	})
	w.plan(int32(len(w.clients) - 1))
}

// unsettled says what is still missing at the end of the liveness phase; nothing when all has been reached.
func (w *world) unsettled() string {
	for i := range w.clients {
		c := &w.clients[i]
		switch {
		case c.scripted && !c.done:
			return fmt.Sprintf("client %d still has to %s %q at n%d", c.number, c.op.Kind, c.op.Path, c.op.Node)
		case c.probe && !c.done:
			return fmt.Sprintf("n%d has not served a write since the faults ended", c.op.Node)
		case c.busy:
			return fmt.Sprintf("client %d waits for a %s of %q at n%d", c.number, c.op.Kind, c.op.Path, c.op.Node)
		}
	}
	for n := 1; n <= w.nodes; n++ {
		switch r := &w.replicas[n]; {
		case r.node == nil:
			return fmt.Sprintf("n%d is down", n)
		case len(r.disk.waiting) > 0:
			return fmt.Sprintf("n%d has not stored everything", n)
		}
	}
	if v := checkMembership(w.members()); len(v) > 0 {
		return v[0].String()
	}
	first := w.digest(1)
	for n := 2; n <= w.nodes; n++ {
		if w.digest(n) != first {
			return fmt.Sprintf("n1 and n%d hold different records", n)
		}
	}
	if detail := w.digestsDiffer(); detail != "" {
		return detail
	}
	if left := w.expiringLeft(); left != "" {
		return left
	}
	if w.sc.Expects(scenarios.TombstonesEnd) {
		return w.tombstonesLeft()
	}
	return ""
}

// digestsDiffer compares what members say of all that they hold, their hash trees, once they hold the same.
func (w *world) digestsDiffer() string {
	for n := 1; n <= w.nodes; n++ {
		if len(w.replicas[n].rotten) > 0 {
			return "" // what has rotted for good is not in the tree of its member.
		}
	}
	first := w.replicas[1].node.Status().Digest
	for n := 2; n <= w.nodes; n++ {
		if d := w.replicas[n].node.Status().Digest; d != first {
			return fmt.Sprintf("n1 and n%d hold the same, and show the digests %016x and %016x", n, first, d)
		}
	}
	return ""
}

// digest stands for the records on a replica's disk that it should have in common with the others.
func (w *world) digest(n int) uint64 {
	r := &w.replicas[n]
	if now := r.disk.store.Changes() + 1; r.digestAt != now || len(r.rotten) > 0 {
		r.digestAt = now
		r.digest = r.disk.store.DigestOf(recordPrefix, func(key string, value []byte) []byte {
			if path := key[len(recordPrefix):]; r.rotten[path] && w.nothingToRepair(r, path) {
				return nil
			}
			return node.Common(key[len(recordPrefix):], value)
		})
	}
	return r.digest
}

// watch looks at what must never grow beyond its bound, and at what must become known in time.
func (w *world) watch() {
	w.clocks.look(w)
	if w.sc.Expects(scenarios.FailuresDetected) && !w.recovering {
		w.checkDetection()
	}
	for n := 1; n <= w.nodes; n++ {
		r := &w.replicas[n]
		if r.node == nil {
			continue
		}
		s := r.node.Status()
		if w.ableTo(r) {
			w.violate(w.overdue.look(n, watchEvery)...)
		}
		if !r.paused {
			w.delivery.idle(r, &s)
		}
		w.violate(checkBounds(n, &s, backlog{gate: r.gate.Waiting(), disk: len(r.disk.waiting), inbox: len(r.inbox)}, w.tuning())...)
	}
}

// violate keeps violations, but not thousands of one kind.
func (w *world) violate(list ...Violation) {
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
			w.mark(v.Node, MarkBroken, v.String())
		}
		if w.tracer != nil {
			w.tracer(fmt.Sprintf("%s VIOLATION %s", w.now, v))
		}
	}
}

// gather takes over what checkers of single moments have found, in the event in which they did: a violation carries its time.
func (w *world) gather() {
	for _, found := range [...]*[]Violation{&w.persistFirst.violations, &w.conflict.violations, &w.delivery.violations, &w.hlc.violations} {
		if len(*found) == 0 {
			continue
		}
		if found != &w.hlc.violations || w.sc.Expects(scenarios.HLCMonotone) {
			w.violate(*found...)
		}
		*found = nil
	}
}

// members is what every replica thinks of the others.
func (w *world) members() []NodeEvidence {
	out := make([]NodeEvidence, 0, w.nodes)
	for n := 1; n <= w.nodes; n++ {
		r := &w.replicas[n]
		e := NodeEvidence{Number: n, ID: r.id, Up: r.node != nil, Electorate: r.electorate}
		if e.Up {
			s := r.node.Status()
			e.Members, e.Status = s.Members, s
		}
		out = append(out, e)
	}
	return out
}

// evidence collects what the run leaves behind.
func (w *world) evidence() *Evidence {
	e := &Evidence{Scenario: w.sc, Nodes: w.members(), ledger: &w.ledger, collected: w.ends.highest, Settled: w.settled}
	if !w.settled {
		all := make([]int, w.nodes)
		for i := range all {
			all[i] = i + 1
		}
		e.Unsettled = w.unsettled() + "\n  " + w.holdup(all)
	}
	for i := range e.Nodes {
		ne := &e.Nodes[i]
		w.violate(w.checkIndex(&w.replicas[ne.Number])...)
		ne.ended, ne.noted = w.ends.ended[ne.Number], w.noted(ne.Number)
		ne.promises = w.promisesLeft(ne.Number)
		err := w.replicas[ne.Number].disk.store.Scan(recordPrefix, "", func(key string, value []byte) bool {
			path, _ := cutRecordPrefix(key)
			slot, err := node.DecodeSlot(path, value) // a memstore.Store never writes to a value again.
			if err != nil {
				if r := &w.replicas[ne.Number]; !r.rotten[path] || !w.nothingToRepair(r, path) {
					w.violate(Violation{Promise: promiseStarts, Node: ne.Number, Path: path, Detail: err.Error()})
				}
				return true
			}
			if !slot.Exists() {
				return true // promised, and no more.
			}
			ne.Records = append(ne.Records, PathRecord{path, e.Nodes[i].Electorate.Visible(&slot), slot})
			return true
		})
		if err != nil {
			panic("sim: the memory store cannot be scanned: " + err.Error())
		}
	}
	return e
}
