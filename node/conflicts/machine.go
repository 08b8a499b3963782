// Package conflicts is the machine that remembers conflicts: slots of which several members stored different
// candidates. It decides each anew when more is known of it, tells the world, and keeps the candidates for a day, so
// that a write that lost can be fetched.
//
// It does not merge slots (node/slot and the replication do), and nothing of it travels. Begin with Machine.
package conflicts

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
)

// Owner is what the machine asks of the node that it belongs to.
type Owner interface {
	// MemberName is a member's name for people, or its ID when this member does not know it any more.
	MemberName(slot.ID) string
}

// Machine holds the last conflicts, one entry for each timestamp of a path, and stores them below
// schema.PrefixConflict. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	entries []contract.ConflictRecord // without values; the oldest change first.
	bytes   int                       // of the stored entries.
	base    uint64                    // the store's clock at the start of this run.
	stored  uint64                    // what of the clock is on disk, at least.
}

// New returns a machine that knows nothing yet: call Recover before anything else, once the electorate is known.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }
