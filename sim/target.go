package sim

import (
	"fmt"

	"kvs/chaos"
)

// The world is the nemesis's target. A fault is in force when Apply returns.
var _ chaos.Target = (*World)(nil)

// Supports implements chaos.Target: the virtual world supports every fault, except rot in a system that is no Rotter.
func (w *World) Supports(k chaos.Kind) bool {
	return (k != chaos.Rot || w.hooks.rotter != nil) && (k != chaos.Forge || w.hooks.forger != nil)
}

// Apply implements chaos.Target.
func (w *World) Apply(f chaos.Fault) error {
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s fault %s", w.now, f))
	}
	if w.bus.heard(EventFault) {
		e := w.bus.event(EventFault, nil)
		e.Fault = f
		w.bus.tell(e)
	}
	if w.recording != nil {
		w.recording.Faults = append(w.recording.Faults, chaos.Event{At: w.now, Fault: f})
	}
	switch {
	case f.Kind == chaos.Recover:
		w.recover()
		return nil
	case w.net.links.Apply(f):
		w.netSince = w.now
		if f.Kind == chaos.Reset {
			w.net.links.Each(f, w.net.breakConnection)
		}
		w.unclog()
		return nil
	}
	nodes := f.Nodes
	if f.Kind == chaos.SwapDisks {
		w.meetDoom(&w.replicas[nodes[0]])
		w.meetDoom(&w.replicas[nodes[1]])
		w.swapDisks(&w.replicas[nodes[0]], &w.replicas[nodes[1]])
		return nil
	}
	if len(nodes) == 0 { // heal-clocks and heal-disks without nodes mean all.
		nodes = all(w.nodes)
	}
	for _, n := range nodes {
		if err := w.applyTo(&w.replicas[n], f); err != nil {
			return fmt.Errorf("`%s`: n%d: %w", f, n, err)
		}
	}
	return nil
}

func (w *World) applyTo(r *Replica, f chaos.Fault) error {
	c, d := &r.clock, &r.disk
	if f.Kind.Class() == chaos.Process {
		w.meetDoom(r)
	}
	switch f.Kind {
	case chaos.Skew:
		c.Skew(w.now, f.Amount)
	case chaos.Jump:
		c.Jump(w.now, f.Amount)
	case chaos.Drift:
		c.Drift(w.now, f.PPM)
	case chaos.FreezeClock:
		c.Freeze(w.now)
	case chaos.ThawClock:
		c.Thaw(w.now)
	case chaos.HealClocks:
		c.Heal(w.now)
	case chaos.Crash:
		if r.machine != nil { // otherwise a pending crash has just happened.
			w.crashFor(r)
		}
	case chaos.Restart:
		w.start(r)
	case chaos.Pause:
		w.pause(r)
	case chaos.Resume:
		w.resume(r)
	case chaos.Wipe:
		w.wipeSpared(r, false)
	case chaos.LoseTail:
		w.wipeSpared(r, true)
	case chaos.CopyDisk:
		d.Copy = d.Store.Clone()
	case chaos.PutBack:
		w.putBack(r)
	case chaos.DiskSlow:
		d.Slow = f.Amount
	case chaos.DiskError:
		d.ErrorPPM = f.PPM
	case chaos.DiskReadError:
		d.ReadErrorPPM = f.PPM
	case chaos.DiskFull:
		d.Fill(w.rng)
		w.guard(r)
	case chaos.Rot:
		w.rot(r)
	case chaos.HealDisks:
		d.Heal()
		w.guard(r)
	default:
		return fmt.Errorf("the simulator does not know the fault %s", f.Kind)
	}
	return nil
}

// recover ends every fault.
func (w *World) recover() {
	w.net.links.Apply(chaos.Fault{Kind: chaos.Recover})
	w.unclog()
	for n := 1; n <= w.nodes; n++ {
		w.repair(&w.replicas[n])
	}
}

// repair ends the faults of a replica itself: all except those of the network.
func (w *World) repair(r *Replica) {
	w.meetDoom(r)
	r.clock.Heal(w.now)
	r.disk.Heal()
	if r.paused {
		w.resume(r)
	}
	if r.disk.Broken { // the machine has failed, and only a restart helps.
		w.crash(r)
	}
	if r.machine == nil {
		w.start(r)
	}
	w.guard(r)
}

// rot damages one stored value among those that the Rotter returns.
func (w *World) rot(r *Replica) {
	if w.hooks.rotter == nil {
		return
	}
	keys := w.hooks.rotter.MayRot(r)
	if len(keys) == 0 {
		return
	}
	key := keys[w.rng.IntN(len(keys))]
	e := w.bus.event(EventRotten, r)
	e.Key = key
	w.bus.tell(e)
	r.disk.Store.FlipBitIn(w.rng, key)
}
