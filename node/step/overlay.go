package step

import (
	"errors"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// ErrRead is wrapped by errors of this member's own disk: what a peer or a client sent is none the worse.
var ErrRead = errors.New("a record cannot be read from the disk")

// ErrUnconfirmed says that something counts as lost until its sender has confirmed it, see node/hearsay.
var ErrUnconfirmed = errors.New("not believed before its sender has confirmed it")

// Hearsay says what may be believed of what a peer says, see node/hearsay.
type Hearsay interface {
	// Believes returns nil when a peer can have come by a timestamp, or ErrUnconfirmed.
	Believes(from *Peer, ts slot.Timestamp) error
}

// overlay holds the records that this node has written but whose persists are not durable yet. The core reads through
// it; whoever lets the world see something it found there waits for the persist that carries it.
type Overlay struct {
	ByPath map[string]Pending
	Order  []PendingPath // in the order of their persists.
}

type Pending struct {
	Record  []byte // encoded; nil: the path was erased.
	Persist contract.PersistID
}

type PendingPath struct {
	path    string
	persist contract.PersistID
}

func (o *Overlay) Init() { o.ByPath = make(map[string]Pending) }

func (o *Overlay) Put(path string, record []byte, persist contract.PersistID) {
	o.ByPath[path] = Pending{record, persist}
	o.Order = append(o.Order, PendingPath{path, persist})
}

// durable forgets what the store shows by now.
func (o *Overlay) Durable(upTo contract.PersistID) {
	done := 0
	for done < len(o.Order) && o.Order[done].persist <= upTo {
		p := o.Order[done].path
		if o.ByPath[p].Persist <= upTo {
			delete(o.ByPath, p) // also a no-op for a path whose earlier entry deleted it.
		}
		done++
	}
	if done > 0 {
		n := copy(o.Order, o.Order[done:])
		clear(o.Order[n:])
		o.Order = o.Order[:n]
	}
}

// recentSlot is what a recent path holds: what the store shows, or will once the persist is durable.
type recentSlot struct {
	record  []byte // encoded; nil: nothing.
	persist contract.PersistID
	slot    slot.Slot // record, decoded, if decoded.
	decoded bool
	unread  bool // record came from the disk, and its checksum has not been looked at.
}

// recentBytesMax bounds the memory of recent paths.
const recentBytesMax = 16 << 20

// KeepRecent keeps what recent paths hold in memory, so that a write to a warm path, and a message about it, read nothing
// from the store. Every write of a path goes through Hold, and nothing else changes the store under a client's path, so
// that what is kept is what the store shows or will show; what could not be read is never kept.
func (s *Shared) KeepRecent() { s.recent = NewRecent[recentSlot](recentBytesMax) }

// keep keeps what a path holds, and returns it; nil: it cannot be kept. The registers of configurations are erased
// without a word.
func (s *Shared) keep(path string, r recentSlot) *recentSlot {
	if s.recent == nil || schema.IsConfigPath(path) {
		return nil
	}
	s.recent.Put(path, r, len(r.record))
	return s.recent.Get(path)
}

// RecentPath is what is kept of a path, for tests: encoded, and whether anything is kept.
func (s *Shared) RecentPath(path string) (record []byte, kept bool) {
	if r := s.recent.Get(path); r != nil {
		return r.record, true
	}
	return nil, false
}

// ForgetRecent forgets what is kept of a path, for those who change a store behind the back of its node.
func (s *Shared) ForgetRecent(path string) { s.recent.Drop(path) }
