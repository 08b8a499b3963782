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

// promised bounds what this member has promised and accepted in rounds, on all paths together. A slot that rots takes
// its promise with it. With the bound the member knows a ballot that is above all that it may have lost: it goes on as
// if it had promised that one. See docs/explanation/protocol.md, rot.
//
// The record m/promises: format u8, boots u64, bound u64, epoch u64. Boots tells whether a version of kvs that does not
// keep the bound has run since: then, as in a store that was made by one, the bound holds for what was promised in that
// epoch and in later ones. Ballots begin with the epoch, so what was promised before is below these anyway.
type promised struct {
	bound slot.Timestamp // at or above the timestamps of all ballots that are promised; durable before they are.
	epoch uint64         // what was promised in this epoch, and after it, is below the bound.
}

// lostBytesMax bounds what is kept of paths that cannot be read. What is left out is drawn anew, and higher.
const lostBytesMax = 1 << 20

// RecoverPromises reads the bound. It is called once the configuration is known; the start joins the first persist.
func (s *Shared) RecoverPromises() error {
	r, err := s.ReadMeta(schema.KeyPromises)
	if err != nil {
		return fmt.Errorf("recover promises: %w", err)
	}
	boots := uint64(0)
	if r != nil {
		boots = r.U64()
		s.promised = promised{bound: slot.ReadTimestamp(r), epoch: r.U64()}
		if r.End() != nil {
			return fmt.Errorf("recover promises: impossible content: %w", codec.ErrCorrupt)
		}
	}
	if boots+1 != s.Boots {
		s.promised.epoch = s.Epoch() + 1
	}
	s.Changes = append(s.Changes, s.promisesChange())
	return nil
}

func (s *Shared) promisesChange() contract.Change {
	b := []byte{schema.Format}
	b = binary.LittleEndian.AppendUint64(b, s.Boots)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.promised.bound))
	b = binary.LittleEndian.AppendUint64(b, s.promised.epoch)
	return contract.Change{Key: schema.KeyPromises, Value: schema.Seal(schema.KeyPromises, b)}
}

// Promise notes that the running step's persist promises or accepts a ballot with that timestamp. A higher bound joins
// the persist; it is put ahead, so that it serves many promises.
func (s *Shared) Promise(ts slot.Timestamp) {
	if ts <= s.promised.bound {
		return
	}
	s.promised.bound = max(ts, min(hlc.Make(ts.Wall()+hlc.BoundWindowMillis, 0), hlc.Last))
	s.Changes = append(s.Changes, s.promisesChange())
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
	above := max(s.HLC.Last(), s.promised.bound) + 1
	b := slot.Ballot{Epoch: max(s.Epoch(), s.promised.epoch), TS: above}
	s.lost.Put(path, b, slot.BallotBytes)
	return &slot.Consensus{Blind: true, Promised: b}
}

// PromisesBounded is the epoch from which on the bound holds.
func (s *Shared) PromisesBounded() uint64 { return s.promised.epoch }

// AppendPromises appends what the further course of rounds depends on, for explorers.
func (s *Shared) AppendPromises(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(s.promised.bound))
	if s.lost != nil {
		for _, path := range s.lost.Keys() {
			b = slot.AppendBallot(codec.AppendString(b, path), *s.lost.Look(path))
		}
	}
	return b
}
