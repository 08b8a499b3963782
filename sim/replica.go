package sim

import (
	"fmt"
	"time"

	"kvs/chaos"
	"kvs/machine"
	"kvs/sim/clock"
	"kvs/sim/disk"
	"kvs/sim/memstore"
)

// Replica is one computer: a process, its clock and its disk.
type Replica struct {
	Number int // from 1.

	world   *World
	machine Machine // nil: the process is down.
	run     uint32  // counts starts: events of an earlier run must not reach a later one.
	gate    machine.Gate[Reply]
	clock   clock.Clock
	disk    disk.Disk

	guarded bool // the machine has been told that its disk is nearly full.

	wakeAt time.Duration // the wake-up time that the machine has asked for.
	tickAt time.Duration // when the next tick comes; zero: there is none.
	spins  int           // ticks in a row after which the machine wanted to be woken at once.

	doomed int // how often a pending crash has looked for persists in flight, plus one; zero: no crash is pending.

	paused bool
	inbox  []entry // inputs that wait for the end of a pause.
}

const (
	// entries that wait for a paused process; beyond it messages are lost, as in a full socket buffer.
	inboxMax    = 4096
	tickGapMin  = 100 * time.Microsecond
	spinsMax    = 1000
	monoBaseMax = 1000 * time.Hour
)

// InboxMax is how many inputs may wait for the end of a pause; beyond it messages are lost, as in a full socket buffer.
const InboxMax = inboxMax

func (w *World) makeReplica(n int) {
	r := &w.replicas[n]
	*r = Replica{Number: n, world: w, disk: disk.New(w.sc.Disk.Sync, w.sc.Disk.SyncMax)}
	r.disk.ReadRNG = w.derive(streamReads + uint64(n))
	r.clock.NaturalOffset = chaos.DrawDuration(w.rng, w.sc.Clocks.Skew, w.sc.Clocks.SkewMax)
	if w.rng.IntN(2) == 0 {
		r.clock.NaturalOffset = -r.clock.NaturalOffset
	}
	r.clock.NaturalPPM = w.sc.Clocks.Drift + w.rng.Int64N(w.sc.Clocks.DriftMax-w.sc.Clocks.Drift+1)
	if w.rng.IntN(2) == 0 {
		r.clock.NaturalPPM = -r.clock.NaturalPPM
	}
	r.clock.MonoPPM = w.rng.Int64N(2*clock.MonoPPMMax+1) - clock.MonoPPMMax
}

// Name is "n1" and so on.
func (r *Replica) Name() string { return r.world.names[r.Number] }

// Address is that which messages to it are sent to.
func (r *Replica) Address() string { return Address(r.Number) }

// Machine is the running process; nil: it is down.
func (r *Replica) Machine() Machine { return r.machine }

// Up reports whether the process runs; it may be paused.
func (r *Replica) Up() bool { return r.machine != nil }

// Paused reports whether the process is paused.
func (r *Replica) Paused() bool { return r.paused }

// Run counts the starts of the process, from 1. It also counts crashes.
func (r *Replica) Run() uint32 { return r.run }

// Time is what its clocks show now.
func (r *Replica) Time() Time {
	return Time{Wall: r.clock.Wall(r.world.now), Mono: r.clock.Mono(r.world.now)}
}

// Shows is what its wall clock shows now, as a virtual time: what World.Now would be if the clock were right.
func (r *Replica) Shows() time.Duration { return r.clock.Shows(r.world.now) }

// Reader is the disk as its machine reads it: some reads fail.
func (r *Replica) Reader() Reader { return r.disk.Reader() }

// Store is the durable content of its disk, for checkers, which only read it. It stays valid until the disks of two
// replicas are exchanged.
func (r *Replica) Store() *memstore.Store { return r.disk.Store }

// LostTail reports whether the store on its disk replaced one that lost its tail.
func (r *Replica) LostTail() bool { return r.disk.Lost }

// Queued are the persists that are not durable yet, in their order. They are only lent.
func (r *Replica) Queued() []Persist { return r.disk.Waiting }

// Backlog counts what waits: effects for the disk, and inputs for the end of a pause.
func (r *Replica) Backlog() (effects, inputs int) { return r.gate.Waiting(), len(r.inbox) }

// Guarded reports whether its machine has been told that its disk is nearly full.
func (r *Replica) Guarded() bool { return r.guarded }

// DiskState returns the present faults of its disk.
func (r *Replica) DiskState() DiskState {
	return DiskState{Broken: r.disk.Broken, Slow: r.disk.Slow, ReadErrors: r.disk.ReadErrorPPM > 0}
}

// DiskState is what is wrong with a disk.
type DiskState struct {
	Broken     bool // it takes no more persists: only a restart repairs it.
	Slow       time.Duration
	ReadErrors bool // a share of the reads fails.
}

// unsettled describes what it still has to do; empty: nothing.
func (r *Replica) unsettled() string {
	switch {
	case r.machine == nil:
		return fmt.Sprintf("n%d is down", r.Number)
	case !r.disk.Settled(r.world.now):
		return fmt.Sprintf("n%d has not stored everything", r.Number)
	}
	return ""
}

// start begins a run of the replica's process on what is on its disk.
func (w *World) start(r *Replica) {
	r.run++
	r.gate = machine.Gate[Reply]{}
	r.disk.Store.Reopen()
	w.bus.tell(w.bus.event(EventStarting, r))
	r.wakeAt, r.tickAt, r.spins, r.guarded = 0, 0, 0, false
	if w.stage == nil {
		r.clock.BootMono(w.now, time.Duration(w.rng.Int64N(int64(monoBaseMax))))
	}
	w.eff.Reset()
	// a machine that cannot read its own records returns an error instead of starting: no promise covers this.
	r.disk.Starting = true
	m, err := w.cluster.Start(r, r.Time(), &w.eff)
	r.disk.Starting = false
	if err != nil {
		w.Violate(Violation{Promise: PromiseWorks, Node: r.Number, Detail: "the node does not start: " + err.Error()})
		r.machine = nil
		return
	}
	r.machine = m
	w.Mark(r.Number, MarkStart, "the process starts")
	e := w.bus.event(EventStarted, r)
	e.Effects = &w.eff
	w.bus.tell(e)
	w.carryOut(r, nil)
	w.guard(r)
}

// crash ends the process at once. A suffix of the pending persists is lost, effects that waited for them are never
// carried out, and clients that wait for an answer get none.
func (w *World) crash(r *Replica) {
	w.bus.tell(w.bus.event(EventCrashed, r))
	r.machine, r.doomed = nil, 0
	w.Mark(r.Number, MarkCrash, "the process ends")
	r.run++
	r.disk.Crash(w.rng, func(p *Persist) { w.durable(r, p) })
	r.gate = machine.Gate[Reply]{}
	for _, e := range r.inbox {
		w.dropInput(e)
	}
	clear(r.inbox)
	r.inbox, r.paused = r.inbox[:0], false
	for other := 1; other <= w.nodes; other++ {
		if other != r.Number && w.rng.IntN(2) == 0 {
			w.net.breakConnection(r.Number, other) // otherwise messages that it had sent still arrive.
		}
		if other != r.Number && w.rng.IntN(2) == 0 {
			w.net.breakConnection(other, r.Number)
		}
	}
	w.hangUp(r)
}

// wipeSpared is a wipe of the plan: see Sparer. noticed: the disk lost its tail, and is set aside when the process
// starts.
func (w *World) wipeSpared(r *Replica, noticed bool) {
	if w.hooks.sparer != nil && !w.hooks.sparer.MayWipe(r) {
		w.Mark(r.Number, MarkLog, "the disk is spared: the voters cannot do without it")
		return
	}
	r.disk.Lost = noticed
	w.wipe(r)
}

// putBack puts a replica that is down back on an older copy of its disk: see Sparer.
func (w *World) putBack(r *Replica) {
	if s := w.hooks.sparer; r.disk.Copy == nil || s != nil && (!s.MayWipe(r) || !s.MayPutBack(r, r.disk.Copy)) {
		w.Mark(r.Number, MarkLog, "the disk is spared: no older copy takes its place")
		return
	}
	r.disk.Lost = false
	w.bus.tell(w.bus.event(EventWiped, r))
	r.disk.PutBack()
	w.bus.tell(w.bus.event(EventPutBack, r))
}

// wipe loses the disk of a replica that is down.
func (w *World) wipe(r *Replica) {
	w.bus.tell(w.bus.event(EventWiped, r))
	r.disk.Store.Wipe()
}

// Renew ends a process and starts it again on an empty disk, as an operator does.
func (w *World) Renew(r *Replica) {
	w.crash(r)
	r.disk.Lost = false
	w.wipe(r)
	w.start(r)
}

// swapDisks exchanges the data folders of two replicas that are down. The identities move with them.
func (w *World) swapDisks(a, b *Replica) {
	a.disk.Store, b.disk.Store = b.disk.Store, a.disk.Store
	a.disk.Lost, b.disk.Lost = b.disk.Lost, a.disk.Lost
	e := w.bus.event(EventSwapped, a)
	e.Other = b
	w.bus.tell(e)
}

// pause stops the process without telling it; its disk and its peers go on.
func (w *World) pause(r *Replica) {
	r.paused = true
	w.Mark(r.Number, MarkPause, "the process stands still")
	w.bus.tell(w.bus.event(EventPaused, r))
}

func (w *World) resume(r *Replica) {
	r.paused = false
	w.Mark(r.Number, MarkResume, "the process goes on")
	w.bus.tell(w.bus.event(EventResumed, r))
	for _, e := range r.inbox {
		w.at(w.now, e)
	}
	clear(r.inbox)
	r.inbox = r.inbox[:0]
	w.wake(r, w.now)
	w.guard(r)
}

// guard is the host's watch of the free space: it informs the machine when the disk becomes nearly full, and when it
// has room again.
func (w *World) guard(r *Replica) {
	if r.machine == nil || r.paused || r.guarded == r.disk.NearlyFull || w.hooks.guard == nil {
		return
	}
	r.guarded = r.disk.NearlyFull
	w.Control(r, w.hooks.guard.NearlyFull(r.guarded))
}

// wake makes sure that a tick comes at the time given, or before.
func (w *World) wake(r *Replica, at time.Duration) {
	r.wakeAt = at
	at = max(at, w.now+tickGapMin)
	if r.tickAt == 0 || at < r.tickAt {
		r.tickAt = at
		w.at(at, entry{kind: entryTick, node: uint8(r.Number), run: r.run})
	}
}

func (w *World) tick(r *Replica, e entry) {
	if e.run != r.run || e.at != r.tickAt || r.machine == nil {
		return // of a former run, or replaced by an earlier one.
	}
	r.tickAt = 0
	switch {
	case r.paused: // resume makes a new one.
	case r.wakeAt > w.now:
		w.wake(r, r.wakeAt) // the machine has asked for a later time since.
	default:
		w.in = Input{Kind: InputTick}
		w.step(r)
		w.checkSpin(r)
	}
}

// checkSpin finds a machine that wakes up again and again at once, which would keep a real processor busy.
func (w *World) checkSpin(r *Replica) {
	if r.wakeAt > w.now {
		r.spins = 0
		return
	}
	r.spins++
	if r.spins == spinsMax {
		w.Violate(Violation{Promise: PromiseBounded, Node: r.Number,
			Detail: fmt.Sprintf("after %d ticks in a row it wants to be woken at once", spinsMax)})
	}
}
