package checks

import (
	"fmt"

	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
	"kvs/sim/scenario"
)

// Promises that hold in every run, beside those that the scenario names.
const (
	promiseBounded     = sim.PromiseBounded // queues stay within their bounds, and the node does not spin.
	promiseKnownValues = "known-values"     // what is read was written, there, and not refused.
	// votes stick, the rule decides alike everywhere, and what is settled stays.
	promiseConflict = "conflict"
	promiseDelivery = "delivery"      // what is said to be on a disk is there.
	promiseLosers   = "losers-kept"   // what took part in a conflict can be fetched for a while.
	promisePersist  = "persist-first" // nobody learns of a write before its own node has it on disk.
	promiseIndex    = "index"         // what comparisons of members see is what is there.
	// an acknowledged linearizable write is on the disks of a majority of the voters.
	promiseChosen    = "chosen"
	promiseSession   = "session"    // what one disk has shown or acknowledged it does not take back.
	promiseJoin      = "join"       // a newcomer serves nothing before its time, and goes on where it stopped.
	promiseAvailable = "available"  // who can serve does.
	promiseExpiry    = "expiry"     // a value lives as long as it says.
	promiseEnds      = "ends-known" // nothing is dropped but tombstones that every member has had.
	promiseListing   = "listing"    // a listing shows exactly what is there.
	promiseSealed    = "sealed"     // in a secure cluster strangers are not heard, and members are.
)

// check is what checkers have in common: the promise, and what they are told of.
type check struct {
	w      *world.World
	name   string
	events sim.EventSet
}

// Name implements sim.Checker.
func (c *check) Name() string { return c.name }

// Events implements sim.Checker.
func (c *check) Events() sim.EventSet { return c.events }

// Observe implements sim.Checker: the event is of no interest.
func (c *check) Observe(*sim.Event) {}

// Finish implements sim.Checker: nothing is judged at the end.
func (c *check) Finish() {}

// bad says that the promise breaks at a node, and on a path if there is one.
func (c *check) bad(node int, path, format string, args ...any) {
	c.w.Violate(sim.Violation{Promise: c.name, Node: node, Path: path, Detail: fmt.Sprintf(format, args...)})
}

// Set is the checkers of a run.
type Set struct {
	all []sim.Checker

	// Those that count something for people.
	conflict *conflictCheck
	joins    *joinCheck
	ends     *endCheck
}

// New makes the checkers of all promises that hold always, and of those that the scenario names.
func New(w *world.World) *Set {
	s := &Set{conflict: newConflictCheck(w), joins: newJoinCheck(w), ends: newEndCheck(w)}
	expected := func(p scenario.Promise, c sim.Checker) {
		if w.Scenario().Expects(p) {
			s.all = append(s.all, c)
		}
	}
	always := func(list ...sim.Checker) { s.all = append(s.all, list...) }
	always(newIndexCheck(w), s.joins)
	expected(scenarios.Converged, newConvergedCheck(w))
	expected(scenarios.MembershipAgreed, newMembershipCheck(w))
	expected(scenarios.NoLostWrite, newLostWriteCheck(w))
	expected(scenarios.NoResurrection, newResurrectionCheck(w))
	always(newExpiryCheck(w), newOverdueCheck(w))
	expected(scenarios.ClocksGuarded, newClockCheck(w))
	expected(scenarios.FailuresDetected, newDetectionCheck(w))
	always(newAvailableCheck(w), newSessionCheck(w), newValuesCheck(w), newCreatedCheck(w), newChosenCheck(w), s.ends)
	always(newPersistCheck(w), s.conflict, newDeliveryCheck(w))
	expected(scenarios.HLCMonotone, newHLCCheck(w))
	always(newEpochCheck(w), newListingCheck(w), newBoundsCheck(w))
	expected(scenarios.QuorumRecency, newRecencyCheck(w))
	if w.Own.Gossip.Sealed {
		always(newSealedCheck(w))
	}
	return s
}

// Checkers implements sim.Cluster.
func (s *Set) Checkers() []sim.Checker { return s.all }

// Counts implements sim.Counter.
func (s *Set) Counts() []sim.Count {
	joined := 0
	for _, n := range s.joins.joined {
		joined += n
	}
	return []sim.Count{{Name: "conflicts", N: len(s.conflict.conflicts)}, {Name: "joined", N: joined},
		{Name: "ended", N: s.ends.count}}
}
