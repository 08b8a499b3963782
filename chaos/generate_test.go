package chaos

import (
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func options(rng *rand.Rand) GenOptions {
	return GenOptions{
		Nodes: 1 + rng.IntN(NodesMax), Duration: 20 * time.Second, Kinds: Disturbances(),
		Every: 300 * time.Millisecond, Length: 100 * time.Millisecond, LengthMax: 5 * time.Second,
		KeepMajority: rng.IntN(2) == 0,
		Patterns:     rng.IntN(2) == 0,
	}
}

// world replays a plan on a model of its own, as a target would.
type world struct {
	nodes                        int
	links                        *Links
	down, paused, frozen, broken [NodesMax + 1]bool
	wrong, slow                  [NodesMax + 1]bool
}

func (w *world) apply(f Fault) {
	w.links.Apply(f)
	for _, n := range f.Nodes {
		switch f.Kind {
		case Crash:
			w.down[n], w.broken[n] = true, false
		case Restart:
			w.down[n] = false
		case Pause, Resume:
			w.paused[n] = f.Kind == Pause
		case FreezeClock, ThawClock:
			w.frozen[n] = f.Kind == FreezeClock
			w.wrong[n] = true
		case Skew, Jump, Drift:
			w.wrong[n] = true
		case HealClocks:
			w.frozen[n], w.wrong[n] = false, false
		case DiskError, DiskFull:
			w.broken[n], w.slow[n] = true, true // broken until it has started anew.
		case DiskSlow:
			w.slow[n] = true
		case HealDisks:
			w.slow[n] = false
		}
	}
}

// majority reports whether there is a majority of nodes that serve and reach each other both ways.
func (w *world) majority() bool {
	for set := range 1 << w.nodes {
		if 2*bits.OnesCount(uint(set)) > w.nodes && w.connected(set) {
			return true
		}
	}
	return false
}

func (w *world) connected(set int) bool {
	for a := 1; a <= w.nodes; a++ {
		if set>>(a-1)&1 == 0 {
			continue
		}
		if w.down[a] || w.paused[a] || w.broken[a] {
			return false
		}
		for b := 1; b <= w.nodes; b++ {
			if set>>(b-1)&1 == 1 && (w.links.Blocked(a, b) || w.links.Clogged(a, b)) {
				return false
			}
		}
	}
	return true
}

func TestGenerateIsValid(t *testing.T) {
	seen := map[Kind]int{}
	lost, flaps := 0, 0
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		o := options(rng)
		p := Generate(rng, o)
		require.NoError(t, Validate(p, o.Nodes), "seed %d", seed)
		back, err := ParsePlan(p.String())
		require.NoError(t, err, "seed %d", seed)
		require.Equal(t, p, back, "seed %d", seed)

		w := world{nodes: o.Nodes, links: NewLinks(o.Nodes, Link{})}
		partitions := 0
		for i, e := range p.Events {
			if e.At > o.Duration {
				t.Fatalf("seed %d: %s at %v of %v", seed, e.Fault, e.At, o.Duration)
			}
			seen[e.Kind]++
			if e.Kind == Partition {
				partitions++
			}
			w.apply(e.Fault)
			if last := i+1 == len(p.Events) || p.Events[i+1].At > e.At; last && !w.majority() {
				require.False(t, o.KeepMajority, "seed %d: no majority after `%s`\n%s", seed, e, p)
				lost++
			}
		}
		if partitions > 10 {
			flaps++
		}
		require.Equal(t, world{nodes: o.Nodes, links: NewLinks(o.Nodes, Link{})}, w, "seed %d: every fault ends\n%s",
			seed, p)
	}
	for _, k := range Disturbances() {
		require.Greater(t, seen[k], 100, "%s is hardly ever drawn", k)
	}
	require.Greater(t, lost, 1000, "without KeepMajority, majorities get lost")
	require.Greater(t, flaps, 30, "partitions flap")
}

func TestGenerateDrawsOnlyWhatIsOn(t *testing.T) {
	for _, k := range Disturbances() {
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, 1))
			o := options(rng)
			o.Nodes, o.Kinds, o.KeepMajority, o.Patterns = 3, []Kind{k}, false, false
			p := Generate(rng, o)
			require.NotEmpty(t, p.Events)
			for _, e := range p.Events {
				// each ends in a restart.
				restarts := (k == Wipe || k == SwapDisks || k == DiskError || k == DiskFull) && e.Kind == Crash
				require.True(t, e.Kind == k || e.Kind.Ends() || restarts, "%s in a plan of %s", e, k)
			}
		}
	}
}

func TestGenerateIsDeterministic(t *testing.T) {
	draw := func() string {
		rng := rand.New(rand.NewPCG(42, 0))
		return Generate(rng, options(rng)).String()
	}
	require.Equal(t, draw(), draw())
}

func TestGenerateRate(t *testing.T) {
	rng := rand.New(rand.NewPCG(42, 0))
	o := GenOptions{Nodes: 3, Duration: 1000 * time.Second, Kinds: []Kind{Skew}, Every: time.Second,
		Length: time.Millisecond, LengthMax: time.Millisecond}
	require.InDelta(t, 2*1000, len(Generate(rng, o).Events), 100, "one fault a second, each with its end")
	o.Kinds = nil
	require.Empty(t, Generate(rng, o).Events)
}

func TestGenOptionsCheck(t *testing.T) {
	rng := rand.New(rand.NewPCG(42, 0))
	for reason, spoil := range map[string]func(*GenOptions){
		"use 1 to 9":               func(o *GenOptions) { o.Nodes = 10 },
		"more than 0s":             func(o *GenOptions) { o.Duration = 0 },
		"every=0s":                 func(o *GenOptions) { o.Every = 0 },
		"length=5s..1s":            func(o *GenOptions) { o.Length, o.LengthMax = 5*time.Second, time.Second },
		"does not begin a fault":   func(o *GenOptions) { o.Kinds = []Kind{Restart} },
		"more than 100000 faults:": func(o *GenOptions) { o.Duration, o.Every = time.Hour, time.Millisecond },
	} {
		o := options(rng)
		require.NoError(t, o.Check())
		spoil(&o)
		require.ErrorContains(t, o.Check(), reason)
		require.Panics(t, func() { Generate(rng, o) })
	}
}

// Each pattern is drawn, and has the shape that its name says.
func TestPatterns(t *testing.T) {
	count := func(p Plan, k Kind) (n int) {
		for _, e := range p.Events {
			if e.Kind == k {
				n++
			}
		}
		return n
	}
	seen := map[string]int{}
	for seed := range uint64(400) {
		for _, k := range []Kind{Cut, Clog, Crash, Jump, Drift} {
			g := generator{rng: rand.New(rand.NewPCG(seed, 2)), o: GenOptions{Nodes: 5, Duration: time.Minute},
				now: time.Second, end: 6 * time.Second}
			require.True(t, g.pattern(k))
			p := NewPlan(g.events)
			require.NoError(t, Validate(p, 5), "seed %d\n%s", seed, p)
			first, last := p.Events[0], p.Events[len(p.Events)-1]
			require.GreaterOrEqual(t, first.At, g.now)
			require.LessOrEqual(t, last.At, g.end)
			switch {
			case k == Cut && len(p.Events) == 2 && len(first.From) == 1 && len(first.To) == 4:
				seen["mute"]++
			case k == Cut && len(p.Events) == 2 && len(first.From) == 4 && len(first.To) == 1:
				seen["deaf"]++
			case k == Cut:
				seen["swizzle"]++
				require.Equal(t, count(p, Cut)+1, count(p, HealCut))
				require.Equal(t, Fault{Kind: HealCut}, last.Fault)
			case k == Clog:
				seen["swizzled clog"]++
				require.Equal(t, count(p, Clog)+1, count(p, HealClog))
				require.Equal(t, Fault{Kind: HealClog}, last.Fault)
			case k == Crash:
				require.Equal(t, count(p, Crash), count(p, Restart))
				if count(p, Crash) > 2 {
					seen["storm"]++
				}
			case k == Jump:
				require.Equal(t, "heal-clocks", last.Kind.String())
				require.Greater(t, count(p, Jump), 10)
				require.Equal(t, first.Amount, -p.Events[1].Amount)
				seen["strobe"]++
			case first.Kind == Jump:
				require.Equal(t, -time.Second, first.Amount)
				seen["repeated second"]++
			default:
				require.EqualValues(t, PPMAll/5, max(first.PPM, -first.PPM), "a second in five")
				seen["smeared second"]++
			}
		}
	}
	for _, name := range []string{"mute", "deaf", "swizzle", "swizzled clog", "storm", "strobe", "repeated second",
		"smeared second"} {
		require.Greater(t, seen[name], 40, name)
	}
	g := generator{rng: rand.New(rand.NewPCG(1, 2)), o: GenOptions{Nodes: 1}, end: time.Second}
	require.False(t, g.pattern(Cut), "nobody to be cut off from")
	require.False(t, g.pattern(Clog), "nobody to be clogged")
	require.False(t, g.pattern(Pause), "there is none")
}
