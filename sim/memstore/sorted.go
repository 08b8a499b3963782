package memstore

import (
	"slices"
	"strings"
)

// sorted is a sorted map from keys to values: a list of short sorted blocks, each of which holds the keys before those
// of the next one. Stores of simulated disks are small and are read much more often than they get new keys: finding a
// key is two binary searches over neighbours in memory, most of whose comparisons are of two words.
type sorted struct {
	blocks [][]item // none is empty.
	length int
}

type item struct {
	head  head // of the key.
	key   string
	value []byte
}

// head is the first 16 bytes of a key as two numbers, which are in the order of the keys as far as these differ: most
// keys do, and numbers are compared faster.
type head struct{ first, second uint64 }

const blockMax = 128 // items of a block, which is cut in halves when it is full.

func headOf(key string) (h head) {
	if len(key) >= 8 {
		return head{word(key), word(key[8:])}
	}
	return head{first: word(key)}
}

// word is the first 8 bytes of a text as a number.
func word(s string) (w uint64) {
	if len(s) >= 8 {
		return uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 |
			uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
	}
	for i := range len(s) {
		w |= uint64(s[i]) << (56 - 8*i)
	}
	return w
}

// before reports whether the key of i comes before another one, with that head.
func (i *item) before(h head, key string) bool {
	switch {
	case i.head.first != h.first:
		return i.head.first < h.first
	case i.head.second != h.second:
		return i.head.second < h.second
	}
	return i.key < key
}

// find returns the block and the place in it where a key is, or would be put in.
func (s *sorted) find(key string) (block, at int, found bool) {
	head := headOf(key)
	low, high := 0, len(s.blocks) // the block is the last one whose first key is not behind key.
	for low < high {
		if middle := (low + high) / 2; s.blocks[middle][0].before(head, key) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(s.blocks) && s.blocks[low][0].head == head && s.blocks[low][0].key == key {
		return low, 0, true
	}
	if low == 0 {
		return 0, 0, false
	}
	items := s.blocks[low-1]
	at, high = 1, len(items)
	for at < high {
		if middle := (at + high) / 2; items[middle].before(head, key) {
			at = middle + 1
		} else {
			high = middle
		}
	}
	return low - 1, at, at < len(items) && items[at].head == head && items[at].key == key
}

func (s *sorted) get(key string) (value []byte, found bool) {
	block, at, found := s.find(key)
	if !found {
		return nil, false
	}
	return s.blocks[block][at].value, true
}

// set puts a value under a key, and returns the former one, if there was one.
func (s *sorted) set(key string, value []byte) (former []byte, replaced bool) {
	block, at, found := s.find(key)
	if found {
		i := &s.blocks[block][at]
		former, i.value = i.value, value
		return former, true
	}
	s.length++
	i := item{headOf(key), key, value}
	if len(s.blocks) == 0 {
		s.blocks = append(s.blocks, append(make([]item, 0, 16), i))
		return nil, false
	}
	items := slices.Insert(s.blocks[block], at, i)
	s.blocks[block] = items
	if len(items) > blockMax {
		s.blocks = slices.Insert(s.blocks, block+1, append(make([]item, 0, blockMax+1), items[blockMax/2:]...))
		clear(items[blockMax/2:])
		s.blocks[block] = items[:blockMax/2]
	}
	return nil, false
}

// remove takes a key out, and returns its value, if there was one.
func (s *sorted) remove(key string) (former []byte, found bool) {
	block, at, found := s.find(key)
	if !found {
		return nil, false
	}
	s.length--
	former = s.blocks[block][at].value
	if s.blocks[block] = slices.Delete(s.blocks[block], at, at+1); len(s.blocks[block]) == 0 {
		s.blocks = slices.Delete(s.blocks, block, block+1)
	}
	return former, true
}

// ascend calls fn for the keys that are not below from and begin with prefix, in their order, until it returns false.
// prefix must not be above from.
func (s *sorted) ascend(prefix, from string, fn func(key string, value []byte) bool) {
	block, at, _ := s.find(from)
	for ; block < len(s.blocks); block, at = block+1, 0 {
		items := s.blocks[block]
		for ; at < len(items); at++ {
			if !strings.HasPrefix(items[at].key, prefix) || !fn(items[at].key, items[at].value) {
				return
			}
		}
	}
}

// clone returns a copy that shares nothing with s but keys and values.
func (s *sorted) clone() sorted {
	c := sorted{blocks: slices.Clone(s.blocks), length: s.length}
	for i := range c.blocks {
		c.blocks[i] = slices.Clone(c.blocks[i])
	}
	return c
}
