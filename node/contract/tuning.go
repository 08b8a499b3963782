package contract

import (
	"fmt"
	"time"

	"kvs/node/slot"
)

// Tuning holds the bounds and intervals of the core. Start from DefaultTuning.
type Tuning struct {
	QueueBytesMax   int           // per peer: records waiting to be sent; beyond it the oldest are dropped and counted.
	HintTTL         time.Duration // hints for a dead peer are dropped this long after its death.
	BatchBytesMax   int           // per message: records of one replicate, but always at least one record.
	AckTimeout      time.Duration // an unacknowledged batch is sent again after it, then after twice as long, ...
	RetryDelayMax   time.Duration // ... up to this.
	SyncInterval    time.Duration // a full comparison with one random peer begins this often, give or take a quarter.
	SyncPatience    time.Duration // how long the digests of two members differ before they are compared out of turn.
	SyncIntervalMax time.Duration // the distance between comparisons grows up to this while all peers turn out equal.
	SyncTimeout     time.Duration // a comparison whose peer is silent for so long is given up.
	SyncPageKeys    int           // keys compared in one message, at most SyncKeysMax.
	SyncPullBytes   int           // records sent at the most in answer to one pull.
	MembersBytesMax int           // the address book kept on disk.

	MaxClockOffset time.Duration // the node takes no writes when its clock differs by more from most peers.

	BootstrapRate      int           // bytes a second that a newcomer pulls.
	BootstrapPageBytes int           // records of one page, but always at least one record.
	BootstrapWait      time.Duration // a newcomer that finds no member that serves, serves what it has after it.
	// TombstoneGrace is the least time that a tombstone stays, up to a quarter more. A tombstone is never collected
	// before all members have it.
	TombstoneGrace time.Duration

	// Forwards: operations at the linearizable level go to the preferred proposer of their path, see node/register.
	Forwards bool

	ChangesMax      int // persists whose changes the log of changes holds,
	ChangesBytesMax int // and the bytes of them, but always the last one.
}

// DefaultTuning returns what production runs with.
func DefaultTuning() Tuning {
	return Tuning{
		QueueBytesMax:   32 << 20,
		HintTTL:         time.Hour,
		BatchBytesMax:   1 << 20,
		AckTimeout:      time.Second,
		RetryDelayMax:   10 * time.Second,
		SyncInterval:    5 * time.Second,
		SyncPatience:    1500 * time.Millisecond,
		SyncIntervalMax: 2 * time.Minute,
		SyncTimeout:     3 * time.Second,
		SyncPageKeys:    512,
		SyncPullBytes:   8 << 20,
		MembersBytesMax: 256 << 10,
		MaxClockOffset:  500 * time.Millisecond,

		BootstrapRate:      32 << 20,
		BootstrapPageBytes: 256 << 10,
		BootstrapWait:      10 * time.Second,
		TombstoneGrace:     time.Hour,

		Forwards: true,

		ChangesMax:      1 << 16,
		ChangesBytesMax: 8 << 20,
	}
}

// minTombstoneGrace bounds the work of looking for tombstones.
const minTombstoneGrace = 100 * time.Millisecond

// ChangesHardMax bounds the entries of the log of changes.
const ChangesHardMax = 1 << 20

// SyncKeysMax bounds the keys compared in one message.
const SyncKeysMax = 2048

// Check returns what is wrong with t.
func (t *Tuning) Check() error {
	switch {
	case t.QueueBytesMax < slot.RecordBytesMax:
		return fmt.Errorf("tuning: queue of %d bytes cannot hold one record of %d", t.QueueBytesMax,
			slot.RecordBytesMax)
	case t.BatchBytesMax < 1 || t.BatchBytesMax > slot.ValueBytesHardMax:
		return fmt.Errorf("tuning: batch of %d bytes, want 1 to %d", t.BatchBytesMax, slot.ValueBytesHardMax)
	case t.HintTTL <= 0:
		return fmt.Errorf("tuning: hints kept for %v, want more than zero", t.HintTTL)
	case t.AckTimeout <= 0 || t.RetryDelayMax < t.AckTimeout:
		return fmt.Errorf("tuning: acknowledgement timeout %v must be above zero and not above the retry delay %v",
			t.AckTimeout, t.RetryDelayMax)
	case t.SyncInterval <= 0 || t.SyncTimeout <= 0 || t.SyncPatience <= 0 || t.SyncIntervalMax < t.SyncInterval:
		return fmt.Errorf("tuning: sync interval %v, timeout %v and patience %v must be above zero, the longest "+
			"interval %v not below the interval", t.SyncInterval, t.SyncTimeout, t.SyncPatience, t.SyncIntervalMax)
	case t.SyncPageKeys < 1 || t.SyncPageKeys > SyncKeysMax:
		return fmt.Errorf("tuning: sync page of %d keys, want 1 to %d", t.SyncPageKeys, SyncKeysMax)
	case t.TombstoneGrace < minTombstoneGrace:
		return fmt.Errorf("tuning: tombstone grace %v, want %v or more", t.TombstoneGrace, minTombstoneGrace)
	case t.SyncPullBytes < 1 || t.MembersBytesMax < 1:
		return fmt.Errorf("tuning: sync pull bytes %d and member bytes %d must be above zero", t.SyncPullBytes,
			t.MembersBytesMax)
	case t.MaxClockOffset <= 0:
		return fmt.Errorf("tuning: clock offset of at most %v, want more than zero: two clocks always differ a little",
			t.MaxClockOffset)
	case t.BootstrapRate < 1 || t.BootstrapPageBytes < 1 || t.BootstrapPageBytes > slot.ValueBytesHardMax ||
		t.BootstrapWait < 0:
		return fmt.Errorf("tuning: bootstrap rate %d and page bytes %d must be above zero, the wait %v not below it",
			t.BootstrapRate, t.BootstrapPageBytes, t.BootstrapWait)
	case t.ChangesMax < 1 || t.ChangesMax > ChangesHardMax || t.ChangesBytesMax < 1:
		return fmt.Errorf("tuning: a log of %d changes and %d bytes, want 1 to %d changes, and a byte or more",
			t.ChangesMax, t.ChangesBytesMax, ChangesHardMax)
	}
	return nil
}
