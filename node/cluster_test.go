package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/node/view"
	"kvs/sim"
	"kvs/sim/memstore"
	"kvs/sim/scenario"
)

// bench decides what happens next in a world of the simulator (sim.Stage), for conversations that are short enough to
// read: a message takes a millisecond, an fsync two, and nothing fails but what a test asks for.
type bench struct {
	t         testing.TB
	stage     *sim.Stage
	now       time.Duration
	seq       int
	events    []benchEvent
	machine   []*testMachine
	cut       func(from, to string) bool
	say       *strings.Builder // transcript; nil: none.
	spy       func(from string, s contract.Send)
	lose      func(from string, s contract.Send) bool
	kept      []bool                               // of the messages of this step: they are not lost.
	watch     func(at string, p *contract.Persist) // of everything that goes to a disk; nil: nobody looks.
	nextReq   uint64
	clients   int // that the world has heard of: each asks once.
	tune      func(*contract.Tuning)
	forwards  bool          // operations go to the preferred proposers of their paths.
	fsync     time.Duration // how long it takes.
	newcomers bool          // machines started from now on are no founders.
}

// benchEvent is the arrival of a message, or the end of an fsync.
type benchEvent struct {
	at     time.Duration
	seq    int
	to     int
	boot   int // the run of the node that stores: a restart drops its fsyncs.
	flight sim.Flight
	input  contract.Input     // a message that no member has sent; nil: flight.
	sync   contract.PersistID // durable by then; zero: a message.
}

// testMachine is a member, as tests see it.
type testMachine struct {
	name    string
	replica *sim.Replica
	node    *Node           // the running one, or the last one.
	store   *memstore.Store // what is on its disk.
	wall    int64           // offset of its wall clock, milliseconds,
	shown   int64           // and what it is by now.
	boot    int
	change  func(o *Options) // of this start; nil: nothing.

	electorate *slot.Electorate
	replies    map[uint64]contract.Response
	logs       []contract.Log
}

func newBench(t *testing.T, nodes int) *bench { return newBenchWith(t, nodes, nil) }

func newBenchWith(t *testing.T, nodes int, tune func(*contract.Tuning)) *bench {
	b := emptyBench(t)
	b.tune = tune
	for range nodes {
		b.add()
	}
	for i := range nodes {
		b.start(i)
	}
	return b
}

// emptyBench has no machines yet.
func emptyBench(t testing.TB) *bench {
	b := &bench{t: t, fsync: 2 * time.Millisecond}
	sc := scenario.Default(nil)
	sc.Nodes = chaos.NodesMax
	b.stage = sim.NewStage(sim.StageOptions{System: staged{b}, Scenario: &sc})
	return b
}

// add adds a machine with an empty disk, which is not started.
func (b *bench) add() *testMachine {
	r := b.stage.World().Replica(len(b.machine) + 1)
	m := &testMachine{name: r.Name(), replica: r, store: r.Store(), replies: map[uint64]contract.Response{}}
	b.machine = append(b.machine, m)
	return m
}

func (b *bench) time(m *testMachine) contract.Time {
	b.setClocks()
	return m.replica.Time()
}

// setClocks makes the wall clocks show what tests want them to.
func (b *bench) setClocks() {
	for _, m := range b.machine {
		if m.wall != m.shown {
			m.shown = m.wall
			b.apply(chaos.Fault{Kind: chaos.Skew, Nodes: []int{m.replica.Number},
				Amount: time.Duration(m.wall) * time.Millisecond})
		}
	}
}

func (b *bench) apply(f chaos.Fault) { require.NoError(b.t, b.stage.World().Apply(f)) }

func (b *bench) start(i int) { b.startWith(i, nil) }

// startWith starts a machine with other options than those of all.
func (b *bench) startWith(i int, change func(o *Options)) {
	m := b.machine[i]
	m.boot++
	m.change = change
	b.setClocks()
	b.stage.Start(m.replica.Number)
	b.carryOut()
}

// crash stops a machine; what was not durable is lost.
func (b *bench) crash(i int) {
	if m := b.machine[i]; m.replica.Up() {
		b.stage.Crash(m.replica.Number)
	}
}

// wipe empties the disk of a machine that is down.
func (b *bench) wipe(i int) {
	require.False(b.t, b.machine[i].replica.Up())
	b.machine[i].store.Wipe()
}

// restore gives a machine that is down the content of a disk.
func (b *bench) restore(i int, from *memstore.Store) {
	b.wipe(i)
	require.NoError(b.t, from.Scan("", "", func(key string, value []byte) bool {
		b.machine[i].put(key, value)
		return true
	}))
}

// failDisk makes all fsyncs of a machine fail.
func (b *bench) failDisk(i int) {
	b.apply(chaos.Fault{Kind: chaos.DiskError, Nodes: []int{i + 1}, PPM: chaos.PPMAll})
}

// forget loses all messages that are on their way, and fsyncs that are running.
func (b *bench) forget() { b.events = nil }

func (b *bench) push(e benchEvent) {
	b.seq++
	e.seq = b.seq
	e.boot = b.machine[e.to].boot
	b.events = append(b.events, e)
}

// carryOut sends on their way what the last step has sent, and looks whether the world has found anything wrong.
func (b *bench) carryOut() {
	for i, f := range b.stage.Sent() {
		if b.kept[i] {
			b.push(benchEvent{at: b.now + time.Millisecond, to: f.To - 1, flight: f})
		}
	}
	b.kept = b.kept[:0]
	if v := b.stage.World().Violations(); len(v) > 0 {
		require.Empty(b.t, v)
	}
}

// keeps reports whether a message that leaves a member comes to another one.
func (b *bench) keeps(from string, s contract.Send) bool {
	known := slices.ContainsFunc(b.machine, func(m *testMachine) bool { return m.name == s.To })
	return known && (b.cut == nil || !b.cut(from, s.To)) && (b.lose == nil || !b.lose(from, s))
}

func (b *bench) note(format string, args ...any) {
	if b.say != nil {
		fmt.Fprintf(b.say, "%6dms "+format+"\n", append([]any{b.now.Milliseconds()}, args...)...)
	}
}

// step hands a machine an input that does not come from a member.
func (b *bench) step(i int, in contract.Input) {
	m := b.machine[i]
	b.setClocks()
	if req, is := in.(*contract.Request); is {
		b.clients++
		b.stage.AddClient(&caller{bench: b, machine: m, request: req}, b.clients, m.replica.Number, sim.RoleProbe)
		for _, q := range b.stage.Asked() {
			b.stage.Ask(q)
		}
	} else {
		b.stage.World().Control(m.replica, in)
	}
	b.carryOut()
}

// within runs do as a step of a machine's node.
func (b *bench) within(i int, do func(n *Node)) {
	b.setClocks()
	b.stage.World().Control(b.machine[i].replica, do)
	b.carryOut()
}

// pass moves all clocks.
func (b *bench) pass(until time.Duration) {
	for n := 1; n <= b.stage.World().Nodes(); n++ {
		b.stage.Gain(n, until-b.now)
	}
	b.now = until
}

// run lets virtual time pass until the condition holds; it fails the test after limit.
func (b *bench) run(limit time.Duration, until func() bool) {
	b.t.Helper()
	end := b.now + limit
	for {
		if until != nil && until() {
			return
		}
		next, event := end+1, -1
		for k, e := range b.events {
			if e.at < next || (e.at == next && event >= 0 && e.seq < b.events[event].seq) {
				next, event = e.at, k
			}
		}
		wake := -1
		for i, m := range b.machine {
			if at, asked := b.stage.Wakes(i + 1); m.replica.Up() && asked && at < next {
				next, wake, event = max(at, b.now), i, -1
			}
		}
		if next > end {
			b.pass(end)
			require.Nil(b.t, until, "not reached within %v of virtual time", limit)
			return
		}
		b.pass(next)
		if wake >= 0 {
			b.setClocks()
			b.stage.Wake(wake + 1)
			b.carryOut()
			continue
		}
		e := b.events[event]
		b.events = append(b.events[:event], b.events[event+1:]...)
		b.deliver(e)
	}
}

func (b *bench) deliver(e benchEvent) {
	m := b.machine[e.to]
	switch {
	case e.sync != 0:
		if m.replica.Up() && e.boot == m.boot && b.stage.Syncing(e.to+1) {
			b.setClocks()
			b.stage.SyncUpTo(e.to+1, e.sync)
			b.carryOut()
		}
	case e.input != nil:
		b.step(e.to, e.input)
	default:
		b.setClocks()
		b.stage.Deliver(e.flight)
		b.carryOut()
	}
}

func (b *bench) request(i int, op contract.OpKind, path, value string) uint64 {
	b.nextReq++
	b.note("client -> %s: %s %s %q", b.machine[i].name, op, path, value)
	b.step(i, &contract.Request{ID: b.nextReq, Op: op, Level: contract.Eventual, Path: path, Value: []byte(value)})
	return b.nextReq
}

func (b *bench) do(i int, op contract.OpKind, path, value string) contract.Response {
	b.t.Helper()
	id := b.request(i, op, path, value)
	b.run(time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

func (b *bench) members(n int) bool {
	for _, m := range b.machine {
		if !m.replica.Up() {
			continue
		}
		alive := 0
		for _, e := range m.node.membership.Members() {
			if e.State == swim.Alive {
				alive++
			}
		}
		if alive != n {
			return false
		}
	}
	return true
}

// same reports whether all machines that are up hold the same records.
func (b *bench) same() bool {
	first := ""
	for _, m := range b.machine {
		if !m.replica.Up() {
			continue
		}
		var out strings.Builder
		_ = m.store.Scan(schema.PrefixRecord, "", func(key string, value []byte) bool {
			fmt.Fprintf(&out, "%s=%x\n", key, slot.Common(strings.TrimPrefix(key, schema.PrefixRecord), value))
			return true
		})
		if first != "" && out.String() != first {
			return false
		}
		first = out.String()
	}
	return true
}

func (b *bench) shows(i int, path string) string {
	r, err := view.New(b.machine[i].store, b.machine[i].electorate).Get(path)
	require.NoError(b.t, err)
	return string(r.Value)
}

// get is what is on the disk under a key; nil: nothing.
func (m *testMachine) get(key string) []byte {
	value, _, _ := m.store.Get(key)
	return value
}

// put puts something on the disk, behind the back of the node.
func (m *testMachine) put(key string, value []byte) {
	if err := m.store.Apply([]contract.Change{{Key: key, Value: value}}); err != nil {
		panic(err)
	}
}

// keysWith counts the keys below a prefix on the disk.
func (m *testMachine) keysWith(prefix string) (count int) {
	_ = m.store.Scan(prefix, "", func(string, []byte) bool {
		count++
		return true
	})
	return count
}
