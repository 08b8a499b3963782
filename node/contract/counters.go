package contract

// Counters only ever grow during one run.
type Counters struct {
	Writes, Reads uint64 // client operations through the core.
	// records sent in batches and acknowledged; records received.
	ReplicatedOut, ReplicatedIn uint64
	// received records that won; that lost or were known already.
	Merged, Stale                 uint64
	HintsFull, HintsExpired       uint64 // hints dropped: too many; away for too long.
	BootstrapPages, BootstrapKeys uint64 // pulled by this node as a newcomer.
	Expired                       uint64 // values with a time to live that this member ended.
	TombstonesDropped             uint64 // every member had them.
	// records whose entry in the index was corrected, rotten ones included.
	ScrubRepairs uint64
	QueueDropped uint64
	// quorum writes that were stamped anew, because a majority held higher versions.
	Restamped uint64
	// conflicts met; slots with several candidates stored.
	ConflictsSeen, ConflictChanges uint64
	// conflicts with a final winner; of them, by each rule,
	ConflictsSettled, ConflictsMajority, ConflictsOldest uint64
	ConflictsLinearizable                                uint64 // this one included.
	// dropped: because there were too many; because of their age.
	ConflictsDropped, ConflictsExpired uint64
	// linearizable operations: rounds begun, answered by a look alone, restarted, ended unknown.
	Rounds, RoundsFast, RoundsRetried, RoundsUnknown uint64
	RoundsCombined                                   uint64 // operations carried by the round of another one.
	RoundsDirect                                     uint64 // rounds under a standing ballot, without a PREPARE.
	// operations that this node has forwarded to the preferred proposer of their path: answered by it, declined, taken
	// over because it was silent; and operations of other members that this node was asked to run.
	ForwardsAnswered, ForwardsDeclined, ForwardsTakenOver, ForwardsIn uint64
	// questions that this node has put to all voters, by phase: one round trip each.
	RoundLooks, RoundPrepares, RoundAccepts                      uint64
	OtherFounding                                                uint64
	SyncRounds, SyncPulled, SyncPushed                           uint64
	DatagramsIn, DatagramsBad, FramesIn, FramesBad, OtherCluster uint64
	// claims that a peer was asked to confirm, and that it denied: see node/hearsay.
	ClaimsAsked, ClaimsDenied uint64
	// sealed before a fence that their sender has acknowledged since: see node/tombstones.
	FramesLate uint64
	// sent by one member in the name of another.
	FramesForeign uint64
}
