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
