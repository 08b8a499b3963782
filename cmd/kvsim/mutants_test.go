package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/sim/mutants"
)

func TestMutantsList(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, exitOK, execute([]string{"mutants", "--list"}, stdio{out: &out, err: &out}))
	all, err := mutants.All()
	require.NoError(t, err)
	require.Equal(t, len(all), strings.Count(out.String(), "\n"))

	for _, args := range [][]string{{"--only", "nobody"}, {"--jobs", "0"}, {"--source", t.TempDir(), "--scenario", "nowhere"}} {
		var errs bytes.Buffer
		require.Equal(t, exitUsage, execute(append([]string{"mutants"}, args...), stdio{out: &out, err: &errs}))
		require.NotEmpty(t, errs.String())
	}
}

// One mutant is built and caught, to the end of the table.
func TestMutantIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	var out, errs bytes.Buffer
	code := execute([]string{"mutants", "--only", "list-limit-overrun", "--seeds", "20", "--scenario", "quiet"}, stdio{out: &out, err: &errs})
	require.Equal(t, exitOK, code, "%s\n%s", out.String(), errs.String())
	require.Regexp(t, `list-limit-overrun +listing +quiet +\d+ +\d+ `, out.String())
	require.Contains(t, errs.String(), "replay:")
}

// Ctrl-C ends a hunt, and leaves nothing behind in the folder for temporary files.
func TestHuntEndsOnASignal(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	t.Setenv("TMPDIR", t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	all, err := mutants.All()
	require.NoError(t, err)
	o := mutantsOptions{jobs: 1, hunt: huntOptions{root: "../..", scenarios: []string{"quiet"}, chosen: true, runs: 1 << 30, seedTimeout: time.Minute}}
	at := slices.IndexFunc(all, func(m mutants.Mutant) bool { return m.Name == "sync-never-pulls" }) // which nothing finds.
	// The next one is built when the signal comes.
	progress := writerFunc(func(b []byte) (int, error) { stop(); return len(b), nil })
	caught := slices.IndexFunc(all, func(m mutants.Mutant) bool { return m.Name == "list-limit-overrun" })
	found := o.huntAll(ctx, stdio{out: progress, err: progress}, []mutants.Mutant{all[caught], all[at]})
	require.Len(t, found, 1)
	require.Equal(t, "list-limit-overrun", found[0].mutant.Name)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	for _, f := range left {
		require.NotContains(t, f.Name(), "kvsim-")
	}
}

// writerFunc is a writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Two searches for one mutant are compared, to the end of the table.
func TestSearchesAreCompared(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	var out, errs bytes.Buffer
	code := execute([]string{"mutants", "--only", "list-limit-overrun", "--searches", "2", "--seeds", "8", "--scenario", "swarm"}, stdio{out: &out, err: &errs})
	require.Equal(t, exitOK, code, "%s\n%s", out.String(), errs.String())
	require.Regexp(t, `list-limit-overrun +swarm +\[\d \d\].* +\[\d \d\].* +\d\.\d, \d\.\d +\d, \d +\d\.\d\d\n`, out.String())
	require.Regexp(t, `mutants=1 repetitions=2 ratio_of_means=\d\.\d\d ratio_of_medians=\d\.\d\d\n$`, out.String())

	code = execute([]string{"mutants", "--searches", "2", "--scenario", "swarm,quiet"}, stdio{out: &out, err: &errs})
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs.String(), "one --scenario")
}

func TestSearchedIsSummedUp(t *testing.T) {
	s := searched{runs: []int{2, 5, 20}, missed: 1}
	require.Equal(t, "[2 5 20] (1 found nothing)", s.text())
	require.InDelta(t, 9.0, s.mean(), 1e-9)
	require.InDelta(t, 5.0, s.median(), 1e-9)
	s.runs = append(s.runs, 30)
	require.InDelta(t, 12.5, s.median(), 1e-9)
	require.Equal(t, []string{"a,b", "17"}, guideLine.FindStringSubmatch("replay: x\nsearch=guided scenario=s seed=1 verdict=a,b runs=17 situations=3\n")[1:])
}

func TestHuntRefusesEditsThatDoNotFit(t *testing.T) {
	m := mutants.Mutant{Name: "stale", Edits: []mutants.Edit{{File: "go.mod", Old: "no such line\n"}}}
	o := huntOptions{root: "../..", scenarios: []string{"quiet"}, runs: 1, seedTimeout: defaultSeedTimeout}
	h := o.hunt(t.Context(), &m)
	require.ErrorContains(t, h.err, "its old text is 0 times")
	require.True(t, h.wrong())
}

func TestReportHunt(t *testing.T) {
	plain, excused := mutants.Mutant{Name: "plain"}, mutants.Mutant{Name: "excused", Survives: "nobody looks"}
	for _, c := range []struct {
		h     hunted
		wrong bool
		says  string
	}{
		{hunted{mutant: &plain, caught: "listing", scenario: "quiet", seed: 3, runs: 5}, false, "caught=1 survived=0 wrong=0"},
		{hunted{mutant: &plain, runs: 5}, true, "NOTHING"},
		{hunted{mutant: &excused, runs: 5}, false, "nobody looks"},
		{hunted{mutant: &excused, caught: "listing"}, true, "take that line out"},
		{hunted{mutant: &plain, err: errors.New("planted")}, true, "ERROR: planted"},
	} {
		var out bytes.Buffer
		err := reportHunt(stdio{out: &out}, []hunted{c.h})
		require.Equal(t, c.wrong, errors.Is(err, errBroken), out.String())
		require.Contains(t, out.String(), c.says)
	}
	require.Equal(t, "a,b", verdictOf("seed=1 verdict=a,b operations=3"))
}

// The lines are those of sim/mutants/README.md.
func TestHuntInMarkdown(t *testing.T) {
	size := "nodes=5 clients=8 faults=22 operations=681 duration=20s lines=37 runs=1"
	var out bytes.Buffer
	printHunt(stdio{out: &out}, []hunted{
		{mutant: &mutants.Mutant{Name: "z", Survives: "nobody looks"}, runs: 5},
		{mutant: &mutants.Mutant{Name: "scoped"}, caught: "linearizable", scenario: "explore two-creates", cpu: time.Second},
		{mutant: &mutants.Mutant{Name: "a"}, caught: "chosen,finished", scenario: "swarm", seed: 3, runs: 5, cpu: 1500 * time.Millisecond, drawn: size, small: size},
	}, 10*time.Second)
	require.Equal(t, `| mutant | caught by | scenario | seed | runs | CPU s | the failure, drawn | made smaller in 10 s |
|---|---|---|---|---|---|---|---|
| a | chosen, finished | swarm | 3 | 5 | 1.50 | 5 nodes, 8 clients, 22 faults, 681 operations in 20s (37 lines) | 5 nodes, 8 clients, 22 faults, 681 operations in 20s (37 lines) |
| scoped | linearizable | explore two-creates | - | 0 | 1.00 | - | - |

## Not caught, and why

- `+"`z`"+`: nobody looks.

`, out.String())
}
