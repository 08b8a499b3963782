package sim

import (
	"fmt"
	"time"

	"kvs/node"
)

// replica is one machine with one node on it.
type replica struct {
	number     int
	node       *node.Node // nil: the process is down.
	id         node.ID    // of the latest run; zero after a wipe.
	identified bool       // that identity is on its disk.
	run        uint32     // counts starts: what was meant for an earlier run must not reach a later one.
	gate       node.Gate
	view       *node.View
	// electorate is the last one in the node's effects.
	electorate *node.Electorate
	voters     []voter // the same, by the world's own knowledge of them.
	clock      clock
	disk       disk

	digest   uint64 // what digest last found,
	digestAt uint64 // and after how many changes of the store, plus one.

	guarded bool // the node has been told that its disk is nearly full.

	wakeAt time.Duration // when the node wants to be woken.
	tickAt time.Duration // when the next tick event comes; zero: there is none.
	spins  int           // ticks in a row after which the node wanted to be woken at once.

	rotten map[string]bool // by path: records on its disk that fail their checksums.
	config *node.Config    // of the latest run, once that is over.
	doomed int             // how often a crash that is to come has looked for persists in flight, plus one; zero: none is to come.

	paused bool
	inbox  []event // what waits for the end of a pause.

	pulled uint64       // keys that its bootstrap has pulled, as its disk says; zero when none is under way.
	before []heldBefore // what all others held when it began.

	presence presence
	booted   bool // something of the present run is durable: its start comes first.

	shown map[string]node.Version // by path: the highest version this disk has shown to a client.

	// Inputs that are used again, because the node keeps none of them.
	datagram  node.Datagram
	frame     node.Frame
	persisted node.Persisted
}

const (
	inboxMax    = 4096 // events that wait for a paused process; beyond it messages are lost, as in a full socket buffer.
	tickGapMin  = 100 * time.Microsecond
	spinsMax    = 1000
	monoBaseMax = 1000 * time.Hour
)

func (r *replica) time(now time.Duration) node.Time {
	return node.Time{Wall: r.clock.wall(now), Mono: r.clock.mono(now)}
}

// start begins a run of the replica's process on what is on its disk.
func (w *world) start(r *replica) {
	r.run++
	r.gate = node.Gate{}
	r.disk.store.Reopen()
	w.violate(w.checkIndex(r)...)
	r.wakeAt, r.tickAt, r.spins, r.guarded = 0, 0, 0, false
	r.clock.bootMono(w.now, time.Duration(w.rng.Int64N(int64(monoBaseMax))))
	opts := node.Options{
		Name: nodeName(r.number), Addr: address(r.number), Cluster: "sim", Store: reader{&r.disk},
		Rand: w.derive(streamNode + uint64(r.number)<<32 + uint64(r.run)), Seeds: w.seeds(r.number), LogLevel: w.logLevel,
		ExpectedMembers: w.firstVoters(), Founder: w.founders,
		Tuning: w.tuning(),
	}
	if w.sc.Voters.Strong {
		opts.StrongPrefixes = []string{"/"}
	}
	w.eff.Reset()
	r.disk.starting = true // a node that cannot read its own facts does not start, and says so: it is nobody's loss.
	n, err := node.New(r.time(w.now), opts, &w.eff)
	r.disk.starting = false
	if err != nil {
		w.violate(Violation{Promise: promiseStarts, Node: r.number, Detail: "the node does not start: " + err.Error()})
		r.node = nil
		return
	}
	if r.id != 0 && r.id != n.ID() && r.identified { // one that never reached the disk was never told to anybody.
		w.violate(Violation{Promise: promiseStarts, Node: r.number,
			Detail: fmt.Sprintf("its identity was %s and is %s after a restart on the same disk", r.id, n.ID())})
	}
	r.node, r.id = n, n.ID()
	w.mark(r.number, MarkStart, "the process starts")
	w.joins.started(w, r)
	w.overdue.started(r.number)
	r.presence, r.booted = presence{since: w.now}, false
	w.hlc.restarted(r.id)
	for _, m := range n.Status().Members {
		if m.ID == r.id {
			w.born[r.id] = m.Born
		}
	}
	w.carryOut(r)
	w.guard(r)
}

// tuning is that of production, but for what the scenario says.
func (w *world) tuning() node.Tuning {
	t := node.DefaultTuning()
	t.SyncInterval = w.sc.Tuning.Sync
	t.HintTTL, t.BootstrapRate = w.sc.Tuning.Hints, w.sc.Tuning.Rate
	t.TombstoneGrace = w.sc.Tuning.Grace
	t.MaxClockOffset = w.sc.Tuning.Clock
	t.SyncPatience = max(t.SyncPatience, t.SyncInterval/10) // a scenario in which comparisons are rare means all of them.
	t.SyncIntervalMax = max(t.SyncIntervalMax, t.SyncInterval)
	return t
}

// crash ends the process at once. What was on its way to the disk is cut anywhere, what waited for the disk is never said,
// and clients that wait for an answer learn nothing.
func (w *world) crash(r *replica) {
	r.config = r.knownConfig()
	r.node, r.doomed = nil, 0
	w.mark(r.number, MarkCrash, "the process ends")
	r.presence = presence{since: w.now}
	r.run++
	r.disk.crash(w.rng, func(p node.Persist) { w.durable(r, p) })
	r.gate = node.Gate{}
	for _, e := range r.inbox {
		w.dropInput(e)
	}
	clear(r.inbox)
	r.inbox, r.paused = r.inbox[:0], false
	for other := 1; other <= w.nodes; other++ {
		if other != r.number && w.rng.IntN(2) == 0 {
			w.net.breakConnection(r.number, other) // otherwise what it had sent still arrives.
		}
		if other != r.number && w.rng.IntN(2) == 0 {
			w.net.breakConnection(other, r.number)
		}
	}
	w.hangUp(r)
}

// wipeSpared is a wipe of the plan: see mayWipe.
func (w *world) wipeSpared(r *replica) {
	if !w.mayWipe(r) {
		w.damages.spared++
		w.mark(r.number, MarkLog, "the disk is spared: the voters cannot do without it")
		return
	}
	w.wipe(r)
}

// wipe loses the disk of a replica that is down.
func (w *world) wipe(r *replica) {
	w.forgetDisk(r)
	r.disk.store.Wipe()
	r.id, r.identified, r.config = 0, false, nil
	clear(r.rotten)
	r.pulled, r.before = 0, nil
	clear(r.shown)
	w.ends.wiped(r.number)
	w.overdue.wiped(r.number)
}

// swapDisks gives two replicas that are down each other's data folders. An identity lives there, and all that goes with it.
func (w *world) swapDisks(a, b *replica) {
	a.disk.store, b.disk.store = b.disk.store, a.disk.store
	a.id, b.id = b.id, a.id
	a.identified, b.identified = b.identified, a.identified
	a.digest, b.digest = b.digest, a.digest
	a.digestAt, b.digestAt = b.digestAt, a.digestAt
	a.pulled, b.pulled = b.pulled, a.pulled
	a.before, b.before = b.before, a.before
	a.shown, b.shown = b.shown, a.shown
	a.rotten, b.rotten = b.rotten, a.rotten
	a.config, b.config = b.config, a.config
	w.ends.swapped(a.number, b.number)
	w.overdue.swapped(a.number, b.number)
	switch w.departing.number {
	case a.number:
		w.departing.number = b.number
	case b.number:
		w.departing.number = a.number
	}
}

// pause stops the process without telling it; its disk and its peers go on.
func (w *world) pause(r *replica) {
	r.paused = true
	w.mark(r.number, MarkPause, "the process stands still")
}

func (w *world) resume(r *replica) {
	r.paused = false
	w.mark(r.number, MarkResume, "the process goes on")
	for _, e := range r.inbox {
		w.at(w.now, e)
	}
	clear(r.inbox)
	r.inbox = r.inbox[:0]
	w.wake(r, w.now)
	w.guard(r)
}

// guard is the host's watch over free space: it tells the node when the disk becomes nearly full, and when it has room again.
func (w *world) guard(r *replica) {
	if r.node == nil || r.paused || r.guarded == r.disk.nearlyFull {
		return
	}
	r.guarded = r.disk.nearlyFull
	w.step(r, &node.SetReadOnly{Reason: node.ReasonDisk, On: r.guarded})
}

// input delivers an event to a replica, now or when its pause ends.
func (w *world) input(e event) {
	r := &w.replicas[e.node]
	if e.kind == eventPacket && w.clog(e) {
		return
	}
	if r.paused && e.kind != eventTick {
		if len(r.inbox) < inboxMax || e.kind == eventSynced {
			r.inbox = append(r.inbox, e)
		} else {
			w.dropInput(e)
		}
		return
	}
	switch e.kind {
	case eventTick:
		w.tick(r, e)
	case eventPacket:
		w.packet(r, e)
	case eventSynced:
		w.synced(r, e)
	case eventRequest:
		w.request(r, e)
	}
}

// dropInput loses what waited for a process that is gone or overrun.
func (w *world) dropInput(e event) {
	switch e.kind {
	case eventPacket:
		p := w.net.packets.take(e.slot)
		w.recordEnd(&p, false)
		w.net.end(&p, fateNobody, w.now)
		w.lose(int(p.from), int(p.to), p.transport)
	case eventRequest:
		w.calls.take(e.slot)
	}
}

// wake makes sure that a tick comes at the time given, or before.
func (w *world) wake(r *replica, at time.Duration) {
	r.wakeAt = at
	at = max(at, w.now+tickGapMin)
	if r.tickAt == 0 || at < r.tickAt {
		r.tickAt = at
		w.at(at, event{kind: eventTick, node: uint8(r.number), run: r.run})
	}
}

func (w *world) tick(r *replica, e event) {
	if e.run != r.run || e.at != r.tickAt || r.node == nil {
		return // of a former run, or overtaken by an earlier one.
	}
	r.tickAt = 0
	switch {
	case r.paused: // resume makes a new one.
	case r.wakeAt > w.now:
		w.wake(r, r.wakeAt) // the node changed its mind since.
	default:
		w.step(r, node.Tick{})
		w.checkSpin(r)
	}
}

// checkSpin finds a node that would keep a real processor busy with waking up.
func (w *world) checkSpin(r *replica) {
	if r.wakeAt > w.now {
		r.spins = 0
		return
	}
	r.spins++
	if r.spins == spinsMax {
		w.violate(Violation{Promise: promiseBounded, Node: r.number,
			Detail: fmt.Sprintf("after %d ticks in a row it wants to be woken at once", spinsMax)})
	}
}

func (w *world) packet(r *replica, e event) {
	p, ok := w.arrives(e.slot)
	w.recordEnd(&p, ok && r.node != nil)
	if !ok || r.node == nil {
		return
	}
	w.coverArrival(r, &p)
	if p.transport == node.TransportDatagram {
		r.datagram = node.Datagram{From: address(int(p.from)), Data: append(w.net.scratch[:0], p.data...)}
		w.step(r, &r.datagram)
		return
	}
	r.frame = node.Frame{Data: w.frames.keep(p.data)} // it passes into the node's ownership, and the sender keeps its own.
	w.step(r, &r.frame)
	r.frame.Data = nil
}

func (w *world) synced(r *replica, e event) {
	if e.run != r.run || r.node == nil {
		return
	}
	upTo, err := r.disk.end(w.rng, func(p node.Persist) { w.durable(r, p) })
	w.eff.Reset()
	r.gate.Durable(upTo, &w.eff)
	if err != nil {
		r.gate.Fail(err.Error(), &w.eff)
	}
	r.persisted = node.Persisted{UpTo: upTo, Err: err}
	r.node.Step(r.time(w.now), &r.persisted, &w.eff)
	w.carryOut(r)
}

// durable is called for every persist in the moment in which it can no longer be lost.
func (w *world) durable(r *replica, p node.Persist) {
	w.trace.word(uint64(p.ID))
	r.booted = true
	w.recordPersist(r, &p)
	for i := range p.Ops {
		op := &p.Ops[i]
		r.identified = r.identified || op.Key == identityKey
		path, isRecord := cutRecordPrefix(op.Key)
		if op.Key == node.BootstrapKey {
			w.joins.stored(w, r, op.Value)
		}
		if !isRecord {
			continue
		}
		rotten := r.rotten[path]
		delete(r.rotten, path)
		if op.Value == nil {
			w.violate(w.ends.erased(r, w.replicas, path)...)
			w.overdue.forget(r.number, path)
			continue
		}
		slot, err := node.DecodeSlot(path, op.Value)
		if err != nil {
			w.violate(Violation{Promise: promiseStarts, Node: r.number, Path: path, Detail: "it stores a record that cannot be read: " + err.Error()})
			continue
		}
		w.ended(r, path, &slot)
		w.descends(path, &slot)
		if !rotten {
			w.hidesWrite(r, path, &slot)
		}
		shown := r.electorate.Visible(&slot)
		w.overdue.stored(r.number, path, &slot, &shown)
		if len(slot.Candidates) == 1 && slot.Candidates[0].Origin == r.id && !isEnding(&slot, 0) {
			c := &slot.Candidates[0]
			w.hlc.stored(r.number, r.id, path, node.Version{TS: slot.TS, UUID: c.UUID})
		}
		w.hlc.holds(r.id, slot.Top())
		w.delivery.stored(r.id, path, &slot)
		w.ends.stored(r.number, path, &slot)
		w.conflict.stored(r.number, r.id, path, &slot, w.votersOf(r, &slot))
		w.persistFirst.stored(r.number, r.id, path, &slot)
	}
}

// votersOf are the voters as known to a replica that stores a conflict; none when its process is down.
func (w *world) votersOf(r *replica, s *node.Slot) []voter {
	if !s.Conflict() || r.node == nil {
		return nil
	}
	return r.voters
}

// recordPrefix is that of replicated records in a node's store; everything else is a node's own.
const recordPrefix = "r/"

const identityKey = "m/identity"

func cutRecordPrefix(key string) (path string, ok bool) {
	if len(key) > len(recordPrefix) && key[:len(recordPrefix)] == recordPrefix {
		return key[len(recordPrefix):], true
	}
	return "", false
}

// step hands the node an input and carries out what it wants done.
func (w *world) step(r *replica, in node.Input) {
	w.eff.Reset()
	off, before := r.node.ClockOff(), r.node.Clock()
	r.node.Step(r.time(w.now), in, &w.eff)
	if off {
		w.checkWrongClock(r, in, before)
	}
	w.carryOut(r)
}

// carryOut is what a host does: queue the persist, hold back what waits for it, let the rest go.
func (w *world) carryOut(r *replica) {
	eff := &w.eff
	w.traceEffects(eff)
	before := r.voters
	for i := range eff.Persist.Ops {
		if path, isRecord := cutRecordPrefix(eff.Persist.Ops[i].Key); isRecord && eff.Persist.Ops[i].Value == nil && r.electorate != nil {
			w.ends.decided(r.number, path, r.electorate.Members()) // of those who decided when the step began.
		}
	}
	if eff.Electorate != nil {
		r.electorate, r.view = eff.Electorate, node.NewView(reader{&r.disk}, eff.Electorate)
		r.voters = w.votersOfNow(r)
		w.checkElectorate(r)
		if eff.Persist.ID == 0 {
			w.conflict.bad(r.number, "", "those who decide have changed, and nothing is stored that a restart could know them from")
		}
	}
	for i := range eff.Decisions {
		w.recordDecision(r, &eff.Decisions[i])
		w.conflict.decided(r.number, &eff.Decisions[i], before, r.voters)
	}
	if eff.Persist.ID != 0 {
		r.disk.queue(eff.Persist)
		w.walkStep(r)
	}
	if takes, begun := r.disk.begin(w.rng); begun {
		w.at(w.now+takes, event{kind: eventSynced, node: uint8(r.number), run: r.run})
	}
	r.gate.Pass(eff)
	if len(eff.Sends) > 0 && !r.booted {
		w.violate(Violation{Promise: promisePersist, Node: r.number, Detail: "speaks before its start is on its disk: it could speak as the same run once more"})
	}
	for i := range eff.Sends {
		w.checkEpoch(r, eff.Sends[i].Data)
		w.send(r.number, &eff.Sends[i])
	}
	for i := range eff.Replies {
		w.reply(r, &eff.Replies[i].Response)
	}
	if eff.Wake != 0 {
		w.wake(r, r.clock.whenMono(eff.Wake))
	}
	if w.tracer != nil || w.recording != nil {
		w.traceLogs(r, eff.Logs)
	}
}

// traceEffects takes every byte of the effects into the hash. Log lines are left out: whether they are made depends on the
// level.
func (w *world) traceEffects(eff *node.Effects) {
	t := &w.trace
	t.word(uint64(eff.Persist.ID))
	for i := range eff.Persist.Ops {
		t.text(eff.Persist.Ops[i].Key)
		t.bytes(eff.Persist.Ops[i].Value)
	}
	for i := range eff.Sends {
		s := &eff.Sends[i]
		t.word(uint64(s.After)<<1 | uint64(s.Transport))
		t.text(s.To)
		t.bytes(s.Data)
	}
	for i := range eff.Replies {
		r := &eff.Replies[i]
		t.word(uint64(r.After))
		t.word(r.ID)
		t.word(uint64(r.Code)<<16 | uint64(r.Outcome)<<8 | uint64(r.Level))
		t.word(uint64(r.Record.TS))
		t.bytes(r.Record.UUID[:])
		t.bytes(r.Record.Value)
	}
	t.word(uint64(eff.Wake))
}

func (w *world) traceLogs(r *replica, logs []node.Log) {
	for i := range logs {
		l := &logs[i]
		line := l.Msg
		for a := 0; a+1 < len(l.Attrs); a += 2 {
			line += fmt.Sprintf(" %v=%v", l.Attrs[a], l.Attrs[a+1])
		}
		if w.tracer != nil {
			w.tracer(fmt.Sprintf("%s n%d log %s", w.now, r.number, line))
		}
		if l.Level >= node.LogInfo {
			w.mark(r.number, MarkLog, line)
		}
	}
}
