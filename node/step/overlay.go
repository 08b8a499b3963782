package step

import (
	"errors"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// ErrRead is wrapped by errors of this member's own disk: the message or request itself is valid.
var ErrRead = errors.New("a record cannot be read from the disk")

// ErrUnconfirmed means that a message counts as lost until its sender has confirmed it, see node/hearsay.
var ErrUnconfirmed = errors.New("not believed before its sender has confirmed it")

// Hearsay decides whether a peer's timestamp is believed, see node/hearsay.
type Hearsay interface {
	// Believes returns nil when it is plausible that a peer has seen a timestamp, or ErrUnconfirmed.
	Believes(from *Peer, ts slot.Timestamp) error
}

// Overlay holds the records that this node has written but whose persists are not durable yet. The core reads through
// it; an effect that shows a record of the overlay waits for the persist of that record.
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

// Durable drops the records that are durable now: the store has them.
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

// recentSlot is the content of a recent path: what the store has, or will have once the persist is durable.
type recentSlot struct {
	record  []byte // encoded; nil: nothing.
	persist contract.PersistID
	slot    slot.Slot // record, decoded, if decoded.
	decoded bool
	unread  bool // record came from the disk, and its checksum has not been checked.
	// key is the path's schema.RecordKey, once it was made; empty: it was not. Each write of a path needs it.
	key string `image:"-"`
}

// intact reports whether the record needs no check of its sum.
func (r *recentSlot) intact() bool { return r.decoded || !r.unread }

// recentBytesMax bounds the memory of recent paths.
const recentBytesMax = 16 << 20

// KeepRecent keeps the content of recent paths in memory, so that a write to a warm path, and a message about it, need
// no read from the store. Every write of a path goes through Hold, and nothing else changes the store under a client's
// path, so the content kept is what the store has or will have; an unreadable record is never kept.
func (s *Shared) KeepRecent() { s.recent = NewRecent[recentSlot](recentBytesMax) }

// keep keeps the content of a path, and returns it; nil: it cannot be kept. The registers of configurations are never
// kept: they are erased without a call of Hold.
func (s *Shared) keep(path string, r recentSlot) *recentSlot {
	if s.recent == nil || schema.IsConfigPath(path) {
		return nil
	}
	return s.recent.Put(path, r, len(r.record)+len(schema.PrefixRecord)+len(path))
}

// recordKey is the schema.RecordKey of a path, which is made once for a recent one.
func (s *Shared) recordKey(path string) string {
	if s.recent != nil {
		if kept := s.recent.Look(path); kept != nil && kept.key != "" {
			return kept.key
		}
	}
	return schema.RecordKey(path)
}

// Absent reports whether a read has shown that the store has no record under path, and nothing was written there since.
// False: it is not known without a read.
func (s *Shared) Absent(path string) bool {
	if s.recent == nil {
		return false
	}
	kept := s.recent.Look(path)
	return kept != nil && kept.record == nil && kept.persist == 0
}

// RecentPath is the content kept for a path, for tests: encoded, and whether it is kept.
func (s *Shared) RecentPath(path string) (record []byte, kept bool) {
	if r := s.recent.Get(path); r != nil {
		return r.record, true
	}
	return nil, false
}

// ForgetAllRecent drops all content kept of recent paths: it is read from the store again.
func (s *Shared) ForgetAllRecent() {
	if s.recent != nil {
		s.recent.Clear()
	}
}

// ForgetRecent drops the content kept for a path, for callers that change a store without its node.
func (s *Shared) ForgetRecent(path string) { s.recent.Drop(path) }
