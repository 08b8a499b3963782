package register

import (
	"kvs/node/slot"
	"kvs/node/wire"
)

// errand is the part of another member in an operation.
type errand struct {
	peer  slot.ID
	round uint64 // the answer repeats it.
	tries int
	over  bool // this member has taken the operation over.
	last  bool // and there is nothing left for it to do but wait for the answer.
	// what the other member answered while this one ran the operation; nil: nothing. It shares the message's memory.
	said *wire.Forwarded
}

const errandTriesMax = 3 // of one operation that is declined.

// origin is the member for whose client an operation is.
type origin struct {
	peer  slot.ID
	round uint64
}
