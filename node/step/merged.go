package step

import (
	"kvs/node/contract"
	"kvs/node/slot"
)

// Merged says what a merge of a slot that a peer holds has found.
type Merged struct {
	After  contract.PersistID // wait for it before saying that this slot or something newer is held.
	Theirs slot.Version       // the version that the peer holds.
	Above  slot.Timestamp     // of what this member holds, if that is above theirs; else zero.
}
