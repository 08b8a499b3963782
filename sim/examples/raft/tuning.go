package raft

import (
	"errors"
	"time"
)

// Tuning is the configuration of a cluster, the same for all its nodes.
type Tuning struct {
	Tick           time.Duration // between two ticks of the library.
	HeartbeatTicks int
	ElectionTicks  int // a follower waits for as many, up to twice as many, without a message from a leader.
	PreVote        bool
	CheckQuorum    bool
	LeaseReads     bool // reads trust the leader's lease instead of a round of heartbeats.
	Async          bool // the library's asynchronous storage writes, instead of Ready and Advance.
	Voters         int  // nodes 1 to Voters are the first configuration; the others are not in it.

	// Allowed by the library's documentation, but breaks promises. See README.md, "What it found".
	EarlyVotes     bool // with Async: a request for votes leaves before the candidate's own term and vote are durable.
	EarlySnapshots bool // without Async: a snapshot is handed to the library between a Ready and its Advance.

	SnapshotEvery int // entries applied between two snapshots.
	KeepEntries   int // entries left in the log before the snapshot.
	EntriesBytes  int // of one append message, at most, but for one entry.
}

// DefaultTuning is that of etcd with everything ten times as fast, and snapshots so often that every run has many.
func DefaultTuning() Tuning {
	return Tuning{
		Tick: 10 * time.Millisecond, HeartbeatTicks: 2, ElectionTicks: 12, PreVote: true, CheckQuorum: true,
		Voters: 3, SnapshotEvery: 40, KeepEntries: 10, EntriesBytes: 1024,
	}
}

func (t *Tuning) validate() error {
	switch {
	case t.Tick <= 0 || t.HeartbeatTicks < 1 || t.ElectionTicks <= t.HeartbeatTicks:
		return errors.New("raft: tick must be above zero, and the election must take more ticks than the heartbeat")
	case t.LeaseReads && !t.CheckQuorum:
		return errors.New("raft: reads by lease need check-quorum")
	case t.Voters < 1:
		return errors.New("raft: at least one voter is needed")
	case t.SnapshotEvery < 1 || t.KeepEntries < 0 || t.KeepEntries >= t.SnapshotEvery:
		return errors.New("raft: a snapshot must come after one entry or more, and keep fewer than come between two")
	case t.EntriesBytes < 1:
		return errors.New("raft: the size of append messages must be above zero")
	}
	return nil
}
