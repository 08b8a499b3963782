package replication

import (
	"kvs/node/slot"
	"kvs/node/wire"
)

// sendQueue holds records for one peer, oldest first, one a path: a newer version takes its predecessor's place. It is
// bounded in bytes; when it is full the oldest are dropped and counted, and the comparison of members repairs that.
type sendQueue struct {
	ring  []wire.Entry
	head  int // index of the oldest in ring; those before are gone.
	gone  uint64
	index map[string]uint64 // path -> position counted from the first entry ever.
	bytes int
}

func (q *sendQueue) len() int { return len(q.ring) - q.head }

// push takes in a record and drops from the front what exceeds BytesMax. It returns the number dropped.
func (q *sendQueue) push(e wire.Entry, bytesMax int) uint64 {
	if q.index == nil {
		q.index = make(map[string]uint64)
	}
	if at, ok := q.index[e.Path]; ok {
		old := &q.ring[q.head+int(at-q.gone)]
		if later(e.Record, old.Record) {
			q.bytes += e.WireBytes() - old.WireBytes()
			*old = e
		}
	} else {
		q.index[e.Path] = q.gone + uint64(q.len())
		q.ring = append(q.ring, e)
		q.bytes += e.WireBytes()
	}
	dropped := uint64(0)
	for q.bytes > bytesMax && q.len() > 1 {
		q.pop()
		dropped++
	}
	return dropped
}

func (q *sendQueue) pop() wire.Entry {
	e := q.ring[q.head]
	q.ring[q.head] = wire.Entry{}
	q.head++
	q.gone++
	delete(q.index, e.Path)
	q.bytes -= e.WireBytes()
	if q.len() == 0 {
		q.ring, q.head = q.ring[:0], 0
	}
	if q.head > 64 && q.head*2 > len(q.ring) {
		n := copy(q.ring, q.ring[q.head:])
		clear(q.ring[n:])
		q.ring, q.head = q.ring[:n], 0
	}
	return e
}

// later reports whether slot a of a path takes the place of b. Of one timestamp the longer slot is the later:
// candidates and votes are only ever added, and a write that takes the place of the end of a value is at least as long.
// A slot with a consensus half is always the whole of what this member holds.
func later(a, b []byte) bool {
	at, bt := slot.EncodedTimestamp(a), slot.EncodedTimestamp(b)
	return at > bt || at == bt && len(a) >= len(b) || slot.EncodedBoth(a)
}
