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
	Waits   string // what it waits for, in words.
	// members whose answers are missing, sorted; some of them may be enough. None: it waits for something else.
	Members []slot.ID
	Disk    bool          // it waits for this member's own disk as well.
	Since   time.Duration // monotonic; when the exchange under way began. Zero: not known.
}
