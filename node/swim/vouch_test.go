package swim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A member on an older copy is announced before anybody has answered it. Those who come back have not forgotten the run
// that it does not know, also when both runs have the same number: in which order the salts are is chance.
func TestAnnouncedUnvouched(t *testing.T) {
	for seed := range uint64(12) {
		w := cluster(t, seed, 4)
		c := w.node("c")
		c.salt = uint32(seed * 7919)
		known := c.m.Members()
		w.start(c, nil, known)
		w.until(10*time.Second, func() bool {
			held, _ := w.node("a").m.Lookup(c.id)
			return w.agree(Alive) && RunOf(held.Incarnation) == c.boots
		})
		w.pass(time.Second)
		before := c.m.Self()
		c.boots-- // and another salt.
		w.cut = func(from, to string, stream bool) bool { return (from == "c") != (to == "c") }
		w.start(c, nil, known)
		w.pass(30 * time.Second)
		require.True(t, c.m.vouching.announced)
		require.False(t, c.m.Heard())
		require.False(t, SameLife(before.Incarnation, c.m.Self().Incarnation))
		w.cut = nil
		w.until(10*time.Second, func() bool { _, other := c.m.Vouched(); return other == c.boots })
		require.True(t, c.m.Heard())
		w.pass(10 * time.Second)
		for _, name := range []string{"a", "b", "d"} {
			held, _ := w.node(name).m.Lookup(c.id)
			require.True(t, SameLife(before.Incarnation, held.Incarnation), "%s has forgotten it", name)
		}
	}
}

// Members that have all just started, and were announced before most had answered, are told of by each other: that they
// know the very run of a member is as good as that they know none.
func TestToldOfThisRunOnly(t *testing.T) {
	w := cluster(t, 3, 3)
	known := map[*meshNode][]Member{}
	for _, n := range w.nodes {
		known[n] = n.m.Members()
		n.up = false
	}
	a, b, c := w.node("a"), w.node("b"), w.node("c")
	w.start(a, nil, known[a])
	w.start(b, nil, known[b])
	w.until(20*time.Second, func() bool { return w.sees("a", "b") == "alive" && w.sees("b", "a") == "alive" })
	w.pass(20 * time.Second)
	for _, n := range []*meshNode{a, b} {
		ok, other := n.m.Vouched()
		require.False(t, ok, "one of two others says what it was told")
		require.Zero(t, other)
		require.True(t, n.m.Heard())
	}
	w.start(c, nil, known[c])
	w.until(20*time.Second, func() bool {
		for _, n := range w.nodes {
			if ok, _ := n.m.Vouched(); !ok {
				return false
			}
		}
		return w.agree(Alive)
	})
}

// However many members there are, a member asks a bounded number of them while it waits.
func TestQuestionsAreBounded(t *testing.T) {
	m := newMachine(t, func(o *Options) {
		o.Self.Incarnation = FirstIncarnation(3, 5)
		for id := ID(2); id <= 60; id++ {
			r := says(id, Dead, 1)
			o.Known = append(o.Known, r.member())
		}
	})
	var out Output
	for id := ID(2); id <= 40; id++ {
		m.learn(0, says(id, Alive, 1), id, sworn, &out)
	}
	m.doubts, out = nil, Output{}
	for now := time.Duration(0); now < 5*time.Second; now += 10 * time.Millisecond {
		m.Tick(now, &out)
	}
	asks, dials := 0, 0
	for _, s := range out.Sends {
		switch {
		case s.Stream && s.Data[1] == kindAsk:
			asks++
		case s.Stream && s.Data[1] == kindRequest:
			dials++
		}
	}
	require.Greater(t, asks, 40)
	require.LessOrEqual(t, asks, 10*vouchersMax*doubtTriesMax)
	require.LessOrEqual(t, dials, 8*dialsFirst)
}
