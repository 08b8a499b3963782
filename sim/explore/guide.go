package explore

import (
	"fmt"

	"kvs/sim"
	"kvs/sim/scenario"
)

// Space describes how a system is explored.
type Space struct {
	// System is the explored system: the simulated one, or one made for exploration, with the same machines. Required.
	System sim.System

	// Scenario has the system's own sections and the promises; if it names none, all promises of the system. Required;
	// its other settings are not used.
	Scenario scenario.Scenario

	// Words name operations: those that the Guide of the system's Cluster knows. Default: op alone, the next
	// operation that a client draws.
	Words []string

	// With returns the system with what a scope names turned on. Default: there is nothing.
	With func(names []string) sim.System

	// Scopes are named experiments.
	Scopes []Scope
}

// Guide is a Cluster with methods for exploration. For a Cluster without them Base is used.
type Guide interface {
	// Together reports whether the members have found each other. Until then, at the start and after a crash, events
	// run in their usual order.
	Together() bool

	// Upkeep reports whether a message belongs to no operation. Such messages are delivered while members meet, and
	// lost otherwise.
	Upkeep(t sim.Transport, data []byte) bool

	// Content is the part of a message on which its receiver's future depends: without numbers and stamps. It may be
	// the same slice.
	Content(data []byte) []byte

	// Disk is the prefix of the keys on a disk that a machine's future depends on.
	Disk() string

	// OwnClocks reports whether the clock of each machine moves only with its own steps. Otherwise time passes for all
	// machines alike.
	OwnClocks() bool

	// Commute reports whether two steps at different members lead to the same state in either order: members and their
	// clients share only messages, no randomness, and no checker remembers an order. Then one of the two orders is
	// enough.
	Commute() bool

	// Script returns the client with a number, from 1 on, which asks for these operations one after the other.
	Script(number int, ops []Op) sim.Client

	// Warm returns a client with one operation at a member whose disk is slow, before everything else. Nil: none.
	Warm(node int) sim.Client

	// Closing returns clients with one operation each, which run one after the other when no other step is left.
	Closing() []sim.Client
}

// Base is a Guide for any Cluster: members need not meet, every message and every key counts, time passes for all
// alike, the clients are the system's, and there are no closing operations. It may be embedded.
type Base struct{ sim.Cluster }

func guideOf(c sim.Cluster) Guide {
	if g, ok := c.(Guide); ok {
		return g
	}
	return Base{c}
}

// Together implements Guide.
func (Base) Together() bool { return true }

// Upkeep implements Guide.
func (Base) Upkeep(sim.Transport, []byte) bool { return false }

// Content implements Guide.
func (Base) Content(data []byte) []byte { return data }

// Disk implements Guide.
func (Base) Disk() string { return "" }

// OwnClocks implements Guide.
func (Base) OwnClocks() bool { return false }

// Commute implements Guide.
func (Base) Commute() bool { return false }

// Script implements Guide.
func (b Base) Script(number int, _ []Op) sim.Client { return b.Client(number) }

// Warm implements Guide.
func (Base) Warm(int) sim.Client { return nil }

// Closing implements Guide.
func (Base) Closing() []sim.Client { return nil }

// anyWord is the word of the next operation that a client draws.
const anyWord = "op"

// words are those that operations may have.
func (s *Space) words() []string {
	if len(s.Words) > 0 {
		return s.Words
	}
	return []string{anyWord}
}

// Find returns the scope of that name.
func (s *Space) Find(name string) (Scope, error) {
	for _, scope := range s.Scopes {
		if scope.Name == name {
			return scope, nil
		}
	}
	return Scope{}, fmt.Errorf("there is no scope %q: explore --list names them", name)
}
