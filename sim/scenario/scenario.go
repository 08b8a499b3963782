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

	// Seed is the seed to use unless another is given; zero: none. Files written after a failure have it.
	Seed uint64

	// Swarm makes the scenario a set of bounds rather than one experiment: Draw draws one within them.
	Swarm bool

	Nodes    int
	Clients  int           // each does one operation at a time.
	Duration time.Duration // of the safety phase.
	// of the phase before it in which only a random core of the nodes is healed, at most; zero: there is none.
	Core    time.Duration
	Settle  time.Duration // of the liveness phase, at most.
	Keep    *Kept         // nil: every operation that is drawn.
	Network chaos.Link    // the network without faults.
	Clocks  Clocks
	Disk    Disk
	Own     Sections  // what the system adds; required.
	Expect  []Promise // each once, in the order in which the sections name them.

	// Plan holds the faults. When Random is set Plan is empty, and Draw makes it.
	Plan   chaos.Plan
	Random *Random
}

// Drawn reports whether s is completely drawn: only such a scenario can be run. Draw turns any scenario into one.
func (s *Scenario) Drawn() bool { return !s.Swarm && s.Random == nil }

// Clocks are the errors of the wall clocks of a cluster without faults. Each node draws its own offset and drift from
// these ranges, and the direction of each.
type Clocks struct {
	Skew, SkewMax   time.Duration
	Drift, DriftMax int64 // parts per million.
}

// Disk has the duration of a sync without faults.
type Disk struct {
	Sync, SyncMax time.Duration

	// Walk crashes one node at one persist, which the seed chooses: seed 1 is the first persist of n1 with nothing of
	// it kept, and so on through nodes, kept or not, and persists. All other randomness is that of seed 1. So a range
	// of seeds covers every moment at which a crash leaves another state of the disk.
	Walk bool

	// Busy makes a crash ten times likelier at a moment with persists in flight than at another: for that the plan's
	// crashes come up to two seconds later.
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

// Default returns the scenario with the defaults of a file. The sections become part of it.
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

// Clone returns a copy that shares no mutable memory.
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

// DefaultRandom returns the default bounds of `plan random`.
func DefaultRandom() *Random {
	return &Random{
		Kinds:     chaos.Disturbances(),
		Every:     2 * time.Second,
		Length:    500 * time.Millisecond,
		LengthMax: 5 * time.Second,
	}
}
