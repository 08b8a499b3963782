package sim

// pool keeps values in numbered slots that are used again, so that an event can carry a number instead of a pointer.
type pool[T any] struct {
	slots []T
	free  []int32
}

func (p *pool[T]) put(v T) int32 {
	if n := len(p.free); n > 0 {
		slot := p.free[n-1]
		p.free = p.free[:n-1]
		p.slots[slot] = v
		return slot
	}
	p.slots = append(p.slots, v)
	return int32(len(p.slots) - 1)
}

// at gives access to a slot until the next put.
func (p *pool[T]) at(slot int32) *T { return &p.slots[slot] }

// take empties a slot.
func (p *pool[T]) take(slot int32) T {
	v := p.slots[slot]
	var none T
	p.slots[slot] = none
	p.free = append(p.free, slot)
	return v
}

// used is the number of slots that hold something.
func (p *pool[T]) used() int { return len(p.slots) - len(p.free) }

// slab copies bytes into memory that is made in large pieces: a world copies a great many small frames and lives shortly, so
// that the collector is better asked once for many of them.
type slab struct{ room []byte }

const slabBytes = 16 << 10

// keep returns a copy that nobody else has, with no room behind it.
func (s *slab) keep(p []byte) []byte {
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
