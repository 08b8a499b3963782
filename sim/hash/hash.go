// Package hash is the trace hash of the simulator.
package hash

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Hash is the running hash over everything that happens: events with their time, inputs, and effects with every byte of
// them. Two runs with the same hash were the same run.
//
// It is two multiplicative lanes of 64 bits that read a word at a time, mixed as in xxHash's and SplitMix's finalisers.
// It has to be fast and to spread well; it need not resist attacks.
type Hash struct{ a, b uint64 }

const (
	primeA = 0x9e3779b97f4a7c15
	primeB = 0xc2b2ae3d27d4eb4f
)

// New returns the hash of a run that has not begun.
func New(seed uint64) Hash {
	t := Hash{a: primeB, b: primeA}
	t.Word(seed)
	return t
}

// Word takes in a number.
func (t *Hash) Word(x uint64) { t.a, t.b = mix(t.a, t.b, x) }

func mix(a, b, x uint64) (uint64, uint64) {
	a = (a ^ x) * primeA
	return a ^ a>>32, bits.RotateLeft64(b+x*primeB, 31) * primeA
}

// Bytes takes in bytes and their length.
func (t *Hash) Bytes(p []byte) {
	a, b := mix(t.a, t.b, uint64(len(p))) // not in t, so that they stay in registers.
	for len(p) >= 8 {
		a, b = mix(a, b, binary.LittleEndian.Uint64(p))
		p = p[8:]
	}
	var rest uint64
	for i, c := range p {
		rest |= uint64(c) << (8 * i)
	}
	t.a, t.b = mix(a, b, rest)
}

// Text takes in a text and its length.
func (t *Hash) Text(s string) {
	a, b := mix(t.a, t.b, uint64(len(s)))
	for len(s) >= 8 {
		a, b = mix(a, b, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
		s = s[8:]
	}
	var rest uint64
	for i := range len(s) {
		rest |= uint64(s[i]) << (8 * i)
	}
	t.a, t.b = mix(a, b, rest)
}

// String prints the hash as 32 hexadecimal digits.
func (t Hash) String() string {
	return fmt.Sprintf("%016x%016x", finish(t.a), finish(t.b^t.a))
}

// SplitMix is SplitMix64 of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
func SplitMix(x uint64) uint64 { return finish(x + primeA) }

func finish(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
