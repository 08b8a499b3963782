// Package pool reduces the allocations of the simulator: it keeps values in numbered slots, and copies of bytes in
// large pieces.
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

// Slab copies bytes into memory that is made in large pieces: a world copies very many small frames and is short, so
// one allocation for many of them is cheaper.
type Slab struct{ room []byte }

const slabBytes = 16 << 10

// Keep returns a copy of its own memory, without spare capacity.
func (s *Slab) Keep(p []byte) []byte {
	if len(p) > slabBytes/8 {
		return append([]byte(nil), p...)
	}
	if len(p) > cap(s.room)-len(s.room) {
		s.room = make([]byte, 0, slabBytes)
	}
	begin := len(s.room)
	s.room = append(s.room, p...)
	return s.room[begin:len(s.room):len(s.room)]
}
