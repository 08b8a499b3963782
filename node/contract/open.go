package contract

import (
	"time"

	"kvs/node/slot"
)

// OpenOperation is an operation of a client, or of the node itself, that waits for something.
type OpenOperation struct {
	Request uint64 // Request.ID; zero: no client waits for an answer.
	Op      OpKind
	Level   Level // Quorum or Linearizable: eventual operations wait for no member.
	Path    string
	Waits   string        // for what, in words.
	Members []slot.ID     // whose answers are missing, sorted; some of them may do. None: it waits for something else.
	Disk    bool          // this member's own disk is one of them.
	Since   time.Duration // monotonic; when the exchange under way began. Zero: not known.
}
