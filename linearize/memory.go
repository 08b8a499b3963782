package linearize

import (
	"hash/maphash"
	"slices"
)

// memory holds the configurations that a search has visited.
type memory[S comparable] struct {
	seed    maphash.Seed
	heads   map[uint64]int32 // by hash of all but used: the entry that was added last.
	entries []entry[S]
	words   []uint64 // windows and used sets of all entries, one after another.
	bytes   int64    // about the memory of all this.
}

// entry is one configuration.
type entry[S comparable] struct {
	state  S
	first  int32 // order.first.
	window int32 // words of order.done, from that of first to the last that is not zero.
	at     int   // where in memory.words the window begins; the used set follows.
	next   int32 // the entry before with the same hash; or none.
}

// entryBytes is about what an entry and its place in the map take, without its words and what its state points to.
const entryBytes = 96

func newMemory[S comparable]() memory[S] {
	return memory[S]{seed: maphash.MakeSeed(), heads: make(map[uint64]int32)}
}

// add keeps the configuration that o is in and reports true, unless there is one that is at least as good: the same
// tasks are done, the state is the same, and no other open tasks are used.
func (m *memory[S]) add(o *order[S], state S) bool {
	from, to := o.first/64, (o.last+63)/64
	for to > from && o.done[to-1] == 0 {
		to--
	}
	o.last = max(o.first, min(o.last, to*64))
	window := o.done[from:max(from, to)]

	h := maphash.Comparable(m.seed, state) ^ mix(uint64(o.first))
	for _, w := range window {
		h = mix(h ^ w)
	}
	head, known := m.heads[h]
	if !known {
		head = none
	}
	for i := head; i != none; i = m.entries[i].next {
		e := &m.entries[i]
		o.work++
		if int(e.first) != o.first || int(e.window) != len(window) || e.state != state ||
			!slices.Equal(m.words[e.at:e.at+len(window)], window) {
			continue
		}
		used := m.words[e.at+len(window):][:len(o.used)]
		switch {
		case within(used, o.used):
			return false
		case within(o.used, used):
			copy(used, o.used) // better than the present entry, and as good for all later ones.
			return true
		}
	}
	m.heads[h] = int32(len(m.entries))
	m.entries = append(m.entries, entry[S]{
		state: state, first: int32(o.first), window: int32(len(window)), at: len(m.words), next: head,
	})
	m.words = append(append(m.words, window...), o.used...)
	m.bytes += entryBytes + int64(8*(len(window)+len(o.used)))
	if o.weigh != nil {
		m.bytes += int64(o.weigh(state))
	}
	return true
}

// within reports whether every bit of a is in b, which is as long.
func within(a, b []uint64) bool {
	for i := range a {
		if a[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

// mix is the finalizer of MurmurHash3 for 64 bits.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
