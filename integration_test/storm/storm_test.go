package storm

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is a kvs built for these tests.
var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kvs-storm-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "kvs")
	build := exec.Command("go", "build", "-o", program, "kvs/cmd/kvs")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// Everything at once, for a minute: nothing acknowledged is lost, no process dies, nothing grows without bound.
func TestStorm(t *testing.T) {
	dir := t.TempDir()
	f, err := Run(t.Context(), Options{Program: program, Dir: dir, Nodes: 5, Seed: 1, Duration: time.Minute,
		Say: func(line string) { t.Log(line) }})
	if err != nil {
		showLogs(t, dir)
	}
	require.NoError(t, err)
	t.Log(f)
	require.NotEmpty(t, f.Faults)
	require.Greater(t, f.Acked, 100)
}

// showLogs prints how the logs of the nodes end: the folder goes with the test.
func showLogs(t *testing.T, dir string) {
	t.Helper()
	const shown = 4 << 10
	logs, err := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	require.NoError(t, err)
	for _, name := range logs {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		if at := bytes.Index(b, []byte("\nfatal error: ")); at >= 0 { // with what the runtime says before it.
			t.Logf("%s, where it ends:\n%s", filepath.Base(name), b[max(0, at-shown/4):min(len(b), at+shown)])
		}
		t.Logf("%s:\n%s", filepath.Base(name), b[max(0, len(b)-shown):])
	}
}

// What is lost is seen at each member, and a counter that has forgotten an increment, or counted one twice, too.
func TestLossIsSeen(t *testing.T) {
	s := &storm{
		o:    Options{Program: program, Dir: t.TempDir(), Nodes: 3, Say: func(string) {}},
		draw: rand.New(rand.NewPCG(1, 0)), figures: &Figures{Faults: map[string]int{}},
	}
	defer func() { require.NoError(t, s.close()) }()
	require.NoError(t, s.start())
	s.work = startWork(s.cluster.Endpoints(), 1)
	require.Eventually(t, func() bool {
		s.work.mu.Lock()
		defer s.work.mu.Unlock()
		return len(s.work.acked) > 10 && s.work.counted[0] > 1 && s.work.counted[1] > 1
	}, time.Minute, 10*time.Millisecond)
	s.work.stop()
	require.NoError(t, s.settle(t.Context()))
	require.NoError(t, s.verify(t.Context()))
	require.Empty(t, s.figures.Problems)

	for path := range s.work.acked {
		s.work.acked[path] = "another version"
		break
	}
	s.work.acked["storm/never-written"] = "version"
	s.work.counted[0] += s.work.doubtful[0] + 1
	s.work.counted[1] -= s.work.doubtful[1] + 1
	require.NoError(t, s.verify(t.Context()))
	require.Len(t, s.figures.Problems, 5)
	require.Equal(t, 2*3+1, s.figures.Lost)
}

// A process that uses more than it may is named once for each bound that it passes.
func TestBoundsAreHeld(t *testing.T) {
	w := &watch{}
	w.hold(2, "goroutines", 5, 10, &w.peak.Goroutines)
	require.Empty(t, w.problems)
	w.hold(2, "goroutines", 11, 10, &w.peak.Goroutines)
	w.hold(3, "goroutines", 12, 10, &w.peak.Goroutines)
	require.Equal(t, []string{"n2 used 11 of goroutines, more than the bound of 10"}, w.problems)
	require.EqualValues(t, 12, w.peak.Goroutines)
	require.Positive(t, memoryOf(os.Getpid()))
	require.Positive(t, diskOf("."))
}
