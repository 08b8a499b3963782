package node

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/hlc"
)

// sampleBoth is a slot with both halves.
func sampleBoth() Slot {
	s := sampleConflict()
	r := sampleRecord()
	r.TS += 5
	s.Consensus = &Consensus{Promised: Ballot{2, r.TS + 9, 4}, Ballot: Ballot{1, r.TS + 3, 3}, Record: r, Weak: true, Applied: []Applied{{UUID{1}, Version{5, UUID{2}}}, {UUID{3}, Version{6, UUID{4}}}}}
	return s
}

func TestConsensusGolden(t *testing.T) {
	both, promised := sampleBoth(), Slot{Consensus: &Consensus{Promised: Ballot{1, 77, 3}, Blind: true}}
	text := ""
	for _, s := range []Slot{both, promised} {
		b := EncodeSlot("a/b", &s)
		text += hex.EncodeToString(b) + "\n"
		got, err := DecodeSlot("a/b", b)
		require.NoError(t, err)
		require.Equal(t, s, got)
		for cut := range b {
			_, err := DecodeSlot("a/b", b[:cut])
			require.ErrorIs(t, err, ErrCorrupt)
		}
	}
	golden(t, "slot-v2.hex", []byte(text))
	require.False(t, promised.Exists(), "a promise is no version")
	require.Equal(t, Version{}, promised.version())
}

func TestBallotsLeadWithTheEpoch(t *testing.T) {
	require.Positive(t, Ballot{2, 1, 1}.Compare(Ballot{1, 9, 9}))
	require.Positive(t, Ballot{1, 2, 1}.Compare(Ballot{1, 1, 9}))
	require.Positive(t, Ballot{1, 1, 2}.Compare(Ballot{1, 1, 1}))
	require.Zero(t, Ballot{1, 1, 1}.Compare(Ballot{1, 1, 1}))
}

// A copy below the promise converges but is weak; one above raises the promise; an older one changes nothing.
func TestLateAccept(t *testing.T) {
	low, high := Ballot{1, 5, 1}, Ballot{1, 9, 2}
	a, b := Record{TS: 5, UUID: UUID{1}}, Record{TS: 9, UUID: UUID{2}}
	out, changed := lateAccept(&Consensus{Promised: high}, &Consensus{Promised: Ballot{1, 99, 9}, Ballot: low, Record: a})
	require.True(t, changed)
	require.Equal(t, &Consensus{Promised: high, Ballot: low, Record: a, Weak: true}, out)
	out, changed = lateAccept(out, &Consensus{Ballot: high, Record: b, Weak: true})
	require.True(t, changed)
	require.Equal(t, &Consensus{Promised: high, Ballot: high, Record: b}, out)
	again, changed := lateAccept(out, &Consensus{Ballot: low, Record: a})
	require.False(t, changed)
	require.Equal(t, out, again)
}

// Whatever the order in which members exchange slots with both halves, they end with the same one, and what is one of them
// only, the promise, never goes down.
func TestMergeOfBothHalvesConverges(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	e := NewElectorate([]ID{1, 2, 3, 4, 5})
	for range 500 {
		held := make([]Slot, 6)
		for id := 1; id <= 5; id++ {
			if rng.IntN(4) > 0 {
				held[id], _ = randomSlot(rng)
				held[id].Candidates[0].Origin, held[id].Candidates[0].UUID[1] = ID(id), byte(id)
			}
			b := Ballot{1, Timestamp(1 + rng.IntN(3)), ID(id)}
			held[id].Consensus = &Consensus{Promised: b}
			if rng.IntN(2) == 0 {
				held[id].Consensus = &Consensus{Promised: b, Ballot: b, Record: Record{TS: b.TS, UUID: UUID{9, byte(id)}, Origin: ID(id)}}
			}
		}
		for k := range 400 {
			a, b := 1+rng.IntN(5), 1+rng.IntN(5)
			if k >= 300 {
				a, b = 1+k%5, 1+(k/5)%5
			}
			if a == b {
				continue
			}
			before := held[a].version()
			promised := held[a].Consensus.promised()
			out, changed := mergeSlots(&held[a], &held[b], ID(a), ID(b), e)
			require.Equal(t, changed, out.version() != before)
			require.GreaterOrEqual(t, out.Consensus.promised().Compare(promised), 0)
			if out.Exists() || out.Consensus != nil {
				again, err := DecodeSlot("p", EncodeSlot("p", &out))
				require.NoError(t, err)
				out = again
			}
			held[a] = out
		}
		for id := 2; id <= 5; id++ {
			require.Equal(t, held[1].version(), held[id].version())
			require.Equal(t, e.Visible(&held[1]), e.Visible(&held[id]))
		}
	}
}

func TestIdempotencyKeysAreBounded(t *testing.T) {
	var list []Applied
	for i := range 100 {
		list = remember(list, Applied{UUID{byte(i + 1)}, Version{hlc.Make(int64(i), 0), UUID{byte(i)}}})
	}
	require.Len(t, list, appliedMax)
	c := &Consensus{Applied: list}
	of := func(key UUID) keyUse {
		_, use := c.applied(&Request{Key: key})
		return use
	}
	require.Equal(t, keyKnown, of(UUID{100}))
	require.Equal(t, keyNew, of(UUID{100 - appliedMax}))
	require.Equal(t, keyNew, of(UUID{}), "no key is none")

	r := Request{Op: OpPut, Value: []byte("x")}
	r.SetKey([]byte("mine"))
	c.Applied = []Applied{{Key: r.Key, Version: Version{TS: 9}}} // an early kvs kept the hash of the key.
	v, use := c.applied(&r)
	require.Equal(t, keyKnown, use)
	require.EqualValues(t, 9, v.TS)
	c.Applied = append(remember(nil, Applied{Key: r.entry()}), Applied{})
	_, use = c.applied(&r)
	require.Equal(t, keyKnown, use)
	r.Fingerprint++
	_, use = c.applied(&r)
	require.Equal(t, keyReused, use)
	r.SetKey([]byte("another"))
	_, use = c.applied(&r)
	require.Equal(t, keyNew, use)
}
