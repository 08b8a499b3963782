// Package pool reduces the allocations of the simulator: it keeps values in numbered slots.
package pool

// Pool keeps values in numbered slots that are used again, so that an event can carry a number instead of a pointer.
type Pool[T any] struct {
	Slots []T
	free  []int32
}

// Put keeps a value, and returns the number of its slot.
func (p *Pool[T]) Put(v T) int32 {
	if n := len(p.free); n > 0 {
		slot := p.free[n-1]
		p.free = p.free[:n-1]
		p.Slots[slot] = v
		return slot
	}
	p.Slots = append(p.Slots, v)
	return int32(len(p.Slots) - 1)
}

// Set puts a value into the slot with a number. Set and Put must not be used together.
func (p *Pool[T]) Set(slot int32, v T) {
	for int(slot) >= len(p.Slots) {
		var none T
		p.Slots = append(p.Slots, none)
	}
	p.Slots[slot] = v
}

// At gives access to a slot until the next put.
func (p *Pool[T]) At(slot int32) *T { return &p.Slots[slot] }

// Take empties a slot and returns what was in it.
func (p *Pool[T]) Take(slot int32) T {
	v := p.Slots[slot]
	p.Drop(slot)
	return v
}

// Drop empties a slot.
func (p *Pool[T]) Drop(slot int32) {
	var none T
	p.Slots[slot] = none
	p.free = append(p.free, slot)
}

// Used is the number of slots that hold something.
func (p *Pool[T]) Used() int { return len(p.Slots) - len(p.free) }

// Slab hands out memory in pieces that many values share: one allocation for many is much cheaper than one for each. A
// piece lives as long as one of its values. The zero value is ready for use.
type Slab[T any] struct{ room []T }

// piece is how many values one allocation is for.
const piece = 32

// New returns a zero value.
func (s *Slab[T]) New() *T { return &s.Take(1)[:1][0] }

// Take returns an empty slice with room for n values.
func (s *Slab[T]) Take(n int) []T {
	if n > len(s.room) {
		if n > piece/4 {
			return make([]T, 0, n)
		}
		s.room = make([]T, piece)
	}
	out := s.room[:0:n]
	s.room = s.room[n:]
	return out
}

// Text is a Slab for copies of bytes.
type Text struct{ room []byte }

// textPiece is how many bytes one allocation is for.
const textPiece = 8 << 10

// Copy returns a copy that shares nothing with p.
func (t *Text) Copy(p []byte) []byte {
	if len(p) > textPiece/8 {
		return append([]byte(nil), p...)
	}
	if len(p) > len(t.room) {
		t.room = make([]byte, textPiece)
	}
	out := append(t.room[:0:len(p)], p...)
	t.room = t.room[len(p):]
	return out
}

// Queue hands out what was put in first. The zero value is empty.
type Queue[T any] struct {
	items []T
	first int
}

// Len is the number of values in it.
func (q *Queue[T]) Len() int { return len(q.items) - q.first }

// Push puts a value in.
func (q *Queue[T]) Push(v T) {
	if q.first > 0 && len(q.items) == cap(q.items) { // room is made in front before more is allocated.
		n := copy(q.items, q.items[q.first:])
		clear(q.items[n:])
		q.items, q.first = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

// First is the value that Pop returns next. As for Last and Pop, the queue must not be empty.
func (q *Queue[T]) First() *T { return &q.items[q.first] }

// Last is the value that was put in last.
func (q *Queue[T]) Last() *T { return &q.items[len(q.items)-1] }

// Pop takes out the value that was put in first.
func (q *Queue[T]) Pop() T {
	v := q.items[q.first]
	q.first++
	return v
}
