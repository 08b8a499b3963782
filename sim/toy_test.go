package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
	"kvs/sim/scenario"
)

// The toy system: each replica keeps one number on its disk, adds one to it when a client asks, and answers with it
// once it is durable. It sends it to all others as well, who keep the highest that they have heard of. The smallest
// thing that uses every part of the contract.

type toySystem struct {
	hasty bool // a bug: it answers before the disk.
}

func (toySystem) Name() string { return "toy" }

func (s toySystem) New(w *World) Cluster {
	t := &toyCluster{w: w, hasty: s.hasty}
	t.check = &toyCheck{w: w, told: make([]int, w.Nodes()+1)}
	return t
}

type toyCluster struct {
	Base
	w     *World
	hasty bool
	check *toyCheck
}

func (c *toyCluster) Start(r *Replica, _ Time, eff *Effects) (Machine, error) {
	m := &toyMachine{number: r.Number, nodes: c.w.Nodes(), hasty: c.hasty}
	if b, found, err := r.Reader().Get("count"); err != nil {
		return nil, err
	} else if found {
		fmt.Sscan(string(b), &m.count)
	}
	eff.Wake = 1
	return m, nil
}

func (c *toyCluster) Client(number int) Client { return &toyClient{w: c.w, number: number} }

func (c *toyCluster) Describe(data []byte) (kind, detail string) { return "count", string(data) }

func (c *toyCluster) Checkers() []Checker { return []Checker{c.check} }

type toyMachine struct {
	number, nodes int
	count, heard  int
	persists      PersistID
	hasty         bool
	inputs        [InputControl + 1]int
}

func (m *toyMachine) Step(now Time, in *Input, eff *Effects) {
	m.inputs[in.Kind]++
	switch in.Kind {
	case InputTick:
		for n := 1; n <= m.nodes; n++ {
			eff.Sends = append(eff.Sends, Send{To: Address(n), Data: fmt.Append(nil, m.count)})
		}
		eff.Wake = now.Mono + time.Second
	case InputDatagram, InputFrame:
		var heard int
		if _, err := fmt.Sscan(string(in.Data), &heard); err == nil {
			m.heard = max(m.heard, heard)
		}
	case InputRequest:
		m.count++
		m.persists++
		eff.Persist = Persist{ID: m.persists, Changes: []Change{{Key: "count", Value: fmt.Append(nil, m.count)}}}
		after := m.persists
		if m.hasty {
			after = 0
		}
		eff.Replies = append(eff.Replies, Reply{After: after, ID: in.ID, Body: m.count})
		eff.Notes = append(eff.Notes, m.number)
	}
}

type toyClient struct {
	BaseClient
	w      *World
	number int
}

func (c *toyClient) Next() (time.Duration, bool) { return 50 * time.Millisecond, true }

func (c *toyClient) Begin() Operation {
	n := 1 + c.w.ClientRand().IntN(c.w.Nodes())
	return Operation{Node: n, Timeout: time.Second, Kind: "add", Subject: NodeName(n)}
}

func (c *toyClient) Answer(_ *Replica, _ *Call, reply *Reply) Answer {
	return Answer{Status: linearize.OK, Output: fmt.Sprint(reply.Body), Value: fmt.Append(nil, reply.Body)}
}

// toyCheck wants what each replica says to rise, as long as its disk is there, and to be on it.
type toyCheck struct {
	w      *World
	told   []int // by number of the replica.
	events map[EventKind]int
	done   bool
}

func (*toyCheck) Name() string { return "rises" }

func (*toyCheck) Events() EventSet {
	return Events(EventReplied, EventNoted, EventWiped, EventCrashed, EventStarted)
}

func (c *toyCheck) Observe(e *Event) {
	if c.events == nil {
		c.events = make(map[EventKind]int)
	}
	c.events[e.Kind]++
	switch e.Kind {
	case EventWiped:
		c.told[e.Replica.Number] = 0
	case EventReplied:
		n, count := e.Replica.Number, e.Reply.Body.(int)
		if count <= c.told[n] {
			c.w.Violate(Violation{Promise: "rises", Node: n,
				Detail: fmt.Sprintf("answers %d after %d", count, c.told[n])})
		}
		c.told[n] = count
	}
}

func (c *toyCheck) Finish() { c.done = true }

const toyText = `
scenario toy
about    three counters, crashes
nodes    3
clients  4
duration 20s
settle   30s
network  delay=1ms..10ms loss=1% duplicate=1% corrupt=0.1%
disk     sync=1ms..20ms
expect   finished
plan random kinds=crash,pause,partition,loss,skew,disk-slow every=1s length=200ms..2s majority=lose
`

func toyScenario(t testing.TB, seed uint64) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse(toyText, &scenario.None{})
	require.NoError(t, err)
	d := Draw(seed, s)
	return &d
}

// Any machine can be run: the clean one keeps its promise, one that speaks before its disk does not.
func TestToySystem(t *testing.T) {
	found := 0
	for seed := uint64(1); seed <= 20; seed++ {
		res, err := Run(Options{System: toySystem{}, Seed: seed, Scenario: toyScenario(t, seed)})
		require.NoError(t, err)
		require.Empty(t, res.Violations, "%s\n%s", res, res.Stack)
		require.True(t, res.Settled)
		require.Greater(t, res.OK, uint64(100))
		again, err := Run(Options{System: toySystem{}, Seed: seed, Scenario: toyScenario(t, seed)})
		require.NoError(t, err)
		require.Equal(t, res.String(), again.String())

		res, err = Run(Options{System: toySystem{hasty: true}, Seed: seed, Scenario: toyScenario(t, seed)})
		require.NoError(t, err)
		if res.Verdict() == "rises" {
			found++
		}
	}
	require.Greater(t, found, 3)
}

// Checkers hear of what they asked for, and machines get every input.
func TestToyHearsEverything(t *testing.T) {
	var lines []string
	rec := &Recording{}
	w := NewWorld(Options{System: toySystem{}, Seed: 3, Scenario: toyScenario(t, 3), Record: rec,
		Trace: func(line string) { lines = append(lines, line) }})
	res := w.Run()
	require.Empty(t, res.Violations)
	check := w.Cluster().(*toyCluster).check
	require.True(t, check.done)
	for _, k := range []EventKind{EventReplied, EventNoted, EventCrashed, EventStarted} {
		require.NotZero(t, check.events[k], k)
	}
	require.Zero(t, check.events[EventSent], "it did not ask")
	inputs := w.Replica(1).Machine().(*toyMachine).inputs
	for _, k := range []InputKind{InputTick, InputDatagram, InputPersisted, InputRequest} {
		require.NotZero(t, inputs[k], k)
	}
	require.NotEmpty(t, rec.Messages)
	require.Equal(t, "count", rec.Messages[0].Kind)
	require.Contains(t, strings.Join(lines, "\n"), `add "n1" at n1`)
}

func TestRunWantsASystem(t *testing.T) {
	_, err := Run(Options{Seed: 1, Scenario: toyScenario(t, 1)})
	require.ErrorContains(t, err, "Options.System")
}

// numbered is a client whose operations have numbers, and that thinks a second before each.
type numbered struct {
	BaseClient
	drawn int
}

func (c *numbered) Next() (time.Duration, bool) {
	c.drawn++
	return time.Second, c.drawn <= 9
}

func (c *numbered) Begin() Operation {
	return Operation{Node: 1, Timeout: 10 * time.Millisecond, Kind: "do", Subject: fmt.Sprint(c.drawn)}
}

func (c *numbered) Answer(*Replica, *Call, *Reply) Answer { return Answer{Status: linearize.OK} }

type numberedSystem struct{ toySystem }

func (s numberedSystem) New(w *World) Cluster {
	return &numberedCluster{s.toySystem.New(w).(*toyCluster)}
}

type numberedCluster struct{ *toyCluster }

func (c *numberedCluster) Client(int) Client { return &numbered{} }

// What a scenario keeps of a client's operations is what it was, as far as thinking goes; a client that is not
// named does nothing.
func TestKeptOperationsStayTheSame(t *testing.T) {
	s := toyScenario(t, 1)
	s.Plan.Events, s.Network.Loss, s.Clients = nil, 0, 2
	run := func(keep *scenario.Kept) (begun []string, res *Result) {
		s.Keep = keep
		res, err := Run(Options{System: numberedSystem{}, Seed: 1, Scenario: s, Trace: func(line string) {
			var at, client, subject string
			if n, _ := fmt.Sscanf(line, "%s %s do %q at n1 \n", &at, &client, &subject); n == 3 &&
				!strings.Contains(line, "at n1:") {
				d, err := time.ParseDuration(at)
				require.NoError(t, err)
				begun = append(begun, fmt.Sprintf("%s:%s after %s", client, subject, d.Truncate(time.Second)))
			}
		}})
		require.NoError(t, err)
		return begun, res
	}
	all, res := run(nil)
	require.Len(t, all, 18)
	require.Equal(t, []int{9, 9}, res.Begun)
	some, res := run(&scenario.Kept{{}, {2, 3, 7}})
	require.Equal(t, []string{"c2:2 after 2s", "c2:3 after 3s", "c2:7 after 7s"}, some)
	require.Equal(t, []int{0, 3}, res.Begun)
	none, _ := run(&scenario.Kept{})
	require.Empty(t, none)
}

// modeledSystem is a toy whose histories are those of a queue.
type modeledSystem struct{ toySystem }

func (modeledSystem) Model() linearize.Model { return linearize.Queue }

// The history says what it is one of, and what the run was to keep.
func TestHistoryNamesModelAndPromises(t *testing.T) {
	sc := toyScenario(t, 1)
	res, err := Run(Options{System: modeledSystem{}, Seed: 1, Scenario: sc})
	require.NoError(t, err)
	require.Equal(t, "queue", res.History.Model)
	require.NotEmpty(t, sc.Expect)
	for i, p := range sc.Expect {
		require.Equal(t, linearize.Promise{Name: p.String()}, res.History.Promises[i])
	}
	res, err = Run(Options{System: toySystem{}, Seed: 1, Scenario: sc})
	require.NoError(t, err)
	require.Empty(t, res.History.Model, "kvs' register")
}
