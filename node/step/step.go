// Package step is what the machines of a node share while a step runs (Shared): the node's identity, the time, the
// store with the writes in flight to it, and the effects. A machine of the core holds a *Shared and an interface of its
// own to its owner, and nothing else of the node.
//
// It makes no decisions. Begin with Shared.
package step

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/invariant"
	"kvs/node/merkle"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/voting"
	"kvs/node/wire"
)

// Shared is what the machines of a node have in common: the node's identity, the time, the store with the writes in
// flight to it, and the effects of the running step. A node has one Shared; it points it at the effects of each step.
//
// A machine may read every field. It writes through the methods, and to the fields whose comments name it as their
// writer.
type Shared struct {
	Self    slot.ID
	Addr    string // "host:port" at which the other members reach this node.
	Cluster uint32 // hash of the cluster's name, in every envelope.
	// tag of the founding of the configuration in force; zero: there is none. The configuration's machine writes it.
	Founded uint32
	Tuning  contract.Tuning
	Rand    *rand.Rand
	Store   contract.Reader
	HLC     hlc.Clock
	Born    slot.Timestamp // when this identity was made.
	Boots   uint64         // starts of this identity, this one included.
	Started time.Duration  // monotonic time of this start.

	Now      contract.Time     // of the running step.
	Eff      *contract.Effects `image:"-"` // of the running step; nil between steps.
	Counters contract.Counters
	LogLevel contract.LogLevel // lines below it are not made.

	Persists contract.PersistID // the highest one handed out.
	Durable  contract.PersistID
	Changes  []contract.Change // what the running step persists.
	room     []contract.Change `image:"-"` // see roomForWrite.
	frames   []byte            `image:"-"` // see roomForFrame.
	promised promised
	lost     *Recent[slot.Ballot] // by path: what stands for a slot that cannot be read, see Lost; nil: none was met.
	Overlay  Overlay
	recent   *Recent[recentSlot] // nil: none are kept, see KeepRecent.

	BootAfter contract.PersistID // no message is sent before this start is on disk.
	// BookAfter: records wait until the address book is durable, so that every recipient is known when a tombstone is
	// collected.
	BookAfter contract.PersistID
	// BoundAfter is the persist of the clock's bound: a timestamp that travels alone waits for it.
	BoundAfter contract.PersistID

	Exchanges uint64 // the number before the exchanges of this run.
	exchanged uint64 // numbers that NextExchange has given out in this run.
	Sealed    uint64 // envelopes of this run.
	sealed    sealedRing
	InStamp   wire.Stamp // of the frame that is being taken in.
	// Unvouched: no other member has said in this run that this one is a member still, and that its data folder is not
	// an older copy. The node writes it, see node/vouch.go.
	Unvouched bool
	// Unheard: this member serves, because the wait for another member's word is over and none has answered. The node
	// writes it, see Mute.
	Unheard bool
	// Run is the number of this run for the other members: one above the last that was announced to them. Starts that
	// end before they are announced have the same number, and Boots counts them all.
	Run        uint64
	ClockWrong bool // this node knows its own clock to be wrong. The clock guard writes it.

	// InForce is the configuration in force; nil: the cluster is not founded yet. The configuration's machine writes
	// it, with InForceAfter: a message that relies on InForce waits for that persist.
	InForce      *voting.Config
	InForceAfter contract.PersistID
	CaughtUp     uint64 // the last epoch with which this voter has caught up. The configuration's machine writes it.

	// Hearsay is asked before a peer's timestamp is observed. It is never nil once the node runs.
	Hearsay Hearsay

	// Electorate decides conflicts. It is made of the member table, and never nil once the node runs.
	Electorate *slot.Electorate

	Roster []slot.Seat // sorted by ID: every member that has not left, this one included. The owner writes it.
	Peers  []*Peer     // sorted by ID: every member but this one and those that left. The owner writes it, see AddPeer.
}

// Epoch is that of the configuration in force; zero: there is none yet.
func (s *Shared) Epoch() uint64 {
	if s.InForce == nil {
		return 0
	}
	return s.InForce.Epoch
}

// Send hands a message to the world. No message leaves before this start of the node is on disk: an incarnation that
// others have seen must never be used again.
func (s *Shared) Send(t contract.Transport, to string, after contract.PersistID, data []byte) {
	after = max(after, s.BootAfter)
	if t == contract.TransportFrame && wire.Kind(data[1]) != wire.KindMemberTable {
		after = max(after, s.BookAfter)
	}
	if after <= s.Durable {
		after = 0
	}
	s.Eff.Sends = append(s.Eff.Sends, contract.Send{After: after, Transport: t, To: to, Data: data})
}

// Reply hands the answer to a request to the world, once the persist `after` is durable.
func (s *Shared) Reply(after contract.PersistID, r contract.Response) {
	if after <= s.Durable {
		after = 0
	}
	s.Eff.Replies = append(s.Eff.Replies, contract.Reply{After: after, Response: r})
}

// Refuse answers a request that had no effect.
func (s *Shared) Refuse(r *contract.Request, code contract.Code, detail string) {
	resp := contract.Response{ID: r.ID, Code: code, Level: r.Level, Detail: detail}
	if r.Op != contract.OpGet {
		resp.Outcome = contract.OutcomeNotApplied
	}
	switch code {
	case contract.CodeReadOnly, contract.CodeDiskFull, contract.CodeNoQuorum, contract.CodeSyncing,
		contract.CodeOverloaded:
		resp.RetryAfter = contract.RetryAfter
	}
	s.Reply(0, resp)
}

// Log hands a line to the world. Attrs alternate names and values.
func (s *Shared) Log(level contract.LogLevel, msg string, attrs ...any) {
	if level >= s.LogLevel {
		s.Eff.Logs = append(s.Eff.Logs, contract.Log{Level: level, Msg: msg, Attrs: attrs})
	}
}

// NextPersist is the ID under which everything of the running step becomes durable.
func (s *Shared) NextPersist() contract.PersistID { return s.Persists + 1 }

// NewUUID draws a UUID, version 4 of RFC 9562 section 5.4.
func (s *Shared) NewUUID() slot.UUID {
	var u slot.UUID
	a, b := s.Rand.Uint64(), s.Rand.Uint64()
	for i := range 8 {
		u[i], u[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// CurrentSlot reads a path through the overlay and decodes it. The slot shares memory with other results: what it
// points to must not be written.
func (s *Shared) CurrentSlot(path string) (Held, slot.Slot, error) {
	h, kept, err := s.current(path)
	switch {
	case err != nil || h.Record == nil:
		return h, slot.Slot{}, err
	case kept == nil:
		stored, err := slot.Decode(path, h.Record)
		return h, stored, err
	case !kept.decoded && kept.unread:
		kept.slot, err = slot.Decode(path, h.Record)
	case !kept.decoded:
		kept.slot, err = slot.DecodeOwn(path, h.Record)
	}
	if err != nil {
		s.recent.Drop(path) // a rotten record is read from the disk each time: it may be repaired.
		return h, slot.Slot{}, err
	}
	kept.decoded = true
	return h, kept.slot, nil
}

// CurrentInto is CurrentSlot into memory that is used again. When there is no record, or one that cannot be read, into
// is empty; rotten is what is wrong with the record in h then.
func (s *Shared) CurrentInto(into *slot.Slot, path string) (h Held, rotten, err error) {
	into.Clear()
	h, kept, err := s.current(path)
	switch {
	case err != nil || h.Record == nil:
	case kept != nil && kept.intact():
		rotten = into.DecodeOwn(path, h.Record)
	default:
		rotten = into.Decode(path, h.Record)
	}
	return h, rotten, err
}

// CurrentIntact is Current of a record that can be read. Errors are the store's, or what is wrong with the record.
func (s *Shared) CurrentIntact(path string) (Held, error) {
	if h, kept, err := s.current(path); kept != nil && kept.intact() {
		return h, err
	}
	h, _, err := s.CurrentSlot(path)
	return h, err
}

// StoredInto reads a path from the disk itself, bypassing the overlay and the recent paths, into reused memory. Key is
// the path's schema.RecordKey. It drops an unreadable path from the recent paths too: a copy that comes in repairs it.
func (s *Shared) StoredInto(into *slot.Slot, path, key string) error {
	b, ok, err := s.Store.Get(key)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrRead, err)
	}
	if err != nil || !ok {
		into.Clear()
		return err
	}
	if err = into.Decode(path, b); err != nil && s.recent != nil {
		s.recent.Drop(path)
	}
	return err
}

// ExchangeID numbers an exchange of messages with other members, so that answers can be matched. No other run or member
// gives out the same number: a message may reach another member that has the recipient's address by then, and an answer
// to another member's question must not count.
func (s *Shared) ExchangeID(count uint64) uint64 { return s.Exchanges + count }

// NextExchange returns the number of a new exchange. Unlike with ExchangeID the caller does not count.
func (s *Shared) NextExchange() uint64 {
	s.exchanged++
	return s.ExchangeID(s.exchanged)
}

// FirstExchange is the number at which the exchanges of a run begin: a random one, but low enough to last for the run.
// The salt is drawn at random, so that a number cannot be guessed: an answer counts because it repeats the number of
// the question.
func FirstExchange(id slot.ID, boots, salt uint64) uint64 {
	return merkle.Item(uint64(id), boots, salt, 0) >> 1
}

// NextStamp is the stamp of the next envelope.
func (s *Shared) NextStamp() wire.Stamp {
	s.Sealed++
	if !wire.StampsLeft(s.Boots, s.Sealed) {
		invariant.That(false, "stamps are used up: restart the node", "sealed", s.Sealed, "boots", s.Boots)
	}
	return s.LastStamp()
}

// LastStamp is at or above the stamps of all envelopes that this node has sealed.
func (s *Shared) LastStamp() wire.Stamp { return wire.StampOf(s.Boots, s.Sealed) }

// Held is the content of a path on this node, and the persist to wait for before showing it (zero: none).
type Held struct {
	Record []byte // encoded; nil: nothing.
	After  contract.PersistID
}

// Current reads a path through the overlay. Errors are the store's.
func (s *Shared) Current(path string) (Held, error) {
	h, _, err := s.current(path)
	return h, err
}

// current is Current, and the kept content of the path; nil: it cannot be kept.
func (s *Shared) current(path string) (Held, *recentSlot, error) {
	if s.recent != nil {
		if kept := s.recent.Get(path); kept != nil {
			h := Held{Record: kept.record}
			if kept.persist > s.Durable {
				h.After = kept.persist
			}
			return h, kept, nil
		}
	}
	if p, ok := s.Overlay.ByPath[path]; ok {
		return Held{p.Record, p.Persist}, nil, nil
	}
	key := schema.RecordKey(path)
	b, ok, err := s.Store.Get(key)
	if err != nil {
		return Held{}, nil, fmt.Errorf("%w: %w", ErrRead, err)
	}
	if !ok {
		b = nil
	}
	return Held{Record: b}, s.keep(path, recentSlot{record: b, unread: true, key: key}), nil
}

// WriteRecord puts an encoded slot in the running step's persist, and leaves the indexes as they are: for changes of
// the slot's promise alone. The persist owns record.
func (s *Shared) WriteRecord(path string, record []byte) contract.PersistID {
	key := s.recordKey(path)
	id := s.hold(path, record, key)
	if s.Changes == nil {
		s.Changes = s.roomForWrite()
	}
	s.Changes = append(s.Changes, contract.Change{Key: key, Value: record})
	return id
}

// roomForWrite is room for the record and its entry in the index. Some writes share one allocation.
func (s *Shared) roomForWrite() []contract.Change {
	const each, writes = 2, 8
	if len(s.room) == 0 {
		s.room = make([]contract.Change, each*writes)
	}
	room := s.room[:0:each]
	s.room = s.room[each:]
	return room
}

// Hold makes record the content of path for all reads from now on (nil: none): the running step's persist stores it.
func (s *Shared) Hold(path string, record []byte) contract.PersistID { return s.hold(path, record, "") }

// hold is Hold by one who has the path's schema.RecordKey.
func (s *Shared) hold(path string, record []byte, key string) contract.PersistID {
	id := s.NextPersist()
	s.Overlay.Put(path, record, id)
	if s.lost != nil {
		s.lost.Drop(path)
	}
	s.keep(path, recentSlot{record: record, persist: id, key: key})
	return id
}

// ReadMeta returns the fields under key, or nil when there is no such key.
func (s *Shared) ReadMeta(key string) (*codec.Reader, error) {
	b, ok, err := s.Store.Get(key)
	if err != nil || !ok {
		return nil, err
	}
	return schema.Open(key, b)
}

// BootChange is the record of this start, with the bound of the clock.
func (s *Shared) BootChange(bound slot.Timestamp) contract.Change {
	b := []byte{schema.Format}
	b = binary.LittleEndian.AppendUint64(b, s.Boots)
	b = binary.LittleEndian.AppendUint64(b, uint64(bound))
	return contract.Change{Key: schema.KeyBoot, Value: schema.Seal(schema.KeyBoot, b)}
}

// Exhausted is the error that this node has no timestamp left to issue; nil: it has some.
func (s *Shared) Exhausted() error {
	if s.HLC.Exhausted(s.wall()) {
		return hlc.ErrExhausted
	}
	return nil
}

// wall is the wall time for new timestamps. A clock that is known to be wrong is not used: linearizable reads and
// changes of the configuration go on without it, and others would adopt its time with their ballots.
func (s *Shared) wall() int64 {
	if s.ClockWrong {
		return 0
	}
	return s.Now.Wall
}

// Stamp issues a timestamp above `above`; a higher clock bound joins the running step's persist, and effects that carry
// the timestamp wait for that persist.
func (s *Shared) Stamp(above slot.Timestamp) (slot.Timestamp, error) {
	ts, bound, err := s.HLC.Next(s.wall(), above)
	if err == nil && bound != 0 {
		s.Changes = append(s.Changes, s.BootChange(bound))
		s.BoundAfter = s.NextPersist()
	}
	return ts, err
}

// roomForFrame is room for a frame of n bytes. Short ones share one allocation, which lives as long as one of them.
func (s *Shared) roomForFrame(n int) []byte {
	const piece = 2 << 10
	if n > piece/4 {
		return make([]byte, 0, n)
	}
	if n > len(s.frames) {
		s.frames = make([]byte, piece)
	}
	room := s.frames[:0:n]
	s.frames = s.frames[n:]
	return room
}

// Begin returns a buffer with room for bodyBytes that holds the header with a new stamp. The content of the body must
// have been read in the running step: see wire.Stamp.
func (s *Shared) Begin(kind wire.Kind, bodyBytes int) []byte {
	b := s.roomForFrame(wire.EnvelopeBytes + bodyBytes)
	b = append(b, wire.Version, byte(kind))
	b = binary.LittleEndian.AppendUint32(b, s.Cluster)
	b = binary.LittleEndian.AppendUint32(b, s.Founded)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Self))
	return binary.LittleEndian.AppendUint64(b, uint64(s.NextStamp()))
}
