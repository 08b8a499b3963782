package node

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/register"
	"kvs/node/slot"
)

// sampleBoth is a slot with both halves.
func sampleBoth() slot.Slot {
	s := sampleConflict()
	r := sampleRecord()
	r.TS += 5
	s.Consensus = &slot.Consensus{Promised: slot.Ballot{Epoch: 2, TS: r.TS + 9, Member: 4},
		Ballot: slot.Ballot{Epoch: 1, TS: r.TS + 3, Member: 3}, Record: r, Weak: true,
		Applied: []slot.Applied{{Key: slot.UUID{1}, Version: slot.Version{TS: 5, UUID: slot.UUID{2}}},
			{Key: slot.UUID{3}, Version: slot.Version{TS: 6, UUID: slot.UUID{4}}}}}
	return s
}

func TestConsensusGolden(t *testing.T) {
	both, promised := sampleBoth(),
		slot.Slot{Consensus: &slot.Consensus{Promised: slot.Ballot{Epoch: 1, TS: 77, Member: 3}, Blind: true}}
	text := ""
	for _, s := range []slot.Slot{both, promised} {
		b := slot.Encode("a/b", &s)
		text += hex.EncodeToString(b) + "\n"
		got, err := slot.Decode("a/b", b)
		require.NoError(t, err)
		require.Equal(t, s, got)
		for cut := range b {
			_, err := slot.Decode("a/b", b[:cut])
			require.ErrorIs(t, err, codec.ErrCorrupt)
		}
	}
	golden(t, "slot-v2.hex", []byte(text))
	require.False(t, promised.Exists(), "a promise is no version")
	require.Equal(t, slot.Version{}, promised.Version())
}

func TestBallotsLeadWithTheEpoch(t *testing.T) {
	require.Positive(t, slot.Ballot{Epoch: 2, TS: 1, Member: 1}.Compare(slot.Ballot{Epoch: 1, TS: 9, Member: 9}))
	require.Positive(t, slot.Ballot{Epoch: 1, TS: 2, Member: 1}.Compare(slot.Ballot{Epoch: 1, TS: 1, Member: 9}))
	require.Positive(t, slot.Ballot{Epoch: 1, TS: 1, Member: 2}.Compare(slot.Ballot{Epoch: 1, TS: 1, Member: 1}))
	require.Zero(t, slot.Ballot{Epoch: 1, TS: 1, Member: 1}.Compare(slot.Ballot{Epoch: 1, TS: 1, Member: 1}))
}

// A copy below the promise converges but is weak; one above raises the promise; an older one changes nothing.
func TestLateAccept(t *testing.T) {
	low, high := slot.Ballot{Epoch: 1, TS: 5, Member: 1}, slot.Ballot{Epoch: 1, TS: 9, Member: 2}
	a, b := slot.Record{TS: 5, UUID: slot.UUID{1}}, slot.Record{TS: 9, UUID: slot.UUID{2}}
	out, changed := slot.LateAccept(&slot.Consensus{Promised: high},
		&slot.Consensus{Promised: slot.Ballot{Epoch: 1, TS: 99, Member: 9}, Ballot: low, Record: a})
	require.True(t, changed)
	require.Equal(t, &slot.Consensus{Promised: high, Ballot: low, Record: a, Weak: true}, out)
	out, changed = slot.LateAccept(out, &slot.Consensus{Ballot: high, Record: b, Weak: true})
	require.True(t, changed)
	require.Equal(t, &slot.Consensus{Promised: high, Ballot: high, Record: b}, out)
	again, changed := slot.LateAccept(out, &slot.Consensus{Ballot: low, Record: a})
	require.False(t, changed)
	require.Equal(t, out, again)
}

// Whatever the order in which members exchange slots with both halves, they end with the same one, and what is one of
// them only, the promise, never goes down.
func TestMergeOfBothHalvesConverges(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	e := slot.NewElectorate([]slot.ID{1, 2, 3, 4, 5})
	for range 500 {
		held := make([]slot.Slot, 6)
		for id := 1; id <= 5; id++ {
			if rng.IntN(4) > 0 {
				held[id], _ = randomSlot(rng)
				held[id].Candidates[0].Origin, held[id].Candidates[0].UUID[1] = slot.ID(id), byte(id)
			}
			b := slot.Ballot{Epoch: 1, TS: slot.Timestamp(1 + rng.IntN(3)), Member: slot.ID(id)}
			held[id].Consensus = &slot.Consensus{Promised: b}
			if rng.IntN(2) == 0 {
				held[id].Consensus = &slot.Consensus{Promised: b, Ballot: b,
					Record: slot.Record{TS: b.TS, UUID: slot.UUID{9, byte(id)}, Origin: slot.ID(id)}}
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
			before := held[a].Version()
			promised := held[a].Consensus.Promise()
			out, changed := slot.Merge(&held[a], &held[b], slot.ID(a), slot.ID(b), e)
			require.Equal(t, changed, out.Version() != before)
			require.GreaterOrEqual(t, out.Consensus.Promise().Compare(promised), 0)
			if out.Exists() || out.Consensus != nil {
				again, err := slot.Decode("p", slot.Encode("p", &out))
				require.NoError(t, err)
				out = again
			}
			held[a] = out
		}
		for id := 2; id <= 5; id++ {
			require.Equal(t, held[1].Version(), held[id].Version())
			require.Equal(t, e.Visible(&held[1]), e.Visible(&held[id]))
		}
	}
}

func TestIdempotencyKeysAreBounded(t *testing.T) {
	var list []slot.Applied
	for i := range 100 {
		list = slot.Remember(list, slot.Applied{Key: slot.UUID{byte(i + 1)},
			Version: slot.Version{TS: hlc.Make(int64(i), 0), UUID: slot.UUID{byte(i)}}})
	}
	require.Len(t, list, slot.AppliedMax)
	c := &slot.Consensus{Applied: list}
	of := func(key slot.UUID) register.KeyUse {
		_, use := register.Applied(c, &contract.Request{Key: key})
		return use
	}
	require.Equal(t, register.KeyKnown, of(slot.UUID{100}))
	require.Equal(t, register.KeyNew, of(slot.UUID{100 - slot.AppliedMax}))
	require.Equal(t, register.KeyNew, of(slot.UUID{}), "no key is none")

	r := contract.Request{Op: contract.OpPut, Value: []byte("x")}
	r.SetKey([]byte("mine"))
	c.Applied = []slot.Applied{{Key: r.Key, Version: slot.Version{TS: 9}}} // an early kvs kept the hash of the key.
	v, use := register.Applied(c, &r)
	require.Equal(t, register.KeyKnown, use)
	require.EqualValues(t, 9, v.TS)
	c.Applied = append(slot.Remember(nil, slot.Applied{Key: r.Entry()}), slot.Applied{})
	_, use = register.Applied(c, &r)
	require.Equal(t, register.KeyKnown, use)
	r.Fingerprint++
	_, use = register.Applied(c, &r)
	require.Equal(t, register.KeyReused, use)
	r.SetKey([]byte("another"))
	_, use = register.Applied(c, &r)
	require.Equal(t, register.KeyNew, use)
}
