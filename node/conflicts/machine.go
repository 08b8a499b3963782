// Package conflicts is the machine that remembers conflicts: slots of which several members stored different
// candidates. It decides a conflict again when its candidates or votes change, reports the decision to the world, and
// keeps the candidates for a day, so that a write that lost can be fetched.
//
// It does not merge slots (node/slot and node/replication do), and it sends no messages. Begin with Machine.
package conflicts

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
)

// Owner is what the machine asks of its node.
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
	stored  uint64                    // the clock that is on disk, at least.
}

// New returns an empty machine: call Recover before other methods, once the electorate is known.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }
