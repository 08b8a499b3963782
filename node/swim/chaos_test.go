package swim

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever happened before, all that run agree soon after the faults have ended.
func TestAgreeAfterAnything(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			n := 2 + int(seed%7)
			w := cluster(t, seed, n)
			for range 30 {
				disturb(w)
				w.pass(time.Duration(w.rng.IntN(20_000)) * time.Millisecond)
			}
			w.cut, w.lossPercent, w.stall = nil, 0, nil
			for _, o := range w.nodes {
				if !o.up {
					w.start(o, []string{"a:1"}, o.m.Members())
				}
			}
			w.pass(30 * time.Second)
			for _, o := range w.nodes { // those that were removed have been told by now.
				if o.m.Self().State.Gone() {
					o.id += 100 // a fresh identity: the former one is gone for good.
					w.start(o, []string{"a:1"}, nil)
				}
			}
			w.until(time.Minute, func() bool { return w.agree(Alive) })
			w.pass(30 * time.Second) // a probe that failed before may still make a suspect.
			w.until(time.Second, func() bool { return w.agree(Alive) })
			w.forget()
			w.pass(2 * time.Minute)
			for _, o := range w.nodes {
				require.Empty(t, o.events, "and stay so")
			}
		})
	}
}

// disturb does one thing at random.
func disturb(w *mesh) {
	victim := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(8) {
	case 0:
		w.lossPercent = w.rng.IntN(60)
	case 1:
		sides := w.rng.Uint32()
		w.cut = func(from, to string, _ bool) bool { return (sides>>(from[0]-'a'))&1 != (sides>>(to[0]-'a'))&1 }
	case 2: // one way only, or only datagrams.
		streams := w.rng.IntN(2) == 0
		w.cut = func(from, _ string, stream bool) bool { return from == victim.name && (streams || !stream) }
	case 3:
		w.cut = nil
	case 4:
		victim.up = false
	case 5:
		known := victim.m.Members()
		if victim.m.Self().State.Gone() {
			victim.id += 100
		}
		if victim.name != "a" { // all have it as their seed, and can come together nowhere else.
			victim.addr = fmt.Sprintf("%s:%d", victim.name, 1+w.rng.IntN(2))
		}
		w.start(victim, []string{"a:1"}, known)
	case 6: // by itself, or by the word of another.
		if other := w.nodes[w.rng.IntN(len(w.nodes))]; other != victim && other.up && w.rng.IntN(2) == 0 &&
			!other.m.Self().State.Gone() {
			if err := other.m.Remove(w.now, victim.id, true, wallMs, &other.out); err != nil &&
				!errors.Is(err, ErrUnknownMember) {
				w.t.Fatal(err)
			}
			w.collect(other)
			return
		}
		if victim.up {
			victim.m.Leave(w.now, wallMs, &victim.out)
			w.collect(victim)
		}
	case 7:
		w.stall = nil
		if w.rng.IntN(2) == 0 {
			w.stall = func(name string) bool { return name == victim.name }
		}
	}
}

// A cluster of the size of the alphabet joins, loses a third, and hears of it.
func TestLargerCluster(t *testing.T) {
	w := cluster(t, 1, 26)
	for _, n := range w.nodes[:8] {
		n.up = false
	}
	limit := 2*26*time.Second + suspicionTime(&w.nodes[0].m.cfg, 26, 2, 0, 0)
	w.until(limit, func() bool {
		for _, n := range w.nodes[8:] {
			if n.m.Count(Dead) != 8 {
				return false
			}
		}
		return true
	})
	for _, n := range w.nodes[8:] {
		require.Equal(t, 18, n.m.Count(Alive))
	}
}
