package register

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
)

// A round that finds a conflict decides it by the votes of those who answered, each for what it holds itself: as their
// members would, were they to merge their slots.
func TestARoundCountsTheVotesOfThoseWhoAnswered(t *testing.T) {
	only := func(u byte, origin slot.ID) slot.Slot {
		return slot.Slot{TS: 100, Candidates: []slot.Candidate{{UUID: slot.UUID{u}, Origin: origin, Value: []byte{u}}}}
	}
	for name, c := range map[string]struct {
		oldestFirst []slot.ID
		answers     []Seen
		want        byte
	}{
		"two of three hold the same": {[]slot.ID{3, 1, 2},
			[]Seen{{1, only(9, 1)}, {2, only(9, 1)}, {3, only(1, 3)}}, 9},
		"one each, the second is older": {[]slot.ID{2, 1, 3}, []Seen{{1, only(1, 1)}, {2, only(9, 2)}}, 9},
		"a holder and an origin elsewhere": {[]slot.ID{3, 1, 2, 4},
			[]Seen{{1, only(9, 4)}, {2, only(9, 4)}, {3, only(1, 3)}}, 9},
		"a lower timestamp counts for none": {[]slot.ID{3, 1, 2},
			[]Seen{{1, slot.Slot{TS: 99, Candidates: only(9, 1).Candidates}}, {2, only(1, 3)}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			j := Join(c.answers, 1, slot.NewElectorate(c.oldestFirst))
			require.Equal(t, slot.UUID{c.want}, j.Current.UUID)
		})
	}
}

// Whatever the members hold: what a round over all of them shows is what they show when they have merged everything.
func TestARoundAndTheMergeAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	e := slot.NewElectorate([]slot.ID{3, 1, 5, 2, 4})
	conflicts := 0
	for range 2000 {
		held := make([]slot.Slot, 6)
		merge := func(a, b slot.ID) { held[a], _ = slot.Merge(&held[a], &held[b], a, b, e) }
		for id := range held[1:] {
			r := slot.Record{TS: 100, UUID: slot.UUID{byte(rng.Uint32()), byte(id + 1)}, Origin: slot.ID(id + 1)}
			if rng.IntN(2) == 0 {
				held[id+1] = slot.Of(&r)
			}
		}
		for range 40 { // all hold something in the end, most of the time.
			merge(slot.ID(1+rng.IntN(5)), slot.ID(1+rng.IntN(5)))
			if rng.IntN(3) == 0 && !slices.ContainsFunc(held[1:], func(s slot.Slot) bool { return !s.Exists() }) {
				break
			}
		}
		var answers []Seen
		for id := slot.ID(1); id <= 5 && held[id].Exists(); id++ {
			answers = append(answers, Seen{id, held[id]})
		}
		if len(answers) < 5 {
			continue
		}
		j := Join(answers, 1, e)
		for k := range slot.ID(50) {
			merge(1+k%5, 1+k/5%5)
		}
		require.Equal(t, e.Visible(&held[1]).UUID, j.Current.UUID)
		if held[1].Conflict() {
			conflicts++
		}
	}
	require.Greater(t, conflicts, 500)
}

// An operation knows that it got in by its own UUID, or by the very version that carried its batch. Another operation
// of that batch may be sent again, under its own UUID and without this one.
func TestCarriedByThatVersionAlone(t *testing.T) {
	other := slot.UUID{2}
	o := Attempt{
		Request: &contract.Request{Op: contract.OpPut, Path: "a"}, UUID: slot.UUID{1}, First: 100,
		Carrier: slot.Version{TS: 101, UUID: other}, Ballot: slot.Ballot{Epoch: 1, TS: 200, Member: 1},
	}
	for shown, want := range map[slot.Version]Verdict{
		{TS: 101, UUID: other}:         VerdictApplied,
		{TS: 100, UUID: o.UUID}:        VerdictApplied,
		{TS: 150, UUID: o.UUID}:        VerdictApplied,
		{TS: 150, UUID: other}:         VerdictUnknown,
		{TS: 99, UUID: other}:          VerdictWrite,
		{TS: 101, UUID: slot.UUID{77}}: VerdictUnknown,
	} {
		j := Joined{Current: slot.Record{TS: shown.TS, UUID: shown.UUID, Origin: 1}, Top: shown.TS}
		require.Equal(t, want, o.Decide(&j), shown.ETag())
	}
	another := Joined{Current: slot.Record{TS: 101, UUID: other, Origin: 2}, Top: 101}
	require.Equal(t, VerdictUnknown, o.Decide(&another), "another member had the same timestamp")
}
