package tombstones

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A model of the end of one tombstone, small enough to be walked through whole: three members, one path on which a
// value, then a tombstone, then perhaps a new value is written; every member may send what it holds to any other a few
// times; messages are delivered in any order, late, again, or never; what a member remembers of dropped tombstones may
// get lost at any time. The walk shows that with the rules of collection.go nobody ever shows the old value again once
// the first has dropped the tombstone, and that each rule left out brings it back.

const (
	modelNothing = iota
	modelOld
	modelTombstone
	modelNew
)

const (
	modelMembers = 3
	modelSends   = 2 // of each member.
)

type modelState struct {
	slot  [modelMembers]uint8
	sent  [modelMembers]uint8
	acked [modelMembers]uint8 // one above the stamp; zero: not yet.
	floor [modelMembers][modelMembers]uint8
	grave [modelMembers]bool
	ended bool   // somebody has dropped the tombstone.
	wrote bool   // the new value was written.
	late  uint64 // messages that were sent, a bit each.
}

// modelRules are those of collection.go; each can be left out.
type modelRules struct{ all, stamps, fresh, version bool }

func modelBit(from, to, content, stamp int) uint64 {
	return 1 << (((from*modelMembers+to)*3+content-1)*modelSends + stamp - 1)
}

// next calls fn for every state that one step leads to.
func (s modelState) next(r modelRules, fn func(modelState)) {
	for m := range modelMembers {
		if m == 1 && s.slot[m] < modelTombstone && !s.ended { // the client deletes through member 1.
			t := s
			t.slot[m] = modelTombstone
			fn(t)
		}
		if m == 2 && s.ended && !s.wrote && s.slot[m] == modelNothing {
			t := s
			t.slot[m], t.wrote = modelNew, true
			fn(t)
		}
		if s.slot[m] == modelTombstone && s.acked[m] == 0 {
			t := s
			t.acked[m] = s.sent[m] + 1
			fn(t)
		}
		s.drop(m, r, fn)
		if s.grave[m] {
			t := s
			t.grave[m] = false
			fn(t)
		}
		s.messages(m, r, fn)
	}
}

func (s modelState) drop(m int, r modelRules, fn func(modelState)) {
	acks := 0
	for _, a := range s.acked {
		if a > 0 {
			acks++
		}
	}
	holds := s.slot[m] == modelTombstone || !r.version && s.slot[m] == modelNew
	if !holds || acks < modelMembers && (r.all || acks <= modelMembers/2) {
		return
	}
	s.slot[m], s.grave[m], s.ended = modelNothing, true, true
	for from, a := range s.acked {
		if a > 0 {
			s.floor[m][from] = a - 1
		}
	}
	fn(s)
}

func (s modelState) messages(m int, r modelRules, fn func(modelState)) {
	for to := range modelMembers {
		if to == m {
			continue
		}
		if s.slot[m] != modelNothing && s.sent[m] < modelSends {
			t := s
			t.sent[m]++
			t.late |= modelBit(m, to, int(s.slot[m]), int(t.sent[m]))
			fn(t)
		}
		for content := modelOld; content <= modelNew; content++ {
			for stamp := 1; stamp <= modelSends; stamp++ {
				if s.late&modelBit(m, to, content, stamp) == 0 {
					continue
				}
				if !r.fresh && s.sent[m] < modelSends { // an old content is sent again under a new stamp.
					t := s
					t.sent[m]++
					t.late |= modelBit(m, to, content, int(t.sent[m]))
					fn(t)
				}
				refused := r.stamps && uint8(stamp) <= s.floor[to][m] ||
					s.grave[to] && s.slot[to] == modelNothing && content == modelTombstone
				if !refused && uint8(content) > s.slot[to] {
					t := s
					t.slot[to] = uint8(content)
					fn(t)
				}
			}
		}
	}
}

// wrong says what is wrong with a state, or nothing.
func (s *modelState) wrong() string {
	newest := uint8(modelNothing)
	for m, v := range s.slot {
		newest = max(newest, v)
		if s.ended && v == modelOld {
			return "the old value is back at member " + string(rune('0'+m))
		}
	}
	if s.wrote && newest != modelNew {
		return "the new value is lost"
	}
	return ""
}

func walkModel(r modelRules) (states int, wrong string) {
	first := modelState{slot: [modelMembers]uint8{modelOld}}
	seen := map[modelState]bool{first: true}
	queue := []modelState{first}
	for len(queue) > 0 && wrong == "" {
		s := queue[0]
		queue = queue[1:]
		wrong = s.wrong()
		s.next(r, func(t modelState) {
			if !seen[t] {
				seen[t] = true
				queue = append(queue, t)
			}
		})
	}
	return len(seen), wrong
}

func TestTombstoneModel(t *testing.T) {
	for name, c := range map[string]struct {
		rules modelRules
		wrong string
	}{
		"a majority is enough":       {modelRules{false, true, true, true}, "old value is back"},
		"stamps are ignored":         {modelRules{true, false, true, true}, "old value is back"},
		"old content, new stamp":     {modelRules{true, true, false, true}, "old value is back"},
		"whatever is there goes too": {modelRules{true, true, true, false}, "new value is lost"},
	} {
		_, wrong := walkModel(c.rules)
		require.Contains(t, wrong, c.wrong, name)
	}
	if testing.Short() {
		t.Skip("the whole walk takes seconds")
	}
	states, wrong := walkModel(modelRules{true, true, true, true})
	require.Empty(t, wrong)
	require.Greater(t, states, 10_000)
	t.Log("states:", states)
}
