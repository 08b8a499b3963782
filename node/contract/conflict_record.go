package contract

import "kvs/node/slot"

// ConflictRecord is one decision of a conflict, as this node knows it.
type ConflictRecord struct {
	Path     string
	Slot     slot.Slot // its candidates without their values, which are on disk: see node/conflicts.
	Bytes    []int     // the length of each candidate's value.
	Decision slot.Decision
	Seen     int64 // wall time, milliseconds since the Unix epoch, of the last change.

	Age  uint64 // the loser store's clock at the last change.
	Size int    // of the stored entry.
}
