package scenarios

import (
	"time"

	"kvs/chaos"
	"kvs/node"
)

// Scenario is one experiment.
type Scenario struct {
	Name  string // lower-case letters, digits and dashes; that of its file.
	About string // one line for people.

	// Seed is the one to run with unless another is asked for; zero: none. Files written after a failure carry it.
	Seed uint64

	// Swarm makes the scenario a bound rather than an experiment: Draw picks one within it.
	Swarm bool

	Nodes    int
	Clients  int           // each does one operation at a time.
	Duration time.Duration // of the safety phase.
	Core     time.Duration // of the phase before it in which only a random core of the nodes is healed, at most; zero: there is none.
	Settle   time.Duration // of the liveness phase, at most.
	Workload Workload
	Keep     *Kept      // nil: every operation that is drawn.
	Network  chaos.Link // what the network does without any fault.
	Clocks   Clocks
	Disk     Disk
	Tuning   Tuning
	Voters   Voters
	Expect   []Promise // each once, in the order of the constants.

	// Plan holds the faults. When Random is set Plan is empty, and Draw makes it.
	Plan   chaos.Plan
	Random *Random
}

// Drawn reports whether s says everything: only such a scenario can be run. Draw turns any scenario into one.
func (s *Scenario) Drawn() bool { return !s.Swarm && s.Random == nil }

// Clocks says how wrong the wall clocks of a cluster are without any fault. Each node draws its own offset and drift from
// these ranges, and the direction of each.
type Clocks struct {
	Skew, SkewMax   time.Duration
	Drift, DriftMax int64 // parts per million.
}

// Disk says how long a sync takes without any fault.
type Disk struct {
	Sync, SyncMax time.Duration

	// Walk crashes one node at one persist, which the seed chooses: seed 1 the first persist of n1 with nothing of it kept, and so
	// on through nodes, kept or not, and persists. Everything else is that of seed 1, so many seeds walk through every moment at
	// which a crash can tell two states of the disk apart.
	Walk bool

	// Busy makes a crash ten times likelier at a moment at which the node has persists in flight than at another one: the plan's
	// crashes come up to two seconds later for it.
	Busy bool
}

// Tuning says what of a node's own settings differs from those of production.
type Tuning struct {
	Sync  time.Duration // between comparisons of members, and the longest such distance if it is above the usual one.
	Hints time.Duration // what waits for a dead member is dropped after it.
	Rate  int           // bytes a second that a newcomer pulls.
	Grace time.Duration // that tombstones stay at the least.
	Seeds int           // addresses that each node is configured with: of the first nodes.
	Clock time.Duration // a member whose clock is further off than this takes no writes.
}

// Voters says who votes on linearizable operations, and who sees to it.
type Voters struct {
	First    int           // how many members found the cluster; zero: all. The others are promoted as they get in step.
	Operator time.Duration // how often somebody demotes voters whose disk is gone; zero: nobody does.
	Churn    int64         // how likely that somebody demotes a living voter instead, which comes back by itself.
	Strong   bool          // every path is under a strong prefix, and plain writes are sent at other levels than the linearizable one.
	Depart   int64         // how likely that a member leaves for good or is removed instead; its machine joins anew with an empty disk.
}

// Random are the bounds of a plan drawn at random. See chaos.GenOptions.
type Random struct {
	Kinds             []chaos.Kind
	Every             time.Duration
	Length, LengthMax time.Duration
	KeepMajority      bool
	Patterns          bool
}

// Default returns the scenario that a file begins from: what it does not say is as here.
func Default() Scenario {
	return Scenario{
		Nodes:    3,
		Clients:  5,
		Duration: 20 * time.Second,
		Settle:   time.Minute,
		Workload: defaultWorkload(),
		Network:  chaos.Link{Delay: time.Millisecond, DelayMax: 10 * time.Millisecond},
		Disk:     Disk{Sync: time.Millisecond, SyncMax: 5 * time.Millisecond},
		Tuning: Tuning{Sync: node.DefaultTuning().SyncInterval, Hints: node.DefaultTuning().HintTTL, Grace: node.DefaultTuning().TombstoneGrace,
			Seeds: 3, Rate: node.DefaultTuning().BootstrapRate, Clock: node.DefaultTuning().MaxClockOffset},
	}
}

func defaultRandom() *Random {
	return &Random{
		Kinds:     chaos.Disturbances(),
		Every:     2 * time.Second,
		Length:    500 * time.Millisecond,
		LengthMax: 5 * time.Second,
	}
}
