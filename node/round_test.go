package node

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A round that finds a conflict decides it by the votes of those who answered, each for what it holds itself: as their members would, were
// they to merge their slots.
func TestARoundCountsTheVotesOfThoseWhoAnswered(t *testing.T) {
	only := func(u byte, origin ID) Slot {
		return Slot{TS: 100, Candidates: []Candidate{{UUID: UUID{u}, Origin: origin, Value: []byte{u}}}}
	}
	for name, c := range map[string]struct {
		oldestFirst []ID
		answers     []seen
		want        byte
	}{
		"two of three hold the same":        {[]ID{3, 1, 2}, []seen{{1, only(9, 1)}, {2, only(9, 1)}, {3, only(1, 3)}}, 9},
		"one each, the second is older":     {[]ID{2, 1, 3}, []seen{{1, only(1, 1)}, {2, only(9, 2)}}, 9},
		"a holder and an origin elsewhere":  {[]ID{3, 1, 2, 4}, []seen{{1, only(9, 4)}, {2, only(9, 4)}, {3, only(1, 3)}}, 9},
		"a lower timestamp counts for none": {[]ID{3, 1, 2}, []seen{{1, Slot{TS: 99, Candidates: only(9, 1).Candidates}}, {2, only(1, 3)}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			j := join(c.answers, 1, NewElectorate(c.oldestFirst))
			require.Equal(t, UUID{c.want}, j.current.UUID)
		})
	}
}

// Whatever the members hold: what a round over all of them shows is what they show when they have merged everything.
func TestARoundAndTheMergeAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	e := NewElectorate([]ID{3, 1, 5, 2, 4})
	conflicts := 0
	for range 2000 {
		held := make([]Slot, 6)
		merge := func(a, b ID) { held[a], _ = mergeSlots(&held[a], &held[b], a, b, e) }
		for id := range held[1:] {
			if r := (Record{TS: 100, UUID: UUID{byte(rng.Uint32()), byte(id + 1)}, Origin: ID(id + 1)}); rng.IntN(2) == 0 {
				held[id+1] = SlotOf(&r)
			}
		}
		for range 40 { // all hold something in the end, most of the time.
			merge(ID(1+rng.IntN(5)), ID(1+rng.IntN(5)))
			if rng.IntN(3) == 0 && !slices.ContainsFunc(held[1:], func(s Slot) bool { return !s.Exists() }) {
				break
			}
		}
		var answers []seen
		for id := ID(1); id <= 5 && held[id].Exists(); id++ {
			answers = append(answers, seen{id, held[id]})
		}
		if len(answers) < 5 {
			continue
		}
		j := join(answers, 1, e)
		for k := range ID(50) {
			merge(1+k%5, 1+k/5%5)
		}
		require.Equal(t, e.Visible(&held[1]).UUID, j.current.UUID)
		if held[1].Conflict() {
			conflicts++
		}
	}
	require.Greater(t, conflicts, 500)
}
