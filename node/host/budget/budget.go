// Package budget bounds the memory of a node for bodies and frames that are arriving, and reads them so that memory
// grows with the bytes that have arrived, not with the announced length.
package budget

import (
	"errors"
	"io"
	"sync/atomic"
)

// SmallBytes is the length below which a body is not counted: the number of connections bounds the sum of those.
const SmallBytes = 8 << 10

// Bytes is a number of bytes that may be in use at once. It is safe for concurrent use.
type Bytes struct {
	Max  int64 // set before the first use.
	used atomic.Int64
}

// Take reserves n bytes, if that many are left.
func (b *Bytes) Take(n int) bool {
	if b.used.Add(int64(n)) <= b.Max {
		return true
	}
	b.used.Add(-int64(n))
	return false
}

// Give returns n bytes that Take has reserved.
func (b *Bytes) Give(n int) { b.used.Add(-int64(n)) }

// Used is how many bytes are reserved.
func (b *Bytes) Used() int64 { return b.used.Load() }

// Why a body cannot be read. Other errors are those of the reader.
var (
	ErrTooLarge = errors.New("the body is too large")
	ErrNoRoom   = errors.New("no room for the body")
)

// Read reads a body of announced bytes, or, if that is below zero, to its end; at most limit bytes. held is how much it
// has taken from room, also with an error: the caller gives it back.
func Read(r io.Reader, announced, limit int, room *Bytes) (body []byte, held int, err error) {
	most := limit + 1 // one byte more shows that the body is too large.
	if announced >= 0 {
		if announced > limit {
			return nil, 0, ErrTooLarge
		}
		most = announced
	}
	body = make([]byte, 0, min(most, SmallBytes))
	for len(body) < most {
		if len(body) == cap(body) {
			size := min(2*cap(body), most)
			if !room.Take(size - held) {
				return nil, held, ErrNoRoom
			}
			held = size
			body = append(make([]byte, 0, size), body...)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF && (announced < 0 || len(body) == announced):
			return body, held, nil
		case err == io.EOF:
			return nil, held, io.ErrUnexpectedEOF
		case err != nil:
			return nil, held, err
		}
	}
	if announced < 0 {
		return nil, held, ErrTooLarge
	}
	return body, held, nil
}
