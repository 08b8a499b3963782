package simcmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/sim/mutants"
	"kvs/sim/mutants/list"
)

func TestMutantsList(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, ExitOK, kvs.Execute([]string{"mutants", "--list"}, IO{Out: &out, Err: &out}))
	all, err := mutants.Load(list.Files)
	require.NoError(t, err)
	require.Equal(t, len(all), strings.Count(out.String(), "\n"))

	for _, args := range [][]string{{"--only", "nobody"}, {"--jobs", "0"},
		{"--source", t.TempDir(), "--scenario", "nowhere"}} {
		var errs bytes.Buffer
		require.Equal(t, ExitUsage, kvs.Execute(append([]string{"mutants"}, args...), IO{Out: &out, Err: &errs}))
		require.NotEmpty(t, errs.String())
	}
}

// One mutant is built and caught, to the end of the table.
func TestMutantIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	var out, errs bytes.Buffer
	code := kvs.Execute([]string{"mutants", "--only", "list-limit-overrun", "--seeds", "20", "--scenario", "quiet"},
		IO{Out: &out, Err: &errs})
	require.Equal(t, ExitOK, code, "%s\n%s", out.String(), errs.String())
	require.Regexp(t, `list-limit-overrun +listing +quiet +\d+ +\d+ `, out.String())
	require.Contains(t, out.String(),
		"replay one of them: kvsim mutants --only MUTANT --scenario SCENARIO --seed SEED\n")

	// The command that it prints builds the mutant, and breaks the promise again.
	line := regexp.MustCompile(`(?m)^replay: kvsim (.*)$`).FindStringSubmatch(errs.String())
	require.NotNil(t, line, errs.String())
	code, again, stderr := kvsim(append(strings.Fields(line[1]), "--report", t.TempDir())...)
	require.Equal(t, ExitBroken, code, stderr)
	require.Contains(t, again, "verdict=listing ")
	require.Contains(t, again, line[0], "and so does what it runs")
	require.Contains(t, again, "report: ")
}

func TestOneRunOfAMutantNeedsNames(t *testing.T) {
	for want, args := range map[string][]string{
		"name it with --only":   {"--seed", "3"},
		"--scenario and --seed": {"--report", t.TempDir()},
		"exclude each other":    {"--markdown", "-o", "json"},
	} {
		code, _, errs := kvsim(append([]string{"mutants"}, args...)...)
		require.Equal(t, ExitUsage, code)
		require.Contains(t, errs, want)
	}
}

// Ctrl-C ends a hunt, and leaves nothing behind in the folder for temporary files.
func TestHuntEndsOnASignal(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	t.Setenv("TMPDIR", t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	all, err := mutants.Load(list.Files)
	require.NoError(t, err)
	o := mutantsOptions{jobs: 1, hunt: huntOptions{tools: tools(t), root: "../..", scenarios: []string{"quiet"},
		chosen: true, runs: 1 << 30, seedTimeout: time.Minute}}
	// which nothing finds.
	at := slices.IndexFunc(all, func(m mutants.Mutant) bool { return m.Name == "sync-never-pushes" })
	// The next one is built when the signal comes.
	progress := writerFunc(func(b []byte) (int, error) { stop(); return len(b), nil })
	caught := slices.IndexFunc(all, func(m mutants.Mutant) bool { return m.Name == "list-limit-overrun" })
	found := o.huntAll(ctx, IO{Out: progress, Err: progress}, []mutants.Mutant{all[caught], all[at]})
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

func TestHuntRefusesEditsThatDoNotFit(t *testing.T) {
	m := mutants.Mutant{Name: "stale", Edits: []mutants.Edit{{File: "go.mod", Old: "no such line\n"}}}
	o := huntOptions{tools: tools(t), root: "../..", scenarios: []string{"quiet"}, runs: 1,
		seedTimeout: defaultSeedTimeout}
	h := o.hunt(t.Context(), &m)
	require.ErrorContains(t, h.err, "its old text is 0 times")
	require.True(t, h.wrong())
}

// A failure that the program has without the mutant too is no word against the mutant.
func TestFailuresOfTheCleanProgramDoNotCount(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	t.Setenv("TMPDIR", t.TempDir())
	file := filepath.Join(t.TempDir(), "broken.scenario")
	require.NoError(t, os.WriteFile(file, []byte("scenario broken\nnodes 3\nclients 6\nduration 5s\n"+
		"workload keys=3 get=60 put=40 think=1ms..20ms level=eventual attach=apart\nnetwork delay=20ms..100ms\n"+
		"expect linearizable\n"), 0o644))
	harmless := mutants.Mutant{Name: "harmless", Edits: []mutants.Edit{{File: "cmd/kvsim/main.go",
		Old: "package main\n", New: "package main\n\n"}}}
	o := mutantsOptions{jobs: 1, hunt: huntOptions{tools: tools(t), root: "../..", scenarios: []string{file},
		chosen: true, runs: 1, seedTimeout: time.Minute}}
	found := o.huntAll(t.Context(), IO{Out: io.Discard, Err: io.Discard}, []mutants.Mutant{harmless})
	require.Len(t, found, 1)
	require.ErrorContains(t, found[0].err, "the program without it fails too")
	require.True(t, found[0].wrong())
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestMutantOfALibrary: the edit of a library that the module requires is in what is built. The one here uses a name
// that does not exist.
func TestMutantOfALibrary(t *testing.T) {
	app := *kvs
	app.Systems = []System{kvs.Systems[0]}
	app.Systems[0].Mutants = &Mutants{List: list.Files, Module: "kvs", Package: "./node/host/store",
		Edits: "github.com/tidwall/btree"}
	all, err := newTools(&app, IO{})
	require.NoError(t, err)
	m := mutants.Mutant{Name: "foreign", Edits: []mutants.Edit{{File: "btree.go", Old: "\tbase *BTreeG[any]\n",
		New: "\tbase *PlantedG[any]\n"}}}
	o := huntOptions{tools: all, root: "../.."}
	_, err = o.builder().Build(t.Context(), t.TempDir(), &m)
	require.ErrorContains(t, err, "mutant foreign does not build")
	require.ErrorContains(t, err, "PlantedG")

	m.Edits[0].New = "\tbase *BTreeG[any] // the same.\n"
	_, err = o.builder().Build(t.Context(), t.TempDir(), &m)
	require.NoError(t, err)

	app.Systems[0].Mutants.Edits = "example.com/nowhere"
	_, err = o.builder().Build(t.Context(), t.TempDir(), &m)
	require.ErrorContains(t, err, "find the source of example.com/nowhere")
}

func TestReportHunt(t *testing.T) {
	plain, excused := mutants.Mutant{Name: "plain"}, mutants.Mutant{Name: "excused", Survives: "nobody looks"}
	for _, c := range []struct {
		h     hunted
		wrong bool
		says  string
	}{
		{hunted{mutant: &plain, caught: "listing", scenario: "quiet", seed: 3, runs: 5}, false,
			"caught=1 survived=0 wrong=0"},
		{hunted{mutant: &plain, runs: 5}, true, "NOTHING"},
		{hunted{mutant: &excused, runs: 5}, false, "nobody looks"},
		{hunted{mutant: &excused, caught: "listing"}, true, "take that line out"},
		{hunted{mutant: &plain, err: errors.New("planted")}, true, "ERROR: planted"},
	} {
		var out bytes.Buffer
		err := reportHunt(IO{Out: &out}, []hunted{c.h})
		require.Equal(t, c.wrong, errors.Is(err, ErrBroken), out.String())
		require.Contains(t, out.String(), c.says)
	}
	require.Equal(t, "a,b", verdictOf("seed=1 verdict=a,b operations=3"))
}

// The lines are those of sim/mutants/README.md.
func TestHuntInMarkdown(t *testing.T) {
	size := "nodes=5 clients=8 faults=22 operations=681 duration=20s lines=37 runs=1"
	var out bytes.Buffer
	printHunt(IO{Out: &out}, []hunted{
		{mutant: &mutants.Mutant{Name: "z", Survives: "nobody looks"}, runs: 5},
		{mutant: &mutants.Mutant{Name: "scoped"}, caught: "linearizable", scenario: "explore two-creates",
			cpu: time.Second},
		{mutant: &mutants.Mutant{Name: "a"}, caught: "chosen,finished", scenario: "swarm", seed: 3, runs: 5,
			cpu: 1500 * time.Millisecond, drawn: size, small: size},
	}, 10*time.Second)
	require.Equal(t, `| mutant | caught by | scenario | seed | runs | CPU s | the failure, drawn `+
		`| made smaller in 10 s |
|---|---|---|---|---|---|---|---|
| a | chosen, finished | swarm | 3 | 5 | 1.50 | 5 nodes, 8 clients, 22 faults, 681 operations in 20s (37 lines) `+
		`| 5 nodes, 8 clients, 22 faults, 681 operations in 20s (37 lines) |
| scoped | linearizable | explore two-creates | - | 0 | 1.00 | - | - |

## Not caught, and why

- `+"`z`"+`: nobody looks.

`, out.String())
}
