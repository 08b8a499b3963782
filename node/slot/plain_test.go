package slot

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The short way to decode a plain slot comes to what the long way comes to, and never takes what the long way refuses.
func TestPlainSlotsAreDecodedAlike(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	plain := 0
	for range 50_000 {
		rec := Record{TS: Timestamp(rng.Uint64N(4) * uint64(rng.Uint32())), UUID: UUID{byte(rng.Uint32())},
			Origin: ID(rng.Uint64()), Tombstone: rng.IntN(3) == 0}
		if !rec.Exists() {
			rec.TS = 1
		}
		if !rec.Tombstone {
			rec.ContentType = []string{"", "text/plain", "image/png"}[rng.IntN(3)]
			rec.Value = make([]byte, rng.IntN(20))
			rec.Expires = int64(rng.IntN(2) * rng.IntN(1000))
		}
		s := Of(&rec)
		if rng.IntN(4) == 0 {
			s.Consensus = &Consensus{Promised: Ballot{Epoch: 1, TS: 2, Member: 3}}
		}
		b := Encode("p", &s)
		body := b[:len(b)-4]
		for range rng.IntN(3) {
			body[rng.IntN(min(len(body), HeaderBytes+candidateOverhead))] = byte(rng.Uint32() >> rng.IntN(32))
		}
		if body[0] != Format && body[0] != FormatBoth {
			continue // refused before the body is looked at.
		}
		if rng.IntN(8) == 0 {
			body = body[:rng.IntN(len(body))+1]
		}
		var short, long Slot
		if !short.decodePlain(body) {
			require.Equal(t, Slot{}, short)
			continue
		}
		plain++
		require.Empty(t, long.decodeAny(body))
		require.Equal(t, long, short)
	}
	require.Greater(t, plain, 5_000)
}

// A path is plain when it is valid, and of printable ASCII.
func TestPlainPathsAreValid(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", ".", "..", "/", "b c", "\x1f", "~", "\x7f", "é", "\xff", strings.Repeat("x", 255),
		strings.Repeat("y", 300)}
	plain := 0
	for range 50_000 {
		p := ""
		for range rng.IntN(7) {
			p += pieces[rng.IntN(len(pieces))]
		}
		printable := !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r > '~' })
		require.Equal(t, checkAny(p) == nil && printable, isPlain(p), "%q", p)
		if isPlain(p) {
			plain++
		}
	}
	require.Greater(t, plain, 4_000)
}
