package scenarios

import "kvs/sim/scenario"

// The promises of kvs.
const (
	Converged scenario.Promise = "converged" // at the end all nodes hold the same records.
	// an acknowledged write is there at the end, or a version that wins over it.
	NoLostWrite scenario.Promise = "no-lost-write"
	// a deleted value stays deleted, unless it is written again.
	NoResurrection   scenario.Promise = "no-resurrection"
	HLCMonotone      scenario.Promise = "hlc-monotone"      // no node issues a timestamp twice or goes back.
	MembershipAgreed scenario.Promise = "membership-agreed" // at the end every node sees every node alive.
	Finished                          = scenario.Finished
	// no quorum read shows an older version than an answered quorum operation.
	QuorumRecency   scenario.Promise = "quorum-recency"
	TombstonesEnd   scenario.Promise = "tombstones-end" // at the end no tombstone is left anywhere.
	Linearizable                     = scenario.Linearizable
	NotLinearizable                  = scenario.NotLinearizable
	// members that crash and return are detected in time, while the network works.
	FailuresDetected scenario.Promise = "failures-detected"
	// a member whose clock has been wrong for a while acknowledges no write.
	ClocksGuarded scenario.Promise = "clocks-guarded"
	OutcomesKnown scenario.Promise = "outcomes-known" // no write is answered with the outcome unknown.
)

// promises are all of them, in the order in which scenario files print them.
var promises = []scenario.Promise{
	Converged, NoLostWrite, NoResurrection, HLCMonotone, MembershipAgreed, Finished, QuorumRecency, TombstonesEnd,
	Linearizable, NotLinearizable, FailuresDetected, ClocksGuarded,
	OutcomesKnown,
}
