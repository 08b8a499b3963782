package swim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (w *mesh) remove(by, whom string, force bool) error {
	n := w.node(by)
	err := n.m.Remove(w.now, w.node(whom).id, force, wallMs, &n.out)
	w.collect(n)
	return err
}

// all says whether every node that runs, but for those named, sees `whom` in that state.
func (w *mesh) all(whom, state string, but string) bool {
	for _, n := range w.nodes {
		if n.up && n.name != whom && n.name != but && w.sees(n.name, whom) != state {
			return false
		}
	}
	return true
}

func TestRemovalIsRefused(t *testing.T) {
	w := cluster(t, 1, 3)
	require.ErrorIs(t, w.remove("a", "a", true), ErrRemoveSelf)
	require.ErrorIs(t, w.remove("a", "b", false), ErrMemberAlive)
	require.ErrorIs(t, w.node("a").m.Remove(w.now, 77, true, wallMs, &w.node("a").out), ErrUnknownMember)
	require.Empty(t, w.node("a").out.Events)
}

// A dead member is removed while a third is away. Everybody learns it, also the one that was away and still holds the
// removed for a member; the removed one comes back under a higher incarnation, hears it, and disturbs nobody.
func TestRemovalCannotBeUndone(t *testing.T) {
	for seed := range uint64(10) {
		w := cluster(t, seed, 5)
		known := w.node("e").m.Members()
		w.node("e").up = false
		w.until(2*time.Minute, func() bool { return w.all("e", "dead", "") })
		w.cut = func(from, to string, _ bool) bool { return from == "d" || to == "d" }
		require.NoError(t, w.remove("a", "e", false))
		require.NoError(t, w.remove("a", "e", false), "twice is once")
		w.until(time.Minute, func() bool { return w.all("e", "removed", "d") })
		require.Equal(t, "dead", w.sees("d", "e"))
		w.pass(5 * time.Minute)
		w.cut = nil
		w.until(time.Minute, func() bool { return w.all("e", "removed", "") })
		w.until(time.Minute, func() bool { return w.sees("a", "d") == "alive" && w.sees("d", "a") == "alive" })

		w.pass(time.Minute)
		w.forget()
		e := w.node("e")
		e.boots += 10
		w.start(e, []string{"a:1"}, known)
		w.until(10*time.Second, func() bool { return e.m.Self().State == Removed })
		require.Equal(t, uint64(wallMs), e.m.Self().GoneAt)
		require.Contains(t, states(e.events, e.id), Removed, "it is told")
		w.pass(5 * time.Minute)
		for _, n := range w.nodes[:4] {
			require.Empty(t, n.events, "and disturbs nobody")
		}

		e.id += 100 // with an empty folder, under the same name and address.
		w.start(e, []string{"a:1"}, nil)
		w.until(10*time.Second, func() bool { return w.agree(Alive) })
	}
}

// Who is gone stays so over a restart of everybody.
func TestRemovalOutlivesRestarts(t *testing.T) {
	w := cluster(t, 3, 4)
	former := w.node("d").m.Members()
	w.node("d").up = false
	require.NoError(t, w.remove("a", "d", true))
	w.until(time.Minute, func() bool { return w.all("d", "removed", "") })
	known := w.node("a").m.Members()
	for _, n := range w.nodes[:3] {
		w.start(n, nil, known)
		require.Equal(t, Removed, func() State { m, _ := n.m.Lookup(w.node("d").id); return m.State }())
	}
	d := w.node("d")
	w.start(d, nil, former)
	w.until(10*time.Second, func() bool { return d.m.Self().State == Removed })
	retired := d.m.Members()
	d.dials = 0
	w.start(d, nil, retired)
	require.Equal(t, Removed, d.m.Self().State, "it remembers by itself")
	w.forget()
	w.pass(time.Minute)
	require.Zero(t, d.dials, "and says nothing any more")
}

// A member that is alive is removed by force: it falls silent by itself.
func TestRemovalOfTheLiving(t *testing.T) {
	for n := 2; n <= 6; n++ {
		w := cluster(t, uint64(n), n)
		w.lossPercent = 20
		require.NoError(t, w.remove("a", "b", true))
		b := w.node("b")
		w.until(30*time.Second, func() bool { return b.m.Self().State == Removed && w.all("b", "removed", "") })
		w.pass(time.Minute)
		w.cut = func(from, to string, _ bool) bool {
			require.False(t, from == "b" || to == "b", "neither disturbs the other")
			return false
		}
		w.pass(5 * time.Minute)
	}
}

// Two sides of a partition remove each other's members: afterwards both are out, on all sides.
func TestCrosswiseRemoval(t *testing.T) {
	w := cluster(t, 5, 4)
	w.cut = func(from, to string, _ bool) bool { return (from < "c") != (to < "c") }
	w.until(2*time.Minute, func() bool { return w.sees("a", "c") == "dead" && w.sees("c", "a") == "dead" })
	require.NoError(t, w.remove("a", "c", false))
	require.NoError(t, w.remove("c", "a", false))
	w.cut = nil
	w.until(time.Minute, func() bool { return w.sees("b", "c") == "removed" && w.sees("d", "c") == "removed" })
	w.until(time.Minute, func() bool { return w.sees("b", "a") == "removed" && w.sees("d", "a") == "removed" })
	w.until(time.Minute, func() bool {
		return w.node("a").m.Self().State == Removed && w.node("c").m.Self().State == Removed &&
			w.sees("b", "d") == "alive"
	})
}

// Members move one after the other, with seeds that are stale since long; then all at once, to each other's addresses.
// The table of the former run is enough.
func TestRestartWithNewAddresses(t *testing.T) {
	w := cluster(t, 6, 4)
	restart := func(n *meshNode, addr string) {
		known := n.m.Members()
		n.addr = addr
		w.start(n, []string{"z:9"}, known)
	}
	for _, n := range w.nodes {
		restart(n, n.name+":2")
		w.until(20*time.Second, func() bool { return w.agree(Alive) })
	}
	w.pass(time.Minute)
	t.Run("all at once, one to a known address", func(t *testing.T) {
		for i, n := range w.nodes {
			if i > 0 {
				restart(n, n.name+":3")
			} else {
				restart(n, n.name+":2")
			}
		}
		w.until(20*time.Second, func() bool { return w.agree(Alive) })
	})
	t.Run("all at once, somewhere else: one word is needed", func(t *testing.T) {
		for _, n := range w.nodes {
			restart(n, n.name+":4")
		}
		w.pass(5 * time.Minute)
		for _, n := range w.nodes {
			require.Equal(t, 1, n.m.Count(Alive))
			require.GreaterOrEqual(t, n.m.Counters().SeedsSilent, uint64(20), "it can be said that nobody answers")
		}
		for _, n := range w.nodes[1:] {
			n.m.Join(w.now, []string{"a:4"}, &n.out)
			w.collect(n)
		}
		w.until(20*time.Second, func() bool { return w.agree(Alive) })
		require.Zero(t, w.node("b").m.Counters().SeedsSilent)
	})
}

// Seeds that have moved away are dialled for ever, and do not keep members from finding each other.
func TestStaleSeeds(t *testing.T) {
	w := cluster(t, 8, 3)
	b := w.node("b")
	w.start(b, []string{"y:1", "z:1"}, b.m.Members())
	w.until(20*time.Second, func() bool { return w.agree(Alive) })
	b.dials = 0
	w.pass(time.Hour)
	require.Greater(t, b.dials, 60*60/10+60*60/10, "push-pulls, and the seeds")
	require.True(t, w.agree(Alive))
}

// A member that comes back under another name is the same member.
func TestRenamed(t *testing.T) {
	w := cluster(t, 9, 3)
	c := w.node("c")
	known := c.m.Members()
	c.name = "c2"
	w.start(c, nil, known)
	w.until(20*time.Second, func() bool {
		a, _ := w.node("a").m.Lookup(c.id)
		b, _ := w.node("b").m.Lookup(c.id)
		return a.Name == "c2" && b.Name == "c2" && a.State == Alive && b.State == Alive
	})
	require.Len(t, w.node("a").m.Members(), 3)
	require.Zero(t, c.m.Counters().Clashes)
}

// A wiped member under its old name and address is another one; the old line stays dead until somebody removes it.
func TestWipedMemberReturns(t *testing.T) {
	w := cluster(t, 10, 3)
	c := w.node("c")
	old := c.id
	c.up = false
	c.id += 100
	w.start(c, []string{"a:1"}, nil)
	w.until(2*time.Minute, func() bool {
		was, _ := w.node("a").m.Lookup(old)
		return w.agree(Alive) && was.State == Dead
	})
	a := w.node("a")
	require.NoError(t, a.m.Remove(w.now, old, false, wallMs, &a.out))
	w.collect(a)
	w.until(time.Minute, func() bool {
		for _, n := range w.nodes {
			if m, _ := n.m.Lookup(old); m.State != Removed {
				return false
			}
		}
		return w.agree(Alive)
	})
}
