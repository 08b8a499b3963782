package step

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/schema"
	"kvs/node/slot"
)

// promised is what this member has promised in rounds, as far as records do not tell. Two things make use of it.
//
// A promise alone is not stored. It is kept in memory until an accepted record, which is stored with its own promise,
// takes its place. What is durable is a bound: before a promise is given, a timestamp at or above it is on disk, a
// second ahead, so that one persist serves many promises. After a restart the member goes on as if it had promised a
// ballot above that bound on every path. So it breaks none of the promises of its former runs: it refuses some ballots
// that it need not refuse, and the proposer comes again with a higher one.
//
// A slot that rots takes its promise and what was accepted with it. With a bound of all of them the member knows a
// ballot that is above all that it may have lost. See docs/explanation/protocol.md, "Linearizable
// operations" and "Rot".
//
// The record m/promises: format u8, boots u64, bound u64, epoch u64; from format 2 on: unstored u64, its epoch u64.
// Boots tells whether a version of kvs that does not keep the bound has run since: then, as in a store that was made by
// one, the bound holds for what was promised in that epoch and in later ones. Ballots begin with the epoch, so what was
// promised before is below these anyway. A version that knows format 1 alone would break promises; it refuses to start.
type promised struct {
	bound slot.Timestamp // at or above the timestamps of all ballots that records hold; durable before they are.
	epoch uint64         // what was promised in this epoch, and after it, is below the bound.

	unstored slot.Ballot          // the bound of the promises without a record; its epoch is that of the last of them.
	after    contract.PersistID   // the persist of unstored;
	durable  slot.Ballot          // until then, this one is on disk.
	byPath   *Recent[slot.Ballot] // the promises without a record.
	floor    slot.Ballot          // at or above those of former runs, and those that byPath had no room for.
}

const (
	promisesFormat   = 2
	promisesBytesMax = 4 << 20 // of promised.byPath.
)

// lostBytesMax bounds what is kept of paths that cannot be read. What is left out is drawn anew, and higher.
const lostBytesMax = 1 << 20

// RecoverPromises reads the bounds. It is called once the configuration is known; the start joins the first persist.
func (s *Shared) RecoverPromises() error {
	p := &s.promised
	p.byPath = NewRecent[slot.Ballot](promisesBytesMax)
	b, ok, err := s.Store.Get(schema.KeyPromises)
	if err != nil {
		return fmt.Errorf("recover promises: %w", err)
	}
	boots := uint64(0)
	if ok {
		r, format, err := schema.OpenUpTo(schema.KeyPromises, b, promisesFormat)
		if err != nil {
			return fmt.Errorf("recover promises: %w", err)
		}
		boots = r.U64()
		p.bound, p.epoch = slot.ReadTimestamp(r), r.U64()
		if format > 1 {
			p.unstored = slot.Ballot{TS: slot.ReadTimestamp(r), Epoch: r.U64()}
		}
		if r.End() != nil {
			return fmt.Errorf("recover promises: impossible content: %w", codec.ErrCorrupt)
		}
	}
	if boots+1 != s.Boots {
		p.epoch = s.Epoch() + 1
	}
	if p.durable = p.unstored; !p.unstored.IsZero() {
		p.floor = slot.Ballot{Epoch: p.unstored.Epoch, TS: min(p.unstored.TS+1, hlc.Last)}
		s.HLC.Observe(p.floor.TS) // it acknowledges tombstones with a fence above its promises.
	}
	s.Changes = append(s.Changes, s.promisesChange())
	return nil
}

func (s *Shared) promisesChange() contract.Change {
	p := &s.promised
	b := []byte{promisesFormat}
	b = binary.LittleEndian.AppendUint64(b, s.Boots)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.bound))
	b = binary.LittleEndian.AppendUint64(b, p.epoch)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.unstored.TS))
	b = binary.LittleEndian.AppendUint64(b, p.unstored.Epoch)
	return contract.Change{Key: schema.KeyPromises, Value: schema.Seal(schema.KeyPromises, b)}
}

// ahead is a bound that serves the promises of the time that follows ts.
func ahead(ts slot.Timestamp) slot.Timestamp {
	return max(ts, min(hlc.Make(ts.Wall()+hlc.BoundWindowMillis, 0), hlc.Last-1))
}

// Promise notes that the running step's persist promises or accepts a ballot with that timestamp. A higher bound joins
// the persist; it is put ahead, so that it serves many promises.
func (s *Shared) Promise(ts slot.Timestamp) {
	if ts <= s.promised.bound {
		return
	}
	s.promised.bound = ahead(ts)
	s.Changes = append(s.Changes, s.promisesChange())
}

// PromiseInMemory keeps the promise of b on a path, where it is the highest, for this run. Stored ends it.
func (s *Shared) PromiseInMemory(path string, b slot.Ballot) {
	p := &s.promised
	for !p.byPath.Fits(path, slot.BallotBytes) {
		oldest := p.byPath.Oldest()
		p.floor = p.floor.Max(*p.byPath.Look(oldest))
		p.byPath.Drop(oldest)
	}
	p.byPath.Put(path, b, slot.BallotBytes)
}

// PromiseUnstored is PromiseInMemory, and holds later runs to the promise as well. It returns the persist that has to
// be durable before another member hears of it; zero: none.
func (s *Shared) PromiseUnstored(path string, b slot.Ballot) contract.PersistID {
	s.PromiseInMemory(path, b)
	p := &s.promised
	if p.after <= s.Durable {
		p.durable = p.unstored
	}
	// The next bound is on its way before it is needed, so that few promises wait for it.
	soon := slot.Ballot{Epoch: b.Epoch, TS: min(hlc.Make(b.TS.Wall()+hlc.BoundWindowMillis/2, 0), hlc.Last-1)}
	if p.unstored.Compare(soon) < 0 {
		p.unstored = slot.Ballot{Epoch: b.Epoch, TS: ahead(b.TS)}
		p.after = s.NextPersist()
		s.Changes = append(s.Changes, s.promisesChange())
	}
	if b.Epoch == p.durable.Epoch && b.TS <= p.durable.TS {
		return 0
	}
	return p.after
}

// Stored ends the promise on a path that is in memory only: the running step's persist stores a higher one.
func (s *Shared) Stored(path string) {
	if s.promised.byPath != nil {
		s.promised.byPath.Drop(path)
	}
}

// Promised is the highest ballot that this run has promised on a path, where stored is that of the record.
func (s *Shared) Promised(path string, stored slot.Ballot) slot.Ballot {
	if s.promised.byPath != nil {
		if b := s.promised.byPath.Look(path); b != nil {
			return stored.Max(*b)
		}
	}
	return stored
}

// MayHavePromised is a ballot at or above the highest that this member has promised on a path, former runs included.
func (s *Shared) MayHavePromised(path string, stored slot.Ballot) slot.Ballot {
	return s.Promised(path, stored).Max(s.promised.floor)
}

// Lost is the consensus half of a slot that cannot be read: above everything that it may have held. This run has
// observed the timestamps of all that it promised, and earlier runs left the bound. It stays the same until the path is
// written again, so that a proposer can get above it while other paths go on.
func (s *Shared) Lost(path string) *slot.Consensus {
	if s.lost == nil {
		s.lost = NewRecent[slot.Ballot](lostBytesMax)
	}
	if kept := s.lost.Get(path); kept != nil {
		return &slot.Consensus{Blind: true, Promised: *kept}
	}
	above := max(s.HLC.Last(), s.promised.bound, s.promised.unstored.TS) + 1
	b := slot.Ballot{Epoch: max(s.Epoch(), s.promised.epoch), TS: above}
	s.lost.Put(path, b, slot.BallotBytes)
	return &slot.Consensus{Blind: true, Promised: b}
}

// PromisesBounded is the epoch from which on the bound holds.
func (s *Shared) PromisesBounded() uint64 { return s.promised.epoch }

// AppendPromises appends what the further course of rounds depends on, for explorers.
func (s *Shared) AppendPromises(b []byte) []byte {
	p := &s.promised
	b = binary.LittleEndian.AppendUint64(b, uint64(p.bound))
	b = slot.AppendBallot(slot.AppendBallot(b, p.unstored), p.floor)
	b = codec.AppendBool(slot.AppendBallot(b, p.durable), p.after <= s.Durable)
	for _, paths := range []*Recent[slot.Ballot]{s.lost, p.byPath} {
		if paths == nil {
			continue
		}
		for _, path := range paths.Keys() {
			b = slot.AppendBallot(codec.AppendString(b, path), *paths.Look(path))
		}
	}
	return b
}
