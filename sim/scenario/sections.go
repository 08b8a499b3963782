package scenario

import "math/rand/v2"

// Sections are a system's own part of its scenarios: what its clients do, how its nodes are configured, what it
// promises. The dynamic value is a pointer to a struct of the system, with the defaults in it when it is new. It
// belongs to the scenario that holds it: make copies of a scenario with Scenario.Clone.
//
// Embed Plain for everything that a system does not need.
type Sections interface {
	// Clone returns a copy that shares no mutable memory.
	Clone() Sections

	// WorkloadKeys returns the keys of the line `workload`, which reads and writes the receiver. Without keys there is
	// no such line.
	WorkloadKeys() []Option

	// Lines returns the system's other lines, in the order in which they print. Their keys read and write the receiver.
	Lines() []Line

	// Promises returns those that a scenario may expect, in the order in which they print. The framework's are among
	// them if the system makes them: Finished, Linearizable, NotLinearizable.
	Promises() []Promise

	// Check returns what is wrong with the sections, or with the rest of s for this system, and what to do about it.
	Check(s *Scenario) error

	// Draw draws a part of the sections of a swarm: s holds the receiver, and its figures are bounds as everywhere in a
	// swarm. It is called once for each moment, in their order, so that a seed draws the same whatever the system does.
	Draw(rng *rand.Rand, s *Scenario, m Moment)

	// Fit is called when s, which holds the receiver, has got fewer nodes.
	Fit(s *Scenario)

	// Simpler returns changes that each make a scenario of this system plainer, in the order in which a failure is
	// shrunk by them. A change must take the sections from its argument, which is not the scenario that holds the
	// receiver.
	Simpler() []func(s *Scenario)
}

// Line is a line of key=value pairs.
type Line struct {
	Word    string
	Options []Option
}

// Moment is how much of a swarm has been drawn when Sections.Draw is called.
type Moment uint8

// The moments, in their order. A system draws its workload at the first and everything else at the second, unless it
// has a reason.
const (
	AfterClients Moment = iota // the number of nodes and of clients.
	AfterDisk                  // and network, clocks, and how long a sync takes.
	AfterWorld                 // and everything but the faults.
	// and the bounds of the random plan, if the plan is random. The plan itself is not drawn yet.
	AfterFaults
)

// Plain is for systems to embed: no keys, no lines, the promise Finished, nothing to check, to draw or to shrink.
type Plain struct{}

// WorkloadKeys implements Sections.
func (Plain) WorkloadKeys() []Option { return nil }

// Lines implements Sections.
func (Plain) Lines() []Line { return nil }

// Promises implements Sections.
func (Plain) Promises() []Promise { return []Promise{Finished} }

// Check implements Sections.
func (Plain) Check(*Scenario) error { return nil }

// Draw implements Sections.
func (Plain) Draw(*rand.Rand, *Scenario, Moment) {}

// Fit implements Sections.
func (Plain) Fit(*Scenario) {}

// Simpler implements Sections.
func (Plain) Simpler() []func(*Scenario) { return nil }

// None are the sections of a system that adds nothing: its scenarios have the framework's promises.
type None struct{ Plain }

// Clone implements Sections.
func (n *None) Clone() Sections { return &None{} }

// Promises implements Sections.
func (n *None) Promises() []Promise { return []Promise{Linearizable, NotLinearizable, Finished} }
