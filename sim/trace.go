package sim

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// trace is the running hash over everything that happens: events with their time, inputs, and effects with every byte of
// them. Two runs with the same hash were the same run.
//
// It is two multiplicative lanes of 64 bits that read a word at a time, mixed as in xxHash's and SplitMix's finalisers. It
// has to be fast and to spread well; nobody attacks it.
type trace struct{ a, b uint64 }

const (
	tracePrimeA = 0x9e3779b97f4a7c15
	tracePrimeB = 0xc2b2ae3d27d4eb4f
)

func newTrace(seed uint64) trace {
	t := trace{a: tracePrimeB, b: tracePrimeA}
	t.word(seed)
	return t
}

func (t *trace) word(x uint64) {
	t.a = (t.a ^ x) * tracePrimeA
	t.a ^= t.a >> 32
	t.b = bits.RotateLeft64(t.b+x*tracePrimeB, 31) * tracePrimeA
}

func (t *trace) bytes(p []byte) {
	t.word(uint64(len(p)))
	for len(p) >= 8 {
		t.word(binary.LittleEndian.Uint64(p))
		p = p[8:]
	}
	var rest uint64
	for i, c := range p {
		rest |= uint64(c) << (8 * i)
	}
	t.word(rest)
}

func (t *trace) text(s string) {
	t.word(uint64(len(s)))
	for len(s) >= 8 {
		t.word(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	var rest uint64
	for i := range len(s) {
		rest |= uint64(s[i]) << (8 * i)
	}
	t.word(rest)
}

// String prints the hash as 32 hexadecimal digits.
func (t trace) String() string {
	final := func(x uint64) uint64 {
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
	return fmt.Sprintf("%016x%016x", final(t.a), final(t.b^t.a))
}
