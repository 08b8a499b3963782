package wire

import (
	"hash/crc32"

	"kvs/node/codec"
	"kvs/node/schema"
	"kvs/node/slot"
)

// Replace replaces the values in a message, and seals it again. It returns as many bytes, in other memory. A message
// that its receiver drops because of its content stays such a message; of one whose seal is broken, or whose body is
// none of its kind, every byte is replaced in which a value may be.
//
// Configurations stay as they are, although the voters decide on them as on values: the core reads them.
//
// The answer to a prepare does not name its path: pathOf gives that of a round, and false for a round of which the
// receiver knows nothing, so that it does not read the record either.
func Replace(message []byte, by slot.Replacer, pathOf func(round uint64) (path string, known bool)) []byte {
	whole := len(message) >= EnvelopeBytes && message[0] == Version &&
		crc32.Checksum(message[:len(message)-4], codec.Castagnoli) == ReadSum(message)
	return slot.ReplaceSealed(message, HeaderBytes, func(body []byte) []byte {
		kind := Kind(message[1])
		switch {
		case !whole:
			return by.Value(body)
		case !kind.carriesValues():
			return body
		}
		body = append([]byte(nil), body...) // the slots of the decoded message are parts of it.
		m, err := kind.Decode(body)
		if err != nil {
			return by.Value(body)
		}
		switch m := m.(type) {
		case *Store:
			m.replaceInPlace(by)
		case *Fetched:
			m.replaceInPlace(by)
		case *Replicate:
			replaceEntries(m.Entries, by)
		case *Page:
			replaceEntries(m.Entries, by)
		case *CatchSlots:
			replaceEntries(m.Entries, by)
		case *Accept:
			replaceSlot(m.Path, body[m.Question.Room():], by)
		case *AcceptDirect:
			replaceSlot(m.Path, body[m.Question.Room()+8:], by)
		case *Forward:
			return m.replaced(by)
		case *Forwarded:
			return m.replaced(by)
		case *Promised:
			if path, known := pathOf(m.Round); known {
				replaceSlot(path, m.Record, by)
			} else if len(m.Record) > 0 {
				copy(m.Record, by.Value(m.Record))
			}
		}
		return body
	})
}

// carriesValues reports whether messages of this kind have stored slots in them, or values.
func (k Kind) carriesValues() bool {
	switch k {
	case KindStore, KindFetched, KindReplicate, KindPage, KindCatchSlots, KindPromised, KindAccept, KindAcceptDirect,
		KindForward, KindForwarded:
		return true
	}
	return false
}

// replaced is the body with another value in the request, and another key.
func (m *Forward) replaced(by slot.Replacer) []byte {
	r := &m.Request
	if len(r.Value) > 0 {
		r.Value = by.Value(r.Value)
	}
	r.Key, r.Fingerprint = slot.ReplaceKey(r.Key, by), by.Hash(r.Fingerprint)
	return m.Append(nil)
}

// replaced is the body with another value in the response.
func (m *Forwarded) replaced(by slot.Replacer) []byte {
	if rec := &m.Response.Record; len(rec.Value) > 0 {
		rec.Value = by.Value(rec.Value)
	}
	return m.Append(nil)
}

// ReplaceValues implements slot.Replaceable.
func (e *Entry) ReplaceValues(by slot.Replacer) bool {
	e.Record = append([]byte(nil), e.Record...)
	e.replaceInPlace(by)
	return false
}

func (e *Entry) replaceInPlace(by slot.Replacer) { replaceSlot(e.Path, e.Record, by) }

func replaceEntries(entries []Entry, by slot.Replacer) {
	for i := range entries {
		entries[i].replaceInPlace(by)
	}
}

// replaceSlot replaces the values in an encoded slot in its own memory.
func replaceSlot(path string, record []byte, by slot.Replacer) {
	if !schema.IsConfigPath(path) {
		copy(record, slot.ReplaceEncoded(path, record, by))
	}
}
