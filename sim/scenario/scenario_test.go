package scenario

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
)

// toy are the sections of a system that exists in this test only.
type toy struct {
	Plain
	keys    int
	pace    time.Duration
	moments []Moment // at which something was drawn.
}

const kept Promise = "kept"

func newToy() Sections { return &toy{keys: 10, pace: time.Second} }

func (y *toy) Clone() Sections {
	c := *y
	c.moments = append([]Moment(nil), y.moments...)
	return &c
}

func (y *toy) WorkloadKeys() []Option { return []Option{Int("keys", &y.keys)} }

func (y *toy) Lines() []Line {
	return []Line{{Word: "pacing", Options: []Option{Duration("pace", &y.pace)}}}
}

func (y *toy) Promises() []Promise { return []Promise{kept, Finished, Linearizable, NotLinearizable} }

func (y *toy) Check(s *Scenario) error {
	if y.keys < s.Clients {
		return fmt.Errorf("workload: keys=%d: one for each of the %d clients", y.keys, s.Clients)
	}
	return nil
}

func (y *toy) Draw(rng *rand.Rand, s *Scenario, m Moment) {
	if s.Own != Sections(y) {
		panic("drawn for another scenario")
	}
	y.moments = append(y.moments, m)
	if m == AfterClients {
		y.keys = s.Clients + rng.IntN(y.keys)
	}
}

const toyText = `scenario toys
about    of a system of this test
nodes    3
clients  5
duration 20s
settle   1m
workload keys=7
network  delay=1ms..10ms loss=0% duplicate=0% reorder=0% corrupt=0%
clocks   skew=0s drift=0ppm
disk     sync=1ms..5ms walk=no busy=no
pacing   pace=3s
expect   kept, finished
plan
  at 2s partition n1 | n2,n3
  at 9s heal
`

func TestSectionsAreRegistered(t *testing.T) {
	s, err := Parse(toyText, newToy())
	require.NoError(t, err)
	require.Equal(t, toyText, s.String())
	require.Equal(t, 7, s.Own.(*toy).keys)
	require.Equal(t, 3*time.Second, s.Own.(*toy).pace)
	require.True(t, s.Expects(kept))

	s, err = Parse("scenario x\nexpect finished ,kept", newToy())
	require.NoError(t, err)
	require.Equal(t, []Promise{kept, Finished}, s.Expect, "in the order in which the system names them")
	require.Equal(t, newToy(), s.Own, "what is not said is as the system has it by default")
}

// What the framework judges can be expected of a system that adds nothing.
func TestAnySystemCanExpectWhatIsJudged(t *testing.T) {
	for _, p := range []Promise{Finished, Linearizable, NotLinearizable} {
		s, err := Parse("scenario x\nexpect "+string(p), &None{})
		require.NoError(t, err)
		require.True(t, s.Expects(p))
	}
}

// A system without sections has no workload line and no others, and what other systems know is an error.
func TestUnknownWordsAreErrors(t *testing.T) {
	s, err := Parse("scenario x\nexpect finished", &None{})
	require.NoError(t, err)
	require.NotContains(t, s.String(), "workload")
	for text, reason := range map[string]string{
		"scenario x\nworkload keys=3":      "line 2: unknown word \"workload\": use scenario, about, seed, nodes",
		"scenario x\npacing pace=3s":       "line 2: unknown word \"pacing\"",
		"scenario x\nexpect kept":          "unknown promise \"kept\": use some of linearizable",
		"scenario x\nexpect converged":     "unknown promise \"converged\"",
		"scenario x\nexpect finished\nx y": "settle, keep, network, clocks, disk, expect, swarm or plan",
	} {
		_, err := Parse(text, &None{})
		require.ErrorContains(t, err, reason, text)
	}
	for text, reason := range map[string]string{
		"scenario x\nworkload kees=3": "line 2: workload: unknown option " +
			"\"kees\": use keys",
		"scenario x\nvoters first=3": "unknown word \"voters\": use scenario",
		"scenario x\nexpect finished\nworkload keys=4": "workload: keys=4: one for each of " +
			"the 5 clients",
		"scenario x\nexpect kept, linearizable, not-linearizable":     "cannot both hold",
		"scenario x\nexpect finished\npacing pace=1s\npacing pace=1s": "pacing is given twice",
	} {
		_, err := Parse(text, newToy())
		require.ErrorContains(t, err, reason, text)
	}
	var nothing Scenario
	nothing.Name = "x"
	require.ErrorContains(t, nothing.Validate(), "no sections")
	s.Expect = []Promise{Finished, "else"}
	require.ErrorContains(t, s.Validate(),
		"else: name promises once and in this order: linearizable, not-linearizable, finished")
}

func TestSectionsAreDrawnAtTheirMoments(t *testing.T) {
	s := Default(newToy())
	s.Name, s.Swarm, s.Nodes, s.Clients, s.Core, s.Random, s.Expect = "x", true, 7, 9, time.Minute, DefaultRandom(),
		[]Promise{kept}
	nodes, cores := map[int]bool{}, 0
	for seed := range uint64(200) {
		d := Draw(rand.New(rand.NewPCG(seed, 0)), s)
		require.True(t, d.Drawn())
		require.NoError(t, d.Validate(), "%s", d)
		require.Equal(t, []Moment{AfterClients, AfterDisk, AfterWorld, AfterFaults}, d.Own.(*toy).moments)
		nodes[d.Nodes] = true
		if d.Core > 0 {
			cores++
		}
	}
	require.Len(t, nodes, 7)
	require.InDelta(t, 100, cores, 30)
	require.Empty(t, s.Own.(*toy).moments, "the template stays as it is")

	s.Swarm = false
	require.Empty(t, Draw(rand.New(rand.NewPCG(1, 0)), s).Own.(*toy).moments, "only a swarm has something to draw")
}

func TestClonesShareNothing(t *testing.T) {
	s, err := Parse(toyText, newToy())
	require.NoError(t, err)
	s.Random = DefaultRandom()
	c := s.Clone()
	require.Equal(t, s, c)
	c.Own.(*toy).keys, c.Expect[0], c.Plan.Events[0].At, c.Random.Every = 99, Linearizable, time.Hour, time.Hour
	back, err := Parse(toyText, newToy())
	require.NoError(t, err)
	back.Random = DefaultRandom()
	require.Equal(t, back, s)
}

func TestLibrary(t *testing.T) {
	l := &Library{New: newToy, Files: fstest.MapFS{
		"toys.scenario": {Data: []byte(toyText)}, "old/bad.scenario": {Data: []byte("scenario bad\nnoodles 3")},
		"README.md": {Data: []byte("no scenario")},
	}}
	require.Equal(t, []string{"old/bad", "toys"}, l.Names())
	s, err := l.Load("toys")
	require.NoError(t, err)
	require.Equal(t, "toys", s.Name)
	_, err = l.Load("old/bad")
	require.ErrorContains(t, err, "old/bad.scenario: line 2: unknown word \"noodles\"")
	_, err = l.Load("README")
	require.ErrorContains(t, err, "there is no scenario \"README\": use one of old/bad, toys, or the path of a file")

	file := filepath.Join(t.TempDir(), "mine.scenario")
	_, err = l.LoadFile(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, []byte("scenario mine\nexpect kept\n"), 0o600))
	s, err = l.LoadFile(file)
	require.NoError(t, err)
	want := l.Default()
	want.Name, want.Expect = "mine", []Promise{kept}
	require.Equal(t, want, s)
}

// Ranges and shares are drawn within their bounds, and small ones are as likely as large ones.
func TestDrawRangeAndShare(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	none, single, small := 0, 0, 0
	for range 2000 {
		lo, hi := DrawRange(rng, time.Millisecond, time.Second, 100)
		require.True(t, time.Millisecond <= lo && lo <= hi && hi <= time.Second, "%s..%s", lo, hi)
		if lo == hi {
			single++
		}
		if hi < 100*time.Millisecond {
			small++
		}
		share := DrawShare(rng, chaos.PPMAll/2)
		require.True(t, share >= 0 && share <= chaos.PPMAll/2)
		if share == 0 {
			none++
		}
	}
	require.InDelta(t, 1000, none, 120)
	require.InDelta(t, 500, single, 120)
	require.InDelta(t, 1000, small, 120)
	require.Zero(t, DrawShare(rng, 0))
}
