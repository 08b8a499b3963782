package sim

import (
	"fmt"
	"slices"

	"kvs/chaos"
	"kvs/node"
)

// The world is the nemesis's target. Everything it does is in force when Apply returns.
var _ chaos.Target = (*world)(nil)

// Nodes implements chaos.Target.
func (w *world) Nodes() int { return w.nodes }

// Supports implements chaos.Target: the virtual world can do everything.
func (w *world) Supports(chaos.Kind) bool { return true }

// Apply implements chaos.Target.
func (w *world) Apply(f chaos.Fault) error {
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s fault %s", w.now, f))
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
		for n := 1; n <= w.nodes; n++ {
			nodes = append(nodes, n)
		}
	}
	for _, n := range nodes {
		if err := w.applyTo(&w.replicas[n], f); err != nil {
			return fmt.Errorf("`%s`: n%d: %w", f, n, err)
		}
	}
	return nil
}

func (w *world) applyTo(r *replica, f chaos.Fault) error {
	w.coverFault(r, f.Kind)
	c, d := &r.clock, &r.disk
	if f.Kind.Class() == chaos.Process {
		w.meetDoom(r)
	}
	switch f.Kind {
	case chaos.Skew:
		c.skew(w.now, f.Amount)
	case chaos.Jump:
		c.jump(w.now, f.Amount)
	case chaos.Drift:
		c.drift(w.now, f.PPM)
	case chaos.FreezeClock:
		c.freeze(w.now)
	case chaos.ThawClock:
		c.thaw(w.now)
	case chaos.HealClocks:
		c.heal(w.now)
	case chaos.Crash:
		if r.node != nil { // else a crash that was to come has come just now.
			w.crashFor(r)
		}
	case chaos.Restart:
		w.start(r)
	case chaos.Pause:
		w.pause(r)
	case chaos.Resume:
		w.resume(r)
	case chaos.Wipe:
		w.wipeSpared(r)
	case chaos.DiskSlow:
		d.slow = f.Amount
	case chaos.DiskError:
		d.errorPPM = f.PPM
	case chaos.DiskReadError:
		d.readErrorPPM = f.PPM
	case chaos.DiskFull:
		d.fill(w.rng)
		w.guard(r)
	case chaos.Rot:
		w.rot(r)
	case chaos.HealDisks:
		d.heal()
		w.guard(r)
	default:
		return fmt.Errorf("the simulator does not know the fault %s", f.Kind)
	}
	return nil
}

// recover ends every fault.
func (w *world) recover() {
	w.net.links.Apply(chaos.Fault{Kind: chaos.Recover})
	w.unclog()
	for n := 1; n <= w.nodes; n++ {
		w.repair(&w.replicas[n])
	}
}

// repair ends what ails a replica itself: everything but the network.
func (w *world) repair(r *replica) {
	w.meetDoom(r)
	r.clock.heal(w.now)
	r.disk.heal()
	if r.paused {
		w.resume(r)
	}
	if r.disk.broken { // it stopped trusting its disk, and a restart is the only cure.
		w.crash(r)
	}
	if r.node == nil {
		w.start(r)
	}
	w.guard(r)
}

// rot damages one stored record of which another member has a good copy: the loss of the only one is nobody's promise. What the
// member had voted for there it cannot know any more.
func (w *world) rot(r *replica) {
	var keys []string
	err := r.disk.store.Scan(recordPrefix, "", func(key string, _ []byte) bool {
		keys = append(keys, key)
		return true
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	keys = slices.DeleteFunc(keys, func(key string) bool {
		path, _ := cutRecordPrefix(key)
		return !w.elsewhere(r, key) || !w.mayRot(r, path)
	})
	if len(keys) == 0 {
		return
	}
	key := keys[w.rng.IntN(len(keys))]
	path, _ := cutRecordPrefix(key)
	w.damaged(r, path)
	r.disk.store.FlipBitIn(w.rng, key)
	r.rotten[path] = true
	w.conflict.forget(r.id, path)
	w.delivery.rotted(r, path)
	delete(r.shown, path)
	w.overdue.forget(r.number, path)
}

// elsewhere reports whether another replica has what r holds under key, or something newer, where it can be read.
func (w *world) elsewhere(r *replica, key string) bool {
	path, _ := cutRecordPrefix(key)
	ours, ok := readSlot(r, path)
	for n := 1; ok && n <= w.nodes; n++ {
		if theirs, readable := readSlot(&w.replicas[n], path); n != r.number && readable && theirs.Top() >= ours.Top() {
			return true
		}
	}
	return false
}

// readSlot reads what is on a replica's disk.
func readSlot(r *replica, path string) (node.Slot, bool) {
	b, found, err := r.disk.store.Get(recordPrefix + path)
	if err != nil || !found {
		return node.Slot{}, false
	}
	slot, err := node.DecodeSlot(path, b)
	return slot, err == nil
}
