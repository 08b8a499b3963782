package live

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/process"
	"kvs/node/client"
	"kvs/scenarios"
	"kvs/sim/mutants"
	"kvs/sim/mutants/list"
	"kvs/sim/scenario"
)

const troubled = `scenario troubled
about    a partition, a crash, a pause and wrong clocks on real nodes
nodes    3
clients  6
duration 5s
settle   1m
workload keys=10 get=50 put=45 delete=5 list=0 think=5ms..30ms value=16..128 level=eventual attach=any timeout=2s
network  delay=0s..2ms
expect   converged, no-lost-write, no-resurrection, membership-agreed, finished
plan
  at 500ms partition n1 | n2,n3
  at 1s skew n3 +1500ms
  at 2s heal
  at 2500ms crash n2
  at 2800ms jump n1 -5m
  at 3s restart n2
  at 3200ms freeze-clock n2
  at 3500ms pause n3
  at 4s resume n3
  at 4500ms heal-clocks
`

// build builds kvs, with the edits of a mutant if it is not nil.
func build(t *testing.T, m *mutants.Mutant) (program string) {
	t.Helper()
	root, dir := filepath.Join("..", ".."), t.TempDir()
	args := []string{"build", "-o", filepath.Join(dir, "kvs")}
	if m != nil {
		edited, err := m.Apply(func(name string) (string, error) {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			return string(b), err
		})
		require.NoError(t, err)
		replace := map[string]string{}
		for i, f := range edited {
			absolute, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(f.Name)))
			require.NoError(t, err)
			replace[absolute] = filepath.Join(dir, fmt.Sprintf("edited%d.go", i))
			require.NoError(t, os.WriteFile(replace[absolute], []byte(f.Text), 0o600))
		}
		overlay, err := json.Marshal(map[string]any{"Replace": replace})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
		args = append(args, "-overlay", filepath.Join(dir, "overlay.json"))
	}
	cmd := exec.Command("go", append(args, "kvs/cmd/kvs")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "kvs")
}

// onProcesses lives a scenario on real nodes.
func onProcesses(t *testing.T, s scenario.Scenario, m *mutants.Mutant) *Result {
	t.Helper()
	return onProcessesThen(t, s, m, func([]string) {})
}

// onProcessesThen calls look while the nodes still run.
func onProcessesThen(t *testing.T, s scenario.Scenario, m *mutants.Mutant, look func(endpoints []string)) *Result {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes are left out of -short runs")
	}
	s = scenario.Draw(rand.New(rand.NewPCG(1, 1)), s)
	clocks, _ := Needs(&s)
	c, err := process.Start(process.Options{
		Program: build(t, m), Dir: t.TempDir(), Nodes: s.Nodes, Config: Settings(&s), Base: s.Network,
		Seeds: scenarios.Of(&s).Tuning.Seeds, Voters: scenarios.Of(&s).Voters.First, Clocks: clocks,
		Natural: Clocks(&s, 1, time.Now().UnixMilli()),
		Rand:    rand.New(rand.NewPCG(1, uint64(os.Getpid()))),
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	res, err := Run(ctx, Options{World: "process", Seed: 1, Scenario: s, Target: c, Progress: func(line string) {
		t.Log(line)
	}})
	require.NoError(t, err)
	require.NoError(t, c.Failures())
	look(c.Endpoints())
	t.Log(res)
	t.Cleanup(func() {
		if t.Failed() {
			require.NoError(t, Keep(t.ArtifactDir(), s, res, c.Log))
			t.Logf("kept in %s, which lasts with go test -artifacts", t.ArtifactDir())
		}
	})
	return res
}

func TestRealNodesKeepTheirPromisesUnderFaults(t *testing.T) {
	s, err := scenarios.Parse(troubled)
	require.NoError(t, err)
	res := onProcesses(t, s, nil)
	require.Empty(t, res.Violations)
	require.Equal(t, 10, res.Faults)
	require.Greater(t, res.OK, 50)
	require.Greater(t, res.Failed+res.Unknown, 0, "a crashed node refuses somebody")
}

// The positive control: reads at other nodes are stale, the harness sees it, and says so to whoever expected otherwise.
func TestHarnessSeesAViolation(t *testing.T) {
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Duration = 2 * time.Second
	s.Expect = []scenario.Promise{scenarios.Linearizable}
	res := onProcesses(t, s, nil)
	require.Contains(t, strings.Join(res.Violations, "\n"), scenarios.Linearizable.String())
}

const contended = `scenario contended
about    clients at every node write the same few paths
nodes    3
clients  6
duration 2s
settle   6s
workload keys=3 get=40 put=60 delete=0 list=0 think=1ms..10ms value=16..32 level=eventual attach=own timeout=2s
network  delay=5ms..30ms
tuning   sync=1s
expect   converged, no-lost-write
`

// The other positive control: a program with a bug is found out on real processes. The same scenario passes without it.
func TestHarnessSeesAMutant(t *testing.T) {
	s, err := scenarios.Parse(contended)
	require.NoError(t, err)
	all, err := mutants.Load(list.Files)
	require.NoError(t, err)
	i := slices.IndexFunc(all, func(m mutants.Mutant) bool { return m.Name == "older-replaces-newer" })
	require.GreaterOrEqual(t, i, 0)
	caught := false
	for range 6 { // real clocks and a busy machine decide what the clients meet: now and then a run shows nothing.
		if caught = len(onProcesses(t, s, &all[i]).Violations) > 0; caught {
			break
		}
	}
	require.True(t, caught)
	s.Settle = time.Minute // on a busy machine.
	require.Empty(t, onProcesses(t, s, nil).Violations)
}

func TestPlansBeyondTheDurationAreRefused(t *testing.T) {
	s, err := scenarios.Load("split-brain")
	require.NoError(t, err)
	s.Duration = time.Second
	_, err = Run(context.Background(), Options{Scenario: s})
	require.ErrorContains(t, err, "make the duration longer")
}

// replaced wipes the disk of a voter. Of two voters that is the end of their majority, whatever an operator does; of
// three an operator can put it right.
const replaced = `scenario replaced
about    a voter loses its disk
nodes    %d
clients  2
duration 4s
settle   %s
workload keys=4 get=40 put=60 delete=0 list=0 think=10ms..50ms value=16..32 level=linearizable attach=any timeout=2s
voters   operator=200ms
expect   converged, no-lost-write, finished, linearizable
plan
  at 1s crash n1
  at 1s wipe n1
  at 1s restart n1
`

// Members that agree and take no write have not finished.
func TestLostMajorityIsSeen(t *testing.T) {
	s, err := scenarios.Parse(fmt.Sprintf(replaced, 2, "5s"))
	require.NoError(t, err)
	res := onProcesses(t, s, nil)
	require.Contains(t, strings.Join(res.Violations, "\n"), "finished: n1 has not taken a write since the faults ended")
}

func TestOperatorDemotesTheLost(t *testing.T) {
	s, err := scenarios.Parse(fmt.Sprintf(replaced, 3, "1m"))
	require.NoError(t, err)
	res := onProcessesThen(t, s, nil, func(endpoints []string) {
		c, err := client.New(client.DefaultOptions(endpoints[len(endpoints)-1]))
		require.NoError(t, err)
		defer c.Close()
		config, err := c.Voters(t.Context())
		require.NoError(t, err)
		for _, v := range config.Voters {
			require.NotEqual(t, "dead", v.State, "the former identity votes no more: %v", config.Voters)
		}
	})
	require.Empty(t, res.Violations)
}
