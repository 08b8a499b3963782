package simtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	simulated "kvs/sim/kvs"
	"kvs/sim/scenario"
	"kvs/sim/simcmd"
)

var kvs = simcmd.System{System: simulated.System{}, Scenarios: scenarios.Library, Default: "quiet"}

// brief makes a scenario of a second.
func brief(s *scenario.Scenario) { s.Duration = time.Second }

func TestSeedsHold(t *testing.T) {
	Run(t, kvs, Seeds(3, 5), Options{Edit: brief})
}

// plantedEnv names the folder of failures of TestPlanted, which fails on purpose and is run by TestFailures only.
const plantedEnv = "SIMTEST_PLANTED"

// TestPlanted promises of an eventual store that it is linearizable.
func TestPlanted(t *testing.T) {
	dir := os.Getenv(plantedEnv)
	if dir == "" {
		t.Skip("is run by another test")
	}
	Run(t, kvs, Seeds(1, 1000), Options{Scenario: "eventual-is-not-linearizable", Dir: dir, Shrink: 2 * time.Second,
		Edit: func(s *scenario.Scenario) {
			s.Expect = []scenario.Promise{scenarios.Converged, scenarios.Linearizable}
		}})
}

// planted runs TestPlanted in a process of its own, and returns what it says.
func planted(t *testing.T, dir, run string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run", run)
	cmd.Env = append(os.Environ(), plantedEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", out)
	return string(out)
}

// A failure is told with its seed, what that drew, and how to run it again; what is left of it is kept, and runs first
// from then on.
func TestFailures(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "failures")
	out := planted(t, dir, "^TestPlanted$")
	m := regexp.MustCompile(`(?m)^ *replay: go test kvs/sim/simtest -run '(\^TestPlanted\$/\^seed=(\d+)\$)'$`).
		FindStringSubmatch(out)
	require.NotNil(t, m, out)
	run, seed := m[1], m[2]
	require.Contains(t, out, "what seed "+seed+" drew:")
	require.Contains(t, out, "seed="+seed+" scenario=eventual-is-not-linearizable verdict=linearizable ")
	require.Regexp(t, `VIOLATION at \d+.*: linearizable:`, out)
	require.Equal(t, 1, strings.Count(out, "--- FAIL: TestPlanted/seed="), "the rest is left out")

	kept, err := filepath.Glob(filepath.Join(dir, "*.scenario"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Contains(t, out, "kept in: "+kept[0])
	small, err := scenarios.Library.LoadFile(kept[0])
	require.NoError(t, err)
	require.Less(t, small.Duration, 20*time.Second)
	require.Contains(t, out, "it fails by linearizable still: from nodes=")

	again := planted(t, dir, run)
	require.Contains(t, again, "seed="+seed+" scenario=eventual-is-not-linearizable verdict=linearizable ")
	again = planted(t, dir, "^TestPlanted$")
	name := strings.TrimSuffix(filepath.Base(kept[0]), ".scenario")
	require.Contains(t, again, "--- FAIL: TestPlanted/"+name)
	require.NotContains(t, again, "made smaller", "what is small already is left as it is")
	require.NotContains(t, again, "--- FAIL: TestPlanted/seed=", "one failure is enough")
	require.Contains(t, planted(t, dir, "^TestPlanted$/^"+name+"$"),
		"replay: go test kvs/sim/simtest -run '^TestPlanted$/^"+name+"$'")
}

func TestRunRefuses(t *testing.T) {
	_, err := newRunner("T", &kvs, Options{Scenario: "nowhere"})
	require.ErrorContains(t, err, "there is no scenario \"nowhere\"")
	_, err = newRunner("T", &kvs, Options{Edit: func(s *scenario.Scenario) { s.Nodes = 0 }})
	require.ErrorContains(t, err, "nodes 0")
	r, err := newRunner("T/sub", &kvs, Options{})
	require.NoError(t, err)
	require.Equal(t, filepath.Join("testdata", "simtest", "T-sub"), r.o.Dir)
	require.Equal(t, "go test kvs/sim/simtest -run '^T$/^sub=1$'", replayCommand("T/sub=1"))
}
