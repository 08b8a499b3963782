package simcmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
)

// fields decodes one document, and returns it with the names of its fields, sorted.
func fields(t *testing.T, out string) (document map[string]any, names string) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(out), &document), out)
	var list []string
	for name := range document {
		list = append(list, name)
	}
	slices.Sort(list)
	return document, strings.Join(list, " ")
}

// The documents keep their fields: programs read them.
func TestDocumentsOfRuns(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	planted := plantedFailure(t)
	const always = "counts drawn events failed faults lost messages ok operations replay scenario seed " +
		"settled_seconds simulated_seconds trace unknown verdict violations"
	for _, args := range [][]string{
		{"run", "--scenario", planted, "-o", "json"}, {"replay", planted, "--output", "json"},
	} {
		code, out, errs := kvsim(args...)
		require.Equal(t, ExitBroken, code, errs)
		run, names := fields(t, out)
		require.Equal(t, always, names)
		require.Equal(t, "linearizable", run["verdict"])
		broken := run["violations"].([]any)[0].(map[string]any)
		require.Contains(t, broken["meaning"], "fit no order")
		require.NotEmpty(t, broken["path"])
		require.Contains(t, run["replay"], "kvsim run --seed ")
	}
	folder := t.TempDir()
	code, out, errs := kvsim("run", "--scenario", "quiet", "--duration", "1s", "-o", "json", "--out", folder,
		"--report", folder)
	require.Equal(t, ExitOK, code, errs)
	run, names := fields(t, out)
	both := strings.NewReplacer("lost", "kept lost", "scenario", "report scenario").Replace(always)
	require.Equal(t, both, names)
	require.Empty(t, run["violations"])
	require.FileExists(t, run["report"].(string))
	require.DirExists(t, run["kept"].(string))

	code, out, errs = kvsim("soak", "--scenario", planted, "--seeds", "1..2", "--jobs", "1", "-o", "json")
	require.Equal(t, ExitBroken, code, errs)
	soak, names := fields(t, out)
	require.Equal(t, "broken events failures faults first last operations scenario seeds simulated_seconds verdict "+
		"wall_seconds", names)
	require.Equal(t, "broken", soak["verdict"])
	require.EqualValues(t, 2, soak["seeds"])
	failure := soak["failures"].([]any)[0].(map[string]any)
	require.Equal(t, "linearizable", failure["verdict"])
	require.Contains(t, failure["replay"], "kvsim run --seed 1 ")

	code, _, errs = kvsim("run", "-o", "yaml")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "use text or json")
}

func TestDocumentsOfVerdicts(t *testing.T) {
	code, out, errs := checked(t, headerOf2("register", `{"name":"linearizable"}`)+putA+getNone+endOf(2), "-o", "json")
	require.Equal(t, ExitBroken, code, errs)
	verdict, names := fields(t, out)
	require.Equal(t, "fail holds info judged keys ok operations verdict", names)
	require.Equal(t, false, verdict["holds"])
	key := verdict["keys"].([]any)[0].(map[string]any)
	require.Equal(t, "a", key["key"])
	require.Equal(t, []any{3., 2.}, key["lines"], "of the file")

	code, out, errs = kvsim("mutants", "--list", "-o", "json")
	require.Equal(t, ExitOK, code, errs)
	var all []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.NotEmpty(t, all[0]["about"])

	code, out, errs = kvsim("scenarios", "-o", "json")
	require.Equal(t, ExitOK, code, errs)
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all, len(scenarios.Names()))
}

// What --show prints is a scenario file.
func TestScenariosShow(t *testing.T) {
	code, out, errs := kvsim("scenarios", "--show", "quiet")
	require.Equal(t, ExitOK, code, errs)
	file := filepath.Join(t.TempDir(), "copy.scenario")
	require.NoError(t, os.WriteFile(file, []byte(out), 0o644))
	trace := regexp.MustCompile(`trace=\S+`)
	_, copied, _ := kvsim("run", "--seed", "3", "--scenario", file, "--duration", "2s")
	_, named, _ := kvsim("run", "--seed", "3", "--scenario", "quiet", "--duration", "2s")
	require.Equal(t, trace.FindString(named), trace.FindString(copied))
	require.NotEmpty(t, trace.FindString(copied))

	code, _, errs = kvsim("scenarios", "--show", "nowhere")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "there is no scenario")
}

func TestNamesAreCompleted(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "--scenario", "split"}, "split-brain\n"},
		{[]string{"soak", "--scenario", "split"}, "split-brain\n"},
		{[]string{"shrink", "--scenario", ""}, "swarm\n"},
		{[]string{"scenarios", "--show", "split"}, "split-brain\n"},
		{[]string{"mutants", "--scenario", ""}, "swarm\n"},
		{[]string{"mutants", "--only", ""}, "no-scrub\n"},
		{[]string{"run", "--output", ""}, "json\n"},
	} {
		code, out, errs := kvsim(append([]string{"__complete"}, c.args...)...)
		require.Equal(t, ExitOK, code, errs)
		require.Contains(t, out, c.want, c.args)
	}
}

// The page of the whole run leads to that of the small one, and back.
func TestShrinkDrawsBoth(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	folder := t.TempDir()
	small := filepath.Join(folder, "small.scenario")
	code, out, errs := kvsim("shrink", "--scenario", plantedFailure(t), "--file", small,
		"--jobs", "2", "--budget", "5s", "--report", folder)
	require.Equal(t, ExitOK, code, errs)
	pages := regexp.MustCompile(`(?m)^report: (.*)$`).FindAllStringSubmatch(out, -1)
	require.Len(t, pages, 2, out)
	whole, err := os.ReadFile(pages[0][1])
	require.NoError(t, err)
	drawn, err := os.ReadFile(pages[1][1])
	require.NoError(t, err)
	require.Contains(t, string(whole), `"other":{"file":"`+filepath.Base(pages[1][1]))
	require.Contains(t, string(drawn), `"other":{"file":"`+filepath.Base(pages[0][1]))
	require.Contains(t, string(drawn), "kvsim replay "+small)
}
