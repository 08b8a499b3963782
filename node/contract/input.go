package contract

import "kvs/node/slot"

// Input is something that happens to a node. The concrete types in this file are the complete list.
type Input interface{ input() }

// Tick says that time has passed. The world sends it at Effects.Wake or any time later.
type Tick struct{}

// Datagram is a gossip packet from address From. Data is only borrowed for the call.
type Datagram struct {
	From string
	Data []byte
}

// Frame is one message that came over a stream. Data passes into the node's ownership: it may keep parts of it.
//
// By is the name of a member that the other end of the stream has proved to be, by a certificate; empty: streams prove
// no names here. A frame whose sender has another name is refused.
type Frame struct {
	Data []byte
	By   string
}

// Persisted says that every persist up to UpTo is durable. With Err set, the persists above UpTo failed and may or may
// not be on disk; from then on the node does not trust its state and is in ModeFailed.
type Persisted struct {
	UpTo PersistID
	Err  error
}

// Join asks the node to contact the members at these addresses, now and until one of them answers.
type Join struct{ Addrs []string }

// Leave asks the node to announce that it leaves on purpose. The world keeps stepping until Status().Left or a deadline
// of its own, then stops.
type Leave struct{}

// Reasons for being read-only.
const (
	ReasonConfig   = "config"   // the configuration says so.
	ReasonOperator = "operator" // an operator asked for it.
	ReasonDisk     = "disk"     // the disk is nearly full.
	// ReasonDiskReserve is set beside ReasonDisk when there is no room for deletions either.
	ReasonDiskReserve = "disk-reserve"
	ReasonClock       = "clock" // the clock is too far off, see node/clocks.
	// ReasonExhausted: the hybrid clock has no timestamp left that others would accept, see node/hlc.
	ReasonExhausted = "clock-exhausted"
)

// SetReadOnly raises or clears one reason for being read-only. A node is read-only while it has a reason.
type SetReadOnly struct {
	Reason string // one of the constants above.
	On     bool
}

func (Tick) input()         {}
func (*Datagram) input()    {}
func (*Frame) input()       {}
func (*Persisted) input()   {}
func (*Join) input()        {}
func (Leave) input()        {}
func (*SetReadOnly) input() {}
func (*Request) input()     {}

// Remove asks the node to take a member out for good. It is refused, with a log line, for this node itself and for an
// unknown member, and without Force for a member that is alive, or a voter without which the others have no majority;
// CanRemove tells it in advance. The world waits until Status shows the member removed and Booked.
type Remove struct {
	ID    slot.ID
	Force bool
}

func (*Remove) input() {}
