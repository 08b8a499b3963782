package swim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJoinThroughOneSeed(t *testing.T) {
	for n := 1; n <= 8; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newMesh(t, uint64(n))
			for range n {
				w.add("a:1")
			}
			w.until(5*time.Second, func() bool { return w.agree(Alive) })
			require.Equal(t, n, w.node("a").m.Count(Alive))
			w.forget()
			w.pass(10 * time.Minute)
			for _, n := range w.nodes {
				require.Empty(t, n.events, "a quiet cluster stays quiet")
				require.Zero(t, n.m.Counters().Refutes)
				require.Zero(t, n.m.Counters().ProbesFailed)
				require.Zero(t, n.m.Counters().LateTicks)
			}
		})
	}
}

// Seeds that start last are dialled until they are there.
func TestSeedComesLate(t *testing.T) {
	w := newMesh(t, 1)
	for range 3 {
		w.add("a:1", "b:1", "c:1")
	}
	w.nodes[0].up, w.nodes[1].up = false, false
	w.queue = nil // they have not said a word.
	w.pass(time.Hour)
	require.Equal(t, 1, len(w.node("c").m.Members()))
	w.start(w.node("a"), []string{"a:1"}, nil) // knows nobody else.
	w.until(10*time.Second, func() bool { return w.agree(Alive) })
	w.start(w.node("b"), []string{"b:1"}, nil)
	w.until(10*time.Second, func() bool { return w.agree(Alive) })
}

func TestAnsweredSeedsAreLeftAlone(t *testing.T) {
	w := cluster(t, 1, 2)
	w.pass(time.Minute)
	before := w.node("b").dials
	w.pass(10 * time.Minute)
	pushPulls := 10 * 60 / 10
	require.InDelta(t, pushPulls, w.node("b").dials-before, float64(pushPulls)/4, "only the periodic exchange is left")
}

func TestLossGivesNoPermanentDead(t *testing.T) {
	for seed := range uint64(5) {
		for _, n := range []int{2, 3, 5, 8} {
			w := cluster(t, seed, n)
			w.lossPercent = 20
			w.pass(10 * time.Minute)
			w.lossPercent = 0
			w.until(time.Minute, func() bool { return w.agree(Alive) })
			dead := 0
			for _, n := range w.nodes {
				for _, e := range n.events {
					if e.Member.State == Dead {
						dead++
					}
				}
			}
			require.Zero(t, dead, "20 %% loss, %d nodes, seed %d: refutation must come before death", n, seed)
		}
	}
}

// One or more nodes die; the others find out, within a bounded time, and agree.
func TestCrashIsFound(t *testing.T) {
	for n := 2; n <= 8; n++ {
		w := cluster(t, uint64(n), n)
		w.node("a").up = false
		limit := 2*time.Duration(n)*w.nodes[1].m.cfg.ProbeInterval + suspicionTime(&w.nodes[1].m.cfg, n, 2, 0, 0)
		w.until(limit, func() bool {
			for _, o := range w.nodes[1:] {
				if w.sees(o.name, "a") != "dead" {
					return false
				}
			}
			return true
		})
		for _, o := range w.nodes[1:] {
			require.Equal(t, n-1, o.m.Count(Alive), "nobody else suffers")
		}
	}
}

func TestPartitionOfAnHourHeals(t *testing.T) {
	for _, sides := range [][2]string{{"a", "b"}, {"a", "bc"}, {"abc", "de"}, {"abcd", "efgh"}, {"a", "bcdefgh"}} {
		t.Run(sides[0]+"|"+sides[1], func(t *testing.T) {
			w := cluster(t, 7, len(sides[0])+len(sides[1]))
			side := func(name string) bool { return name[0] < sides[1][0] }
			w.cut = func(from, to string, _ bool) bool { return side(from) != side(to) }
			w.pass(time.Hour)
			for _, n := range w.nodes {
				for _, o := range w.nodes {
					want := "alive"
					if side(n.name) != side(o.name) {
						want = "dead"
					}
					require.Equal(t, want, w.sees(n.name, o.name), "%s of %s", n.name, o.name)
				}
			}
			w.cut = nil
			w.forget()
			w.until(30*time.Second, func() bool { return w.agree(Alive) })
			for _, n := range w.nodes {
				for _, e := range n.events {
					require.NotEqual(t, Dead, e.Member.State, "healing must not kill those who were well")
				}
			}
		})
	}
}

// Datagrams pass in one direction only. Whoever is not heard is suspected, but hears of it.
func TestOneWayLossOfDatagrams(t *testing.T) {
	w := cluster(t, 3, 5)
	w.cut = func(from, to string, stream bool) bool { return !stream && from == "a" && to == "b" }
	w.pass(30 * time.Minute)
	for _, n := range w.nodes {
		for _, e := range n.events {
			require.NotEqual(t, Dead, e.Member.State, "others reach both")
		}
	}
}

func TestRestartIsAccepted(t *testing.T) {
	w := cluster(t, 4, 3)
	c := w.node("c")
	known := c.m.Members()

	t.Run("before anybody noticed, at another address", func(t *testing.T) {
		c.addr = "c:2"
		w.start(c, nil, known)
		w.until(10*time.Second, func() bool { return w.agree(Alive) })
		m, _ := w.node("a").m.Lookup(c.id)
		require.Equal(t, "c:2", m.Addr)
		require.Zero(t, c.m.Counters().Clashes)
	})
	t.Run("after death", func(t *testing.T) {
		c.up = false
		w.until(time.Minute, func() bool { return w.sees("a", "c") == "dead" && w.sees("b", "c") == "dead" })
		w.start(c, nil, known)
		w.until(10*time.Second, func() bool { return w.agree(Alive) })
	})
	t.Run("nobody is dialled but all dial", func(t *testing.T) {
		c.up = false
		w.until(time.Minute, func() bool { return w.sees("a", "c") == "dead" && w.sees("b", "c") == "dead" })
		w.start(c, nil, nil)
		w.until(10*time.Second, func() bool { return w.agree(Alive) })
	})
	t.Run("with an incarnation below what the others remember", func(t *testing.T) {
		c.up = false
		c.boots = 0 // a restored backup.
		w.pass(time.Minute)
		w.start(c, []string{"a:1"}, nil)
		w.until(20*time.Second, func() bool { return w.agree(Alive) })
		require.NotZero(t, c.m.Counters().Refutes)
	})
}

func TestAllRestartAtOnce(t *testing.T) {
	w := cluster(t, 5, 4)
	known := w.node("a").m.Members()
	for _, n := range w.nodes {
		n.up = false
	}
	w.pass(time.Hour)
	for _, n := range w.nodes {
		w.start(n, nil, known) // no seeds: the former table is enough.
	}
	w.until(10*time.Second, func() bool { return w.agree(Alive) })
}

func TestLeave(t *testing.T) {
	for n := 1; n <= 8; n++ {
		w := cluster(t, uint64(n), n)
		w.lossPercent = 20
		gone := w.nodes[n-1]
		require.False(t, gone.m.Left())
		gone.m.Leave(w.now, wallMs, &gone.out)
		gone.m.Leave(w.now, wallMs, &gone.out) // twice is once.
		w.collect(gone)
		w.until(leaveRounds*time.Second, gone.m.Left)
		gone.up = false
		w.until(time.Minute, func() bool {
			for _, o := range w.nodes[:n-1] {
				if w.sees(o.name, gone.name) != "left" {
					return false
				}
			}
			return true
		})
		w.pass(time.Minute)
		w.cut = func(_, to string, _ bool) bool {
			require.NotEqual(t, gone.name, to, "who left is not disturbed")
			return false
		}
		w.pass(10 * time.Minute)
		for _, o := range w.nodes[:n-1] {
			require.Equal(t, "left", w.sees(o.name, gone.name))
			require.NotContains(t, states(o.events, gone.id), Dead)
		}
		w.cut = nil
		w.lossPercent = 0
		gone.id += 100 // with an empty folder: the former identity never comes back.
		w.start(gone, []string{"a:1"}, nil)
		w.until(20*time.Second, func() bool { return w.agree(Alive) })
	}
}

func states(events []Event, id ID) (all []State) {
	for _, e := range events {
		if e.Member.ID == id {
			all = append(all, e.Member.State)
		}
	}
	return all
}

// A farewell ends although nobody hears it.
func TestLeaveUnheard(t *testing.T) {
	w := cluster(t, 1, 3)
	w.cut = func(_, _ string, _ bool) bool { return true }
	a := w.node("a")
	a.m.Leave(w.now, wallMs, &a.out)
	w.collect(a)
	require.False(t, a.m.Left())
	w.until(leaveRounds*time.Second, a.m.Left)
}

func TestWhoLeftJoinsNobody(t *testing.T) {
	w := cluster(t, 1, 3)
	c := w.node("c")
	c.m.Leave(w.now, wallMs, &c.out)
	w.collect(c)
	w.until(5*time.Second, func() bool {
		return w.sees("a", "c") == "left" && w.sees("b", "c") == "left" && c.m.Left()
	})
	c.m.Join(w.now, []string{"b:1"}, &c.out)
	require.Empty(t, c.out.Sends)
	w.forget()
	w.pass(5 * time.Minute)
	for _, n := range w.nodes {
		require.Empty(t, n.events)
	}
}

// A process that was frozen must not believe that the others were silent.
func TestPausedMemberAccusesNobody(t *testing.T) {
	for seed := range uint64(20) {
		w := cluster(t, seed, 4)
		w.pass(time.Minute)
		w.stall = func(name string) bool { return name == "b" }
		w.pass(45 * time.Second)
		w.stall = nil
		w.forget()
		w.until(30*time.Second, func() bool { return w.agree(Alive) })
		w.pass(time.Minute)
		require.NotZero(t, w.node("b").m.Counters().LateTicks)
		for _, n := range w.nodes {
			for _, e := range n.events {
				require.True(t, e.Member.ID == w.node("b").id || e.Member.State == Alive, "seed %d: %s saw %s %s", seed,
					n.name, e.Member.Name, e.Member.State)
			}
		}
	}
}

// Two processes with one identity, as after a copied data folder: noticed, survived, and not at the speed of the
// network.
func TestIdentityClash(t *testing.T) {
	w := cluster(t, 1, 3)
	d := w.add("a:1")
	w.until(10*time.Second, func() bool { return w.agree(Alive) })
	d.up = false
	w.pass(time.Minute)
	d.id = w.node("c").id
	w.start(d, []string{"a:1"}, nil)
	w.pass(10 * time.Minute)
	c := w.node("c")
	require.NotZero(t, c.m.Counters().Clashes)
	require.NotZero(t, d.m.Counters().Clashes)
	claim, ok := c.m.Clash()
	require.True(t, ok)
	require.Equal(t, c.id, claim.ID)
	require.LessOrEqual(t, c.m.Counters().Refutes+d.m.Counters().Refutes, uint64(2*(10*60/10+1)))
	d.up = false
	w.until(time.Minute, func() bool {
		m, _ := w.node("a").m.Lookup(c.id)
		return m.Addr == c.addr && m.State == Alive
	})
}

func TestDeterminism(t *testing.T) {
	run := func(seed uint64) uint64 {
		w := cluster(t, seed, 6)
		w.lossPercent = 25
		w.pass(time.Minute)
		w.cut = func(from, to string, _ bool) bool { return (from < "c") != (to < "c") }
		w.pass(time.Minute)
		w.cut = nil
		w.pass(time.Minute)
		return w.hash
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2))
}
