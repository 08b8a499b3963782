package node

import (
	"time"

	"kvs/node/swim"
)

// Status is a snapshot of what a node knows about itself.
type Status struct {
	ID          ID
	Name        string
	Addr        string
	Cluster     string
	Mode        Mode
	ModeReasons []string         // sorted; why the mode is not normal.
	Left        bool             // Leave was asked for and has been told to the others; or this node is a member no more for another reason.
	Started     time.Duration    // monotonic time of New.
	Clock       Timestamp        // highest hybrid timestamp issued or seen.
	Members     []swim.Member    // sorted by ID, this node and those that are gone included.
	Since       []time.Duration  // for each of Members: the monotonic time at which its state changed last, as this node saw it.
	LocalHealth int              // zero is well: see node/swim.
	Clash       string           // another process with this node's identity; empty: none was met.
	Retired     string           // why this node is a member no more; empty: it is one.
	Booked      bool             // the member table is on disk as shown, as far as identities, addresses, and who is gone.
	HandedOver  int              // members that have all that this one has to send them,
	HandOver    int              // and how many are needed before it may leave.
	Peers       []PeerStatus     // sorted by ID.
	Config      *Config          // in force; nil: the cluster is not founded yet.
	CaughtUp    uint64           // the last epoch with which this voter has caught up.
	Digest      uint64           // of everything that is durable here: members that hold the same have the same.
	Keys        int              // records, tombstones included.
	Bootstrap   *BootstrapStatus // nil: none is under way.
	Counters    Counters
}

// BootstrapStatus says how far a newcomer has come.
type BootstrapStatus struct {
	Phase     string // waiting, pulling or comparing.
	Serving   bool   // it serves what it has, because nobody could be reached in time.
	Server    ID     // from whom it pulls; zero: nobody at the moment.
	KeysDone  uint64
	KeysAll   uint64 // about; zero: not known yet.
	BytesDone uint64
	BytesAll  uint64
	Band      int // of Bands, from the newest on; zero-based.
	Bands     int
	Rate      uint64        // bytes a second.
	ETA       time.Duration // zero: not known.
	Resumed   bool          // it goes on where a former run stopped.
	Ready     []string      // addresses of members to which clients may be sent.
}

// PeerStatus is the state of replication towards one peer.
type PeerStatus struct {
	ID           ID
	QueueEntries int
	QueueBytes   int
	Dropped      uint64        // entries dropped because the queue was full.
	LastAck      time.Duration // monotonic; zero: never.
	LastEqual    time.Duration // monotonic; when it was last seen to hold the same as this member; zero: never.
	Away         time.Duration // since the peer was found dead: what is queued are hints. Zero: it is not dead.
	HintsFull    uint64        // hints dropped because there were too many,
	HintsExpired uint64        // and because the peer was away for too long.

	ClockMeasured bool          // recently enough; otherwise the two below mean nothing.
	ClockOffset   time.Duration // how far the peer's wall clock is ahead of this node's,
	ClockError    time.Duration // give or take.
}

// Counters only ever grow during one run.
type Counters struct {
	Writes, Reads                                                uint64 // client operations through the core.
	ReplicatedOut, ReplicatedIn                                  uint64 // records sent in batches and acknowledged; records received.
	Merged, Stale                                                uint64 // received records that won, and that lost or were known.
	HintsFull, HintsExpired                                      uint64 // hints dropped: too many; away for too long.
	BootstrapPages, BootstrapKeys                                uint64 // pulled by this node as a newcomer.
	Expired                                                      uint64 // values that this member ended.
	TombstonesDropped                                            uint64 // every member had them.
	ScrubRepairs                                                 uint64 // records whose entry in the index was put right, rotten ones included.
	QueueDropped                                                 uint64
	ConflictsSeen, ConflictChanges                               uint64 // conflicts met; slots with several candidates stored.
	ConflictsSettled, ConflictsMajority, ConflictsOldest         uint64 // conflicts with a final winner; of them, by each rule,
	ConflictsLinearizable                                        uint64 // this one included.
	ConflictsDropped, ConflictsExpired                           uint64 // forgotten: because there were too many, and because of their age.
	Rounds, RoundsFast, RoundsRetried, RoundsUnknown             uint64 // linearizable operations: rounds begun, answered by a look alone, begun anew, ended unknown.
	RoundLooks, RoundPrepares, RoundAccepts                      uint64 // questions that this node has put to all voters, by phase: one round trip each.
	OtherFounding                                                uint64
	SyncRounds, SyncPulled, SyncPushed                           uint64
	DatagramsIn, DatagramsBad, FramesIn, FramesBad, OtherCluster uint64
	FramesLate                                                   uint64 // sent before what their sender has acknowledged since: see stamps.go.
}

// Peers appends to ids the members that this node replicates to at the moment.
func (n *Node) Peers(ids []ID) []ID {
	for _, p := range n.peers {
		ids = append(ids, p.id)
	}
	return ids
}
