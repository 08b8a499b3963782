package scenario

import (
	"slices"
	"time"

	"kvs/chaos"
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
	// of the phase before it in which only a random core of the nodes is healed, at most; zero: there is none.
	Core    time.Duration
	Settle  time.Duration // of the liveness phase, at most.
	Keep    *Kept         // nil: every operation that is drawn.
	Network chaos.Link    // what the network does without any fault.
	Clocks  Clocks
	Disk    Disk
	Own     Sections  // what the system adds; required.
	Expect  []Promise // each once, in the order in which the sections name them.

	// Plan holds the faults. When Random is set Plan is empty, and Draw makes it.
	Plan   chaos.Plan
	Random *Random
}

// Drawn reports whether s says everything: only such a scenario can be run. Draw turns any scenario into one.
func (s *Scenario) Drawn() bool { return !s.Swarm && s.Random == nil }

// Clocks says how wrong the wall clocks of a cluster are without any fault. Each node draws its own offset and drift
// from these ranges, and the direction of each.
type Clocks struct {
	Skew, SkewMax   time.Duration
	Drift, DriftMax int64 // parts per million.
}

// Disk says how long a sync takes without any fault.
type Disk struct {
	Sync, SyncMax time.Duration

	// Walk crashes one node at one persist, which the seed chooses: seed 1 the first persist of n1 with nothing of it
	// kept, and so on through nodes, kept or not, and persists. Everything else is that of seed 1, so many seeds walk
	// through every moment at which a crash can tell two states of the disk apart.
	Walk bool

	// Busy makes a crash ten times likelier at a moment at which the node has persists in flight than at another one:
	// the plan's crashes come up to two seconds later for it.
	Busy bool
}

// Random are the bounds of a plan drawn at random. See chaos.GenOptions.
type Random struct {
	Kinds             []chaos.Kind
	Every             time.Duration
	Length, LengthMax time.Duration
	KeepMajority      bool
	Patterns          bool
}

// Default returns the scenario that a file begins from: what it does not say is as here. The sections become part of
// it.
func Default(own Sections) Scenario {
	return Scenario{
		Nodes:    3,
		Clients:  5,
		Duration: 20 * time.Second,
		Settle:   time.Minute,
		Network:  chaos.Link{Delay: time.Millisecond, DelayMax: 10 * time.Millisecond},
		Disk:     Disk{Sync: time.Millisecond, SyncMax: 5 * time.Millisecond},
		Own:      own,
	}
}

// Clone returns a copy that shares no memory which anybody writes to.
func (s Scenario) Clone() Scenario {
	s.Expect = slices.Clone(s.Expect)
	s.Plan.Events = slices.Clone(s.Plan.Events)
	if s.Own != nil {
		s.Own = s.Own.Clone()
	}
	if s.Random != nil {
		r := *s.Random
		s.Random = &r
	}
	return s
}

// DefaultRandom returns the bounds of `plan random` that says nothing else.
func DefaultRandom() *Random {
	return &Random{
		Kinds:     chaos.Disturbances(),
		Every:     2 * time.Second,
		Length:    500 * time.Millisecond,
		LengthMax: 5 * time.Second,
	}
}
