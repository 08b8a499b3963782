package kvs

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/recorder"
	"kvs/node/relive"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// memory is a sink that keeps everything.
type memory struct {
	whole    bytes.Buffer
	segments []int // where each begins.
}

func (m *memory) Begin(head []byte, _ node.Time) bool {
	m.segments = append(m.segments, m.whole.Len())
	m.whole.Write(head)
	return true
}

func (m *memory) Append(record []byte, _ node.Time) bool {
	m.whole.Write(record)
	return true
}

func (m *memory) Flush() {}

// recordRun runs a scenario, and returns what each run of each member has recorded.
func recordRun(t testing.TB, name string, seed uint64) (all []*memory, res *sim.Result) {
	t.Helper()
	s, err := scenarios.Load(name)
	require.NoError(t, err)
	d := sim.Draw(seed, s)
	sys := System{Recorded: &world.Recorded{SegmentBytes: 256 << 10, Sink: func(int) recorder.Sink {
		all = append(all, new(memory))
		return all[len(all)-1]
	}}}
	res, err = sim.Run(sim.Options{System: sys, Seed: seed, Scenario: &d})
	require.NoError(t, err)
	return all, res
}

// reliveSeeds is how many seeds of each scenario are recorded; KVS_RELIVE_SEEDS asks for more.
func reliveSeeds(t testing.TB) uint64 {
	text := os.Getenv("KVS_RELIVE_SEEDS")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err)
	return n
}

// reliveAll relives a recording as a whole, and each of its segments for itself.
func reliveAll(t testing.TB, m *memory, sum *relive.Result) {
	t.Helper()
	all := m.whole.Bytes()
	pieces := [][]byte{all}
	for i, from := range m.segments {
		to := len(all)
		if i+1 < len(m.segments) {
			to = m.segments[i+1]
		}
		pieces = append(pieces, all[from:to])
	}
	for _, piece := range pieces {
		got, err := relive.Run(bytes.NewReader(piece), relive.Options{})
		require.NoError(t, err)
		require.Nil(t, got.Differs, "%v", got.Differs)
		require.NoError(t, got.Torn)
		sum.Revived += got.Revived
		sum.Steps += got.Steps
		sum.Effects += got.Effects
	}
}

// Whatever happens to a cluster, the core of each member does the same again from each image.
func TestRecordingsRelive(t *testing.T) {
	names := []string{"swarm", "voter-churn", "watch-swarm", "broken-disks", "sealed"}
	if reliveSeeds(t) > 1 {
		names = append(names, "everything", "equal-clocks", "linearizable-swarm", "bootstrap-swarm", "expiry",
			"deletes", "lost-tail", "older-copy")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			var sum relive.Result
			for seed := uint64(1); seed <= reliveSeeds(t); seed++ {
				recordings, res := recordRun(t, name, seed)
				require.Empty(t, res.Violations, "%s\n%s", res, res.Stack)
				for _, m := range recordings {
					reliveAll(t, m, &sum)
				}
			}
			t.Logf("relived from %d images: %d steps, %d effects", sum.Revived, sum.Steps, sum.Effects)
			require.NotZero(t, sum.Effects)
		})
	}
}
