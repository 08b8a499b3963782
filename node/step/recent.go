package step

import (
	"maps"
	"slices"
)

// Recent keeps the values of the keys that were used last, up to a total cost. The least recently used value is dropped
// first. The zero value keeps nothing: see NewRecent.
type Recent[V any] struct {
	costMax, cost int
	byKey         map[string]*recentEntry[V]
	ring          recentEntry[V]  // its next is the most recently used entry, its before the least recently used one.
	free          *recentEntry[V] // the entry that was dropped last, to be used again; nil: there is none.
}

type recentEntry[V any] struct {
	key          string
	value        V
	cost         int
	before, next *recentEntry[V]
}

// recentOverhead is about what an entry costs besides its value: the key, the map's share, and the entry itself.
const recentOverhead = 128

// NewRecent returns a table that keeps up to costMax.
func NewRecent[V any](costMax int) *Recent[V] {
	r := &Recent[V]{costMax: costMax, byKey: make(map[string]*recentEntry[V])}
	r.ring.before, r.ring.next = &r.ring, &r.ring
	return r
}

// Get is the value of a key, which counts as used now; nil: none is kept. It may be changed in place until the next Put
// or Drop.
func (r *Recent[V]) Get(key string) *V {
	e := r.byKey[key]
	if e == nil {
		return nil
	}
	e.unlink()
	r.link(e)
	return &e.value
}

// Look is the value of a key for those who only look: it does not count as used. Nil: none is kept.
func (r *Recent[V]) Look(key string) *V {
	if e := r.byKey[key]; e != nil {
		return &e.value
	}
	return nil
}

// Put keeps a value under a key, in the place of a former one, and drops old values beyond the cost. A value that costs
// more than an eighth of the total is not kept: it would displace too many. Put returns what Get would; nil: the value
// is not kept.
func (r *Recent[V]) Put(key string, value V, cost int) *V {
	cost += len(key) + recentOverhead
	if cost > r.costMax/8 {
		r.Drop(key)
		return nil
	}
	e := r.byKey[key]
	if e == nil {
		if e = r.free; e != nil {
			r.free = nil
		} else {
			e = new(recentEntry[V])
		}
		e.key = key
		r.byKey[key] = e
	} else {
		e.unlink()
	}
	r.cost += cost - e.cost
	e.value, e.cost = value, cost
	r.link(e)
	for r.cost > r.costMax {
		r.Drop(r.ring.before.key)
	}
	return &e.value
}

// Fits reports whether a value under a key that is not kept displaces no other one.
func (r *Recent[V]) Fits(key string, cost int) bool {
	return r.byKey[key] != nil || r.cost+cost+len(key)+recentOverhead <= r.costMax
}

// Oldest is the least recently used key; empty: none is kept.
func (r *Recent[V]) Oldest() string { return r.ring.before.key }

// Drop forgets a key.
func (r *Recent[V]) Drop(key string) {
	if e := r.byKey[key]; e != nil {
		e.unlink()
		r.cost -= e.cost
		delete(r.byKey, key)
		*e = recentEntry[V]{}
		r.free = e
	}
}

// Clear forgets all keys.
func (r *Recent[V]) Clear() {
	clear(r.byKey)
	r.ring.before, r.ring.next, r.cost = &r.ring, &r.ring, 0
}

// Keys are the keys, sorted.
func (r *Recent[V]) Keys() []string { return slices.Sorted(maps.Keys(r.byKey)) }

// Len is the number of keys.
func (r *Recent[V]) Len() int { return len(r.byKey) }

func (r *Recent[V]) link(e *recentEntry[V]) {
	e.before, e.next = &r.ring, r.ring.next
	e.before.next, e.next.before = e, e
}

func (e *recentEntry[V]) unlink() { e.before.next, e.next.before = e.next, e.before }

// recentFlat is a Recent as plain data.
type recentFlat[V any] struct {
	costMax int
	entries []recentFlatEntry[V] // the least recently used one first.
}

type recentFlatEntry[V any] struct {
	key   string
	value V
	cost  int
}

// Flat implements image.Flattened: an image of a node has the values and their order.
func (r *Recent[V]) Flat() any {
	f := &recentFlat[V]{costMax: r.costMax}
	for e := r.ring.before; e != nil && e != &r.ring; e = e.before {
		f.entries = append(f.entries, recentFlatEntry[V]{e.key, e.value, e.cost})
	}
	return f
}

// SetFlat implements image.Flattened.
func (r *Recent[V]) SetFlat(flat any) {
	f := flat.(*recentFlat[V])
	r.costMax, r.free, r.byKey = f.costMax, nil, make(map[string]*recentEntry[V])
	r.Clear()
	for _, e := range f.entries {
		kept := &recentEntry[V]{key: e.key, value: e.value, cost: e.cost}
		r.byKey[e.key] = kept
		r.cost += e.cost
		r.link(kept)
	}
}
