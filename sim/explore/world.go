package explore

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kvs/machine"
	"kvs/sim"
	"kvs/sim/memstore"
)

const (
	clockBegin = time.Second      // what clocks show at the beginning.
	stepTime   = time.Microsecond // a machine's own clock moves by so much with each of its steps.
	// steps until the members know each other; a bound that is never reached in practice.
	meetingMax = 100_000
	closingMax = 20_000                 // the same for each operation at the end.
	patience   = 300 * time.Millisecond // by how much a machine wakes up too late.
)

// message is a message in flight. Number counts those of its sender that are no background traffic.
type message struct {
	sim.Flight
	number int
}

// member is the explorer's state of a replica.
type member struct {
	sent    int // messages of operations so far: they are numbered.
	synced  int
	ticks   int
	crashes int
	touched bool // a step has happened here since it started.
}

// world is one execution.
type world struct {
	*sim.Stage
	space      *Space
	scope      *Scope
	guide      Guide
	members    []member // [0] unused.
	flight     []message
	background []message // upkeep, while members meet.
	meeting    bool
	calls      []call
	asked      []sim.Request // in flight.
	crashes    int
	ticks      int
	passes     int
	scratch    []byte
	amnesia    bool
	sleeps     bool // steps that commute are run in one order.
}

// newWorld starts the machines on the given disks and runs until they have met.
func newWorld(space *Space, s *Scope, disks []*memstore.Store) (*world, error) {
	sc := space.Scenario.Clone()
	if sc.Nodes = s.Nodes; len(sc.Expect) == 0 && sc.Own != nil {
		sc.Expect = sc.Own.Promises()
	}
	w := &world{space: space, scope: s, members: make([]member, s.Nodes+1), calls: make([]call, len(s.Ops)),
		meeting: true}
	system := space.System
	if len(s.With) > 0 {
		system = space.With(s.With)
	}
	w.Stage = sim.NewStage(sim.StageOptions{System: system, Seed: 2, Scenario: &sc, Disks: disks,
		Clock: clockBegin})
	w.guide = guideOf(w.World().Cluster())
	for i := 1; i <= s.Nodes; i++ {
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
	w.addClients()
	return w, nil
}

func (w *world) start(i int) error {
	w.members[i].touched = false
	w.Start(i)
	if v := w.World().Violations(); len(v) > 0 {
		return errors.New(v[0].String())
	}
	w.carryOut(i)
	w.sync(i)
	return nil
}

// stepping is called before a machine steps.
func (w *world) stepping(i int) {
	if w.guide.OwnClocks() {
		w.Gain(i, stepTime)
	}
	w.members[i].touched = true
}

// carryOut sorts the messages of a step, and ends fsyncs at once, except those of victims.
func (w *world) carryOut(i int) {
	for _, f := range w.Sent() {
		upkeep := w.guide.Upkeep(f.Transport, f.Data)
		switch {
		case !upkeep:
			m := &w.members[f.From]
			m.sent++
			w.flight = append(w.flight, message{Flight: f, number: m.sent})
		case w.meeting:
			w.background = append(w.background, message{Flight: f})
		}
	}
	w.asked = append(w.asked, w.Asked()...)
	if !w.scope.victim(i) || w.meeting {
		w.sync(i)
	}
}

// sync makes the pending persists durable, until none is pending; at a victim, once.
func (w *world) sync(i int) {
	for w.Syncing(i) {
		w.Sync(i)
		if w.carryOut(i); w.scope.victim(i) && !w.meeting {
			return // its effects are steps of their own.
		}
	}
}

// receive hands a message to its machine.
func (w *world) receive(m message) {
	w.stepping(m.To)
	w.Deliver(m.Flight)
	w.carryOut(m.To)
}

func (w *world) wake(i int) {
	w.stepping(i)
	w.Wake(i)
	w.carryOut(i)
}

// deliverAll delivers all messages in the order in which they were sent, background traffic first.
func (w *world) deliverAll(all bool) {
	for len(w.background) > 0 || all && len(w.flight) > 0 {
		queue := &w.background
		if len(*queue) == 0 {
			queue = &w.flight
		}
		m := (*queue)[0]
		*queue = slices.Delete(*queue, 0, 1)
		w.receive(m)
	}
}

// passTime wakes up the machine whose timer is due first.
func (w *world) passTime() {
	first, at := 0, time.Duration(0)
	for i := 1; i <= w.scope.Nodes; i++ {
		if mono, asked := w.Wakes(i); asked && (first == 0 || mono < at) {
			first, at = i, mono
		}
	}
	if first != 0 {
		w.sleep(first, 0)
		w.wake(first)
	}
}

// sleep lets time pass until a machine wants to be woken, and longer.
func (w *world) sleep(i int, longer time.Duration) {
	mono, _ := w.Wakes(i)
	by := max(mono-w.World().Replica(i).Time().Mono, 0) + longer
	for n := 1; n <= w.scope.Nodes; n++ {
		if n == i || !w.guide.OwnClocks() {
			w.Gain(n, by)
		}
	}
}

// meet delivers background messages until all members know each other, and no message is in flight.
func (w *world) meet() error {
	for range meetingMax {
		w.deliverAll(true)
		if w.guide.Together() {
			return nil
		}
		w.passTime()
	}
	return fmt.Errorf("the members do not come together within %d steps", meetingMax)
}

// warm runs the system's warm-up operations at the members with slow disks.
func (w *world) warm() error {
	for i := 1; i <= w.scope.Nodes; i++ {
		client := w.guide.Warm(i)
		if client == nil || !w.scope.victim(i) {
			continue
		}
		if c := w.ask(client, len(w.scope.Ops)+i); c.status() != "" {
			return fmt.Errorf("n%d is not ready before the operations begin: %s", i, c.status())
		}
	}
	return nil
}

// ask makes a client run one operation, with all events in their usual order, and returns its outcome.
func (w *world) ask(client sim.Client, number int) *call {
	c := &call{}
	w.asked = nil
	w.AddClient(&chain{Client: client, world: w, single: c}, number, 0, sim.RoleScript)
	for _, q := range w.Asked() {
		w.stepping(q.Node)
		w.Ask(q)
		w.carryOut(q.Node)
	}
	for range closingMax {
		if w.deliverAll(true); c.over {
			break
		}
		w.passTime()
	}
	return c
}

// enabled lists the steps that are possible, in a fixed order.
func (w *world) enabled() []step {
	var out []step
	for _, q := range w.asked {
		out = append(out, step{kind: stepRequest, at: q.Node, which: w.underWay(q)})
	}
	for _, m := range w.flight {
		out = append(out, step{kind: stepDeliver, at: m.To, from: m.From, which: m.number})
	}
	for i := 1; i <= w.scope.Nodes; i++ {
		m := &w.members[i]
		if w.Syncing(i) {
			out = append(out, step{kind: stepSynced, at: i, which: m.synced})
		}
		if _, asked := w.Wakes(i); asked && w.ticks < w.scope.Ticks && w.waits(i) {
			out = append(out, step{kind: stepTick, at: i, which: m.ticks})
		}
		if w.crashes < w.scope.Crashes && w.scope.victim(i) && m.touched {
			out = append(out, step{kind: stepCrash, at: i, which: m.crashes})
		}
	}
	if w.passes < w.scope.Passes {
		out = append(out, step{kind: stepPass, which: w.passes})
	}
	slices.SortFunc(out, compareSteps)
	return out
}

// waits reports whether an operation is under way at a node: only then does a wake-up matter.
func (w *world) waits(i int) bool {
	for k := range w.calls {
		if c := &w.calls[k]; w.scope.Ops[k].Node == i && c.sent && !c.over {
			return true
		}
	}
	return false
}

// take runs one step.
func (w *world) take(s step) error {
	m := &w.members[s.at]
	switch s.kind {
	case stepDeliver:
		at := slices.IndexFunc(w.flight, func(f message) bool {
			return f.From == s.from && f.number == s.which && f.To == s.at
		})
		if at < 0 {
			return fmt.Errorf("%s: there is no such message: the schedule is of another version of the system", s)
		}
		f := w.flight[at]
		w.flight = slices.Delete(w.flight, at, at+1)
		w.receive(f)
	case stepRequest:
		at := slices.IndexFunc(w.asked, func(q sim.Request) bool { return w.underWay(q) == s.which })
		q := w.asked[at]
		w.asked = slices.Delete(w.asked, at, at+1)
		w.calls[s.which].sent = true
		w.stepping(s.at)
		w.Ask(q)
		w.carryOut(s.at)
	case stepSynced:
		m.synced++
		w.sync(s.at)
	case stepTick:
		w.ticks++
		m.ticks++
		w.sleep(s.at, w.scope.patience())
		w.wake(s.at)
	case stepPass:
		w.passes++
		for n := 1; n <= w.scope.Nodes; n++ {
			w.Gain(n, w.scope.patience())
		}
	case stepCrash:
		return w.crash(s.at)
	}
	return nil
}

// crash ends a process at once, loses its pending persists, and starts it again; it meets the others before the next
// step.
func (w *world) crash(i int) error {
	w.crashes++
	w.members[i].crashes++
	w.Crash(i)
	if w.amnesia {
		if err := w.forget(i); err != nil {
			return err
		}
	}
	if w.scope.Rots {
		if err := w.rot(i); err != nil {
			return err
		}
	}
	w.meeting = true
	defer func() { w.meeting = false }()
	if err := w.start(i); err != nil {
		return err
	}
	for range meetingMax {
		w.deliverAll(false)
		if w.guide.Together() {
			return nil
		}
		if w.guide.OwnClocks() {
			w.sleep(i, 0)
			w.wake(i)
		} else {
			w.passTime()
		}
	}
	return fmt.Errorf("n%d does not find the others again", i)
}

// forget loses the content of a disk.
func (w *world) forget(i int) error {
	var lost []machine.Change
	store := w.World().Replica(i).Store()
	err := store.Scan(w.guide.Disk(), "", func(key string, _ []byte) bool {
		lost = append(lost, machine.Change{Key: key})
		return true
	})
	return errors.Join(err, store.Apply(lost))
}

// rot damages one bit of each record on a disk.
func (w *world) rot(i int) error {
	var rotten []machine.Change
	store := w.World().Replica(i).Store()
	err := store.Scan(w.guide.Disk(), "", func(key string, value []byte) bool {
		value = slices.Clone(value)
		value[len(value)/2] ^= 1
		rotten = append(rotten, machine.Change{Key: key, Value: value})
		return true
	})
	return errors.Join(err, store.Apply(rotten))
}
