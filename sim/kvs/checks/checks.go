package checks

import (
	"fmt"

	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/checks/asked"
	"kvs/sim/kvs/checks/promises"
	"kvs/sim/kvs/checks/runs"
	"kvs/sim/kvs/world"
	"kvs/sim/scenario"
)

// Promises that hold in every run, beside those that the scenario names.
const (
	promiseBounded     = sim.PromiseBounded // queues stay within their bounds, and the node does not spin.
	promiseKnownValues = "known-values"     // a value that is read was written to that path, and not refused.
	// votes do not change, the rule decides alike everywhere, and settled conflicts stay settled.
	promiseConflict = "conflict"
	promiseDelivery = "delivery"      // acknowledged data is on the disk.
	promiseLosers   = "losers-kept"   // the candidates of a conflict can be fetched for a while.
	promisePersist  = "persist-first" // a write is on its own node's disk before others get it.
	promiseIndex    = "index"         // the index, which comparisons use, agrees with the records.
	// an acknowledged linearizable write is on the disks of a majority of the voters.
	promiseChosen    = "chosen"
	promiseOnce      = "applied-once" // a linearizable write has one version, all say so.
	promiseSession   = "session"      // a disk never shows an older version than it has shown or acknowledged.
	promiseJoin      = "join"         // a newcomer serves only when it may, and continues after a restart.
	promiseAvailable = "available"    // a member that can serve does.
	promiseExpiry    = "expiry"       // a value ends after its time to live, not before.
	promiseEnds      = "ends-known"   // only tombstones that every member has had are dropped.
	promiseListing   = "listing"      // a listing shows exactly what is there.
	promiseHeard     = "heard"        // a member does not forget deaths and votes that it has been told of.
	// a member that drops a tombstone stores what it refuses from then on, and refuses it.
	promiseFloors   = "floors"
	promiseCompared = "compared"   // a comparison asks for all that it finds newer at the other member.
	promiseOlder    = "older-copy" // a member on an older copy of its data folder detects that, and takes no part.
	promiseRuns     = "new-run"    // a run of a member begins above its former ones.
	promiseWatch    = "watch"      // a watcher's copy becomes what the members hold, and paths do not go back.
	promiseSealed   = "sealed"     // a secure cluster refuses strangers' datagrams, and accepts members'.
)

// check is the common part of checkers: the promise, and its events.
type check struct {
	w      *world.World
	name   string
	events sim.EventSet
}

// Name implements sim.Checker.
func (c *check) Name() string { return c.name }

// Events implements sim.Checker.
func (c *check) Events() sim.EventSet { return c.events }

// Observe implements sim.Checker: the event is ignored.
func (c *check) Observe(*sim.Event) {}

// Finish implements sim.Checker: nothing is judged at the end.
func (c *check) Finish() {}

// bad reports that the promise breaks at a node, and on a path if there is one.
func (c *check) bad(node int, path, format string, args ...any) {
	c.w.Violate(sim.Violation{Promise: c.name, Node: node, Path: path, Detail: fmt.Sprintf(format, args...)})
}

// Set is the checkers of a run.
type Set struct {
	all []sim.Checker

	// Checkers with counters.
	conflict *conflictCheck
	joins    *joinCheck
	ends     *endCheck
}

// New makes the checkers of all promises that hold in every run, and of those that the scenario names.
func New(w *world.World) *Set {
	s := &Set{conflict: newConflictCheck(w), joins: newJoinCheck(w), ends: newEndCheck(w)}
	expected := func(p scenario.Promise, c sim.Checker) {
		if w.Scenario().Expects(p) {
			s.all = append(s.all, c)
		}
	}
	always := func(list ...sim.Checker) { s.all = append(s.all, list...) }
	always(newIndexCheck(w), s.joins, newExpiryCheck(w), newOverdueCheck(w))
	expected(scenarios.Converged, newConvergedCheck(w))
	expected(scenarios.MembershipAgreed, newMembershipCheck(w))
	expected(scenarios.NoLostWrite, newLostWriteCheck(w))
	expected(scenarios.NoResurrection, newResurrectionCheck(w))
	expected(scenarios.ClocksGuarded, newClockCheck(w))
	expected(scenarios.FailuresDetected, newDetectionCheck(w))
	expected(scenarios.OutcomesKnown, asked.NewOutcomes(w, scenarios.OutcomesKnown.String()))
	always(newAvailableCheck(w), newSessionCheck(w), newValuesCheck(w), newCreatedCheck(w), newChosenCheck(w), s.ends)
	always(newPersistCheck(w), s.conflict, newDeliveryCheck(w))
	expected(scenarios.HLCMonotone, newHLCCheck(w))
	always(newEpochCheck(w), newListingCheck(w), newBoundsCheck(w))
	always(newFloorCheck(w), newDeathCheck(w), newVoteCheck(w), newOlderCheck(w),
		asked.NewNewcomers(w, promiseJoin), asked.NewComparisons(w, promiseCompared), asked.NewOnce(w, promiseOnce),
		runs.New(w, promiseRuns), promises.New(w))
	expected(scenarios.QuorumRecency, newRecencyCheck(w))
	if w.Own.Workload.Watchers > 0 {
		always(newWatchCheck(w))
	}
	if w.Own.Gossip.Sealed {
		always(newSealedCheck(w))
	}
	return s
}

// Checkers implements sim.Cluster.
func (s *Set) Checkers() []sim.Checker { return s.all }

// Counts implements sim.Counter.
func (s *Set) Counts() []sim.Count {
	var joined int
	for _, n := range s.joins.joined {
		joined += n
	}
	return []sim.Count{{Name: "conflicts", N: len(s.conflict.conflicts)}, {Name: "joined", N: joined},
		{Name: "ended", N: s.ends.count}}
}
