package swim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inject delivers a message that no member has sent.
func (w *mesh) inject(to *meshNode, p *packet) {
	stream := p.kind >= kindStreamPing
	if stream {
		require.NoError(w.t, to.m.Stream(w.now, Speaker{}, p.encode(), &to.out))
	} else {
		require.NoError(w.t, to.m.Datagram(w.now, "evil:1", p.encode(), &to.out))
	}
	w.collect(to)
}

// everyWay has a claim arrive in the name of a member in each kind of message that carries claims.
func (w *mesh) everyWay(to *meshNode, as *meshNode, r rumour) {
	self := rumour{id: as.id, born: uint64(as.id) * 100, incarnation: FirstIncarnation(as.boots, as.salt),
		name: []byte(as.name), addr: []byte(as.addr)}
	claim := []rumour{r}
	w.inject(to, &packet{kind: kindPing, sender: as.id, target: to.id, seq: 5, rumours: claim})
	w.inject(to, &packet{kind: kindAck, sender: as.id, target: as.id, seq: 5, rumours: claim})
	w.inject(to, &packet{kind: kindStreamPing, sender: as.id, target: to.id, seq: 5, rumours: claim})
	w.inject(to, &packet{kind: kindRequest, sender: as.id, seq: 5, self: self, rumours: claim})
	w.inject(to, &packet{kind: kindResponse, sender: as.id, seq: 5, self: self, rumours: claim})
	w.inject(to, &packet{kind: kindAnswer, sender: as.id, target: r.id, seq: 5, rumours: claim})
}

func claimAbout(n *meshNode, change func(r *rumour)) rumour {
	r := rumour{id: n.id, born: uint64(n.id) * 100, incarnation: FirstIncarnation(n.boots, n.salt),
		name: []byte(n.name), addr: []byte(n.addr)}
	change(&r)
	return r
}

// Nothing that is said in the name of a member without having been asked for does lasting harm.
func TestForgedClaims(t *testing.T) {
	lies := map[string]func(r *rumour){
		"removed":                 func(r *rumour) { r.state, r.goneAt = Removed, 1 },
		"left":                    func(r *rumour) { r.state, r.goneAt, r.incarnation = Left, 1, incarnationMax },
		"dead":                    func(r *rumour) { r.state = Dead },
		"dead in the last run":    func(r *rumour) { r.state, r.incarnation = Dead, incarnationMax },
		"dead in a later run":     func(r *rumour) { r.state, r.incarnation = Dead, FirstIncarnation(1000, 0) },
		"dead, all refuted":       func(r *rumour) { r.state, r.incarnation = Dead, r.incarnation|(1<<lifeShift-1) },
		"alive in a later run":    func(r *rumour) { r.incarnation = FirstIncarnation(1000, 0) },
		"alive in the last run":   func(r *rumour) { r.incarnation = incarnationMax },
		"moved":                   func(r *rumour) { r.addr, r.incarnation = []byte("z:66"), r.incarnation+1 },
		"moved to another member": func(r *rumour) { r.addr, r.incarnation = []byte("b:1"), r.incarnation+1 },
	}
	for _, name := range []string{"removed", "left", "dead", "dead in the last run", "dead in a later run",
		"dead, all refuted", "alive in a later run", "alive in the last run", "moved", "moved to another member"} {
		for n := 2; n <= 4; n++ {
			t.Run(fmt.Sprintf("%s of %d", name, n), func(t *testing.T) {
				w := cluster(t, 7, n)
				w.pass(5 * time.Second)
				for range 3 {
					for _, to := range w.nodes {
						for _, about := range w.nodes {
							as := w.nodes[(about.id)%ID(n)]
							w.everyWay(to, as, claimAbout(about, lies[name]))
							w.everyWay(to, about, claimAbout(about, lies[name]))
						}
					}
					w.pass(time.Second)
				}
				w.pass(10 * time.Second)
				w.until(30*time.Second, func() bool { return w.agree(Alive) })
				for _, n := range w.nodes {
					require.Equal(t, Alive, n.m.Self().State)
					require.Equal(t, n.boots, RunOf(n.m.Self().Incarnation),
						"it makes no run of its own out of what it hears")
					known := n.m.Members()
					n.boots += 1
					w.start(n, nil, known)
					w.until(10*time.Second, func() bool { ok, _ := n.m.Vouched(); return ok })
				}
			})
		}
	}
}

// Strangers that nobody answers for do not fill the table, and members are let in while they are told of.
func TestForgedStrangers(t *testing.T) {
	w := cluster(t, 3, 2)
	a := w.node("a")
	for i := range 5000 {
		r := rumour{id: ID(1000 + i), born: 1, incarnation: FirstIncarnation(1, 0),
			name: []byte("x"), addr: []byte(fmt.Sprintf("z:%d", i))}
		if i%2 == 1 {
			r.state = Dead
		}
		w.everyWay(a, w.node("b"), r)
		require.LessOrEqual(t, len(a.m.doubts), doubtsMax)
		require.Len(t, a.m.Members(), 2)
	}
	w.add("a:1")
	w.until(10*time.Second, func() bool { return w.agree(Alive) })
	w.pass(10 * time.Second)
	require.Empty(t, a.m.doubts)
	require.Len(t, a.m.Members(), 3)
	require.NotZero(t, a.m.Counters().Doubts)
}

// A member that is removed while it sees nobody but the one that says so believes that one; with others there, it wants
// to hear it from more than half of them.
func TestOwnEndNeedsAMajority(t *testing.T) {
	w := cluster(t, 4, 5)
	e := w.node("e")
	w.cut = func(from, to string, _ bool) bool { return (from == "a") != (to == "a") && from != "e" && to != "e" }
	require.NoError(t, w.remove("a", "e", true))
	w.pass(3 * time.Second)
	require.Equal(t, Alive, e.m.Self().State, "one of four says so")
	require.Equal(t, "removed", w.sees("a", "e"))
	w.cut = nil
	w.until(10*time.Second, func() bool { return e.m.Self().State == Removed && w.all("e", "removed", "") })
}

// A member that is started on an older copy of its data hears of its later run before anything else.
func TestOlderCopy(t *testing.T) {
	// How many starts there were since the copy was made: at least the one in which it was still the newest.
	for _, since := range []uint64{1, 2, 3} {
		w := cluster(t, 5, 3)
		c := w.node("c")
		known := c.m.Members()
		for range 3 {
			w.start(c, nil, known)
			w.until(10*time.Second, func() bool { ok, other := c.m.Vouched(); return ok && other == 0 })
			w.until(10*time.Second, func() bool {
				held, _ := w.node("a").m.Lookup(c.id)
				return w.agree(Alive) && RunOf(held.Incarnation) == c.boots
			})
		}
		c.boots -= since
		w.start(c, nil, known)
		w.until(time.Second, func() bool { _, other := c.m.Vouched(); return other == 4 })
		w.pass(time.Second)
		ok, _ := c.m.Vouched()
		require.False(t, ok, "made %d starts ago", since)
	}
}

// A member that is not announced answers a request for its table without having its new run believed: it may be on an
// older copy of the run that the others know.
func TestTheTableOfAnUnannouncedMember(t *testing.T) {
	w := cluster(t, 6, 3)
	a, c := w.node("a"), w.node("c")
	known := c.m.Members()
	w.start(c, nil, known)
	w.until(10*time.Second, func() bool {
		held, _ := a.m.Lookup(c.id)
		return w.agree(Alive) && RunOf(held.Incarnation) == c.boots
	})
	before, _ := a.m.Lookup(c.id)
	c.boots-- // and another salt.
	w.cut = func(from, to string, stream bool) bool { return from == "c" && to != "a" || to == "c" }
	w.start(c, nil, known)
	request := claimAbout(a, func(*rumour) {})
	w.inject(c, &packet{kind: kindRequest, sender: a.id, seq: a.m.request(), self: request})
	w.pass(time.Second)
	after, _ := a.m.Lookup(c.id)
	require.True(t, SameLife(before.Incarnation, after.Incarnation))
	w.cut = nil
	w.until(20*time.Second, func() bool { _, other := c.m.Vouched(); return other == 2 })
}

// A random forger who knows everything but what is said between the members.
func TestForger(t *testing.T) {
	for seed := range uint64(20) {
		w := cluster(t, seed, 4)
		rng := rand.New(rand.NewPCG(seed, 99))
		for range 300 {
			about := w.nodes[rng.IntN(4)]
			r := claimAbout(about, func(r *rumour) {
				r.state = State(rng.IntN(stateCount))
				r.incarnation += rng.Uint64N(1 << rng.IntN(62))
				if r.state == Suspect {
					r.accuser = ID(1 + rng.IntN(4))
				}
				if r.state.Gone() {
					r.goneAt = 1
				}
				if rng.IntN(3) == 0 {
					r.addr = []byte("z:9")
				}
				if rng.IntN(4) == 0 {
					r.id += 500
				}
			})
			w.everyWay(w.nodes[rng.IntN(4)], w.nodes[rng.IntN(4)], r)
			w.pass(time.Duration(rng.IntN(200)) * time.Millisecond)
		}
		w.until(time.Minute, func() bool { return w.agree(Alive) })
		for _, n := range w.nodes {
			require.Len(t, n.m.Members(), 4)
			require.Equal(t, n.boots, RunOf(n.m.Self().Incarnation))
		}
	}
}
