package explore

import (
	"fmt"

	"kvs/sim"
	"kvs/sim/scenario"
)

// Space is what there is to explore of a system.
type Space struct {
	// System is the one that is explored: the one that is simulated, or one made for it, with the same machines.
	// Required.
	System sim.System

	// Scenario has the system's own sections and the promises: all that the system knows, if it expects none. Required;
	// nothing else of it is used.
	Scenario scenario.Scenario

	// Words name operations: those that the Guide of the system's Cluster knows. Default: op alone, the next
	// operation that a client draws.
	Words []string

	// Scopes are named experiments.
	Scopes []Scope
}

// Guide is a Cluster that knows how it is best explored. One that is none has Base in its place.
type Guide interface {
	// Together reports whether the members have found each other. Until they have, in the beginning and after a
	// crash, everything takes its usual course.
	Together() bool

	// Upkeep reports whether a message is none of an operation's. Such messages travel while members meet, and are
	// lost otherwise.
	Upkeep(t sim.Transport, data []byte) bool

	// Content is what of a message its receiver's future depends on: without names and stamps. The slice may be
	// the same.
	Content(data []byte) []byte

	// Disk is the prefix of the keys on a disk that a machine's future depends on.
	Disk() string

	// OwnClocks reports whether the clock of each machine moves with its own steps alone, as if nothing tied clocks
	// to each other. Otherwise time that passes passes for all.
	OwnClocks() bool

	// Commute reports whether two steps at different members lead to the same, whichever comes first: members and their
	// clients share nothing but messages, no randomness either, and no checker remembers an order. Of two such orders
	// one is enough.
	Commute() bool

	// Script returns the client with a number, from 1 on, which asks for these operations one after the other.
	Script(number int, ops []Op) sim.Client

	// Warm returns a client with one operation at a member whose disk is slow, before everything else. Nil: none.
	Warm(node int) sim.Client

	// Closing returns clients with one operation each, which go one after the other once nothing happens any more.
	Closing() []sim.Client
}

// Base is a Guide for any Cluster: members need not meet, every message and every key counts, time passes for all
// alike, the clients are the system's, and there is nothing to ask at the end. It may be embedded.
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
