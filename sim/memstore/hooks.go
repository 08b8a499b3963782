package memstore

import (
	"encoding/binary"
	"math/rand/v2"
)

// Reopen makes a store usable again after Close, and after a failed Apply, as a restart does.
func (s *Store) Reopen() {
	s.closed = false
	s.failed, s.next = nil, nil
}

// FailNext makes the next Apply return err and apply nothing. From then on the store refuses to write, until Reopen.
func (s *Store) FailNext(err error) { s.next = err }

// Wipe loses everything, as a replaced disk does.
func (s *Store) Wipe() {
	s.entries = sorted{}
	s.bytes = 0
	s.changes++
}

// Clone returns an independent copy.
func (s *Store) Clone() *Store {
	c := *s
	c.entries, c.slab = s.entries.clone(), nil
	return &c
}

// Changes grows whenever the content changes, so that a reader can tell whether to read it again.
func (s *Store) Changes() uint64 { return s.changes }

// Keys is the number of keys.
func (s *Store) Keys() int { return s.entries.length }

// Bytes is the size of all keys and values.
func (s *Store) Bytes() int { return s.bytes }

// FlipBit inverts one bit in one stored value whose key begins with prefix, as bit-rot does, and returns the key.
// Values handed out before stay as they were. It returns false when there is no bit to flip.
func (s *Store) FlipBit(rng *rand.Rand, prefix string) (key string, flipped bool) {
	count := 0
	s.each(prefix, func(_ string, value []byte) bool {
		if len(value) > 0 {
			count++
		}
		return true
	})
	if count == 0 {
		return "", false
	}
	nth := rng.IntN(count)
	s.each(prefix, func(k string, value []byte) bool {
		if len(value) > 0 {
			if nth == 0 {
				key = k
				return false
			}
			nth--
		}
		return true
	})
	return key, s.FlipBitIn(rng, key)
}

// FlipBitIn is FlipBit of one key.
func (s *Store) FlipBitIn(rng *rand.Rand, key string) bool {
	value, found, err := s.Get(key)
	if err != nil || !found || len(value) == 0 {
		return false
	}
	rotten := append([]byte{}, value...)
	bit := rng.IntN(len(rotten) * 8)
	rotten[bit/8] ^= 1 << (bit % 8)
	s.put(key, rotten)
	return true
}

// Digest is a hash over all keys that begin with prefix, and their values, in order. Two stores with the same content
// there have the same digest, whatever happened to them before.
func (s *Store) Digest(prefix string) uint64 {
	return s.DigestOf(prefix, func(_ string, value []byte) []byte { return value })
}

// DigestOf is Digest over what part returns of each value; keys of which that is nil are left out.
func (s *Store) DigestOf(prefix string, part func(key string, value []byte) []byte) uint64 {
	d := digest(digestPrime)
	s.each(prefix, func(key string, value []byte) bool {
		if value = part(key, value); value == nil {
			return true
		}
		d.word(uint64(len(key))) // lengths keep neighbours apart: "a"+"bc" is not "ab"+"c".
		for i := range len(key) {
			d.word(uint64(key[i]))
		}
		d.word(uint64(len(value)))
		d.bytes(value)
		return true
	})
	return uint64(d)
}

// digest is a hash that takes in a word at a time: of two stores that differ in one word it is never the same.
type digest uint64

const digestPrime = 0x9e3779b97f4a7c15

func (d *digest) word(x uint64) {
	h := (uint64(*d) ^ x) * digestPrime
	*d = digest(h ^ h>>32)
}

func (d *digest) bytes(p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		d.word(binary.LittleEndian.Uint64(p))
	}
	var rest uint64
	for i, b := range p {
		rest |= uint64(b) << (8 * i)
	}
	d.word(rest)
}

// each is Scan for the hooks, which work on closed stores too.
func (s *Store) each(prefix string, fn func(key string, value []byte) bool) {
	s.entries.ascend(prefix, prefix, fn)
}
