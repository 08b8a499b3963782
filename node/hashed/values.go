package hashed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"slices"
)

// values implements slot.Replacer. It is not safe for concurrent use.
//
// Values of up to shortMax bytes go through a permutation of all texts of their length, so that two of them never get
// the same hash, be they as short as "0" and "1": a Feistel network (Luby and Rackoff, "How to construct pseudorandom
// permutations from pseudorandom functions", 1988), with HMAC-SHA-256 as its function, and for one byte a table. Longer
// ones are the output of a generator that begins with their HMAC: that two have the same hash is as unlikely as a
// collision of SHA-256.
type values struct {
	mac   hash.Hash
	sum   [sha256.Size]byte // reused.
	bytes [256]byte         // the permutation of single bytes.
}

const (
	shortMax = sha256.Size // both halves are no longer than the sum.
	rounds   = 8
)

// What a sum is of, so that no two uses have the same input.
const (
	ofHash = iota
	ofByte
	ofLong
	ofRound // and the following ones: one for each round.
)

func newValues(salt [SaltBytes]byte) *values {
	v := &values{mac: hmac.New(sha256.New, salt[:])}
	order := make([][sha256.Size]byte, 0, len(v.bytes))
	for i := range v.bytes {
		order = append(order, [sha256.Size]byte(v.of(ofByte, 1, []byte{byte(i)})))
		v.bytes[i] = byte(i)
	}
	slices.SortFunc(v.bytes[:], func(a, b byte) int { return slices.Compare(order[a][:], order[b][:]) })
	return v
}

// of is the HMAC of a part of a value of n bytes. The result is reused.
func (v *values) of(use byte, n int, part []byte) []byte {
	v.mac.Reset()
	v.mac.Write(binary.LittleEndian.AppendUint64([]byte{use}, uint64(n)))
	v.mac.Write(part)
	return v.mac.Sum(v.sum[:0])
}

// Hash implements slot.Replacer.
func (v *values) Hash(hash uint64) uint64 {
	if hash == 0 {
		return 0
	}
	return max(binary.LittleEndian.Uint64(v.of(ofHash, 8, binary.LittleEndian.AppendUint64(nil, hash))), 1)
}

// Value implements slot.Replacer.
func (v *values) Value(value []byte) []byte {
	out := slices.Clone(value)
	switch n := len(out); {
	case n == 0:
	case n == 1:
		out[0] = v.bytes[out[0]]
	case n <= shortMax:
		v.permute(out)
	default:
		_, _ = rand.NewChaCha8([32]byte(v.of(ofLong, n, value))).Read(out) // which never fails.
	}
	return out
}

func (v *values) permute(b []byte) {
	left, right := b[:len(b)/2], b[len(b)/2:]
	for i := range byte(rounds) {
		for k, x := range v.of(ofRound+i, len(b), right)[:len(left)] {
			left[k] ^= x
		}
		left, right = right, left
	}
}
