package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// notRun are the command lines of pages that TestEveryCommandBlock leaves out, and why. The table can only shrink: a
// line that no page has any more fails, and so does a table that is longer than notRunMax.
var notRun = []struct{ page, line, why string }{
	{"README.md", "make test", "it is what runs this test"},
	{"README.md", "make storm", "minutes of attacks: cmd/kvsim and integration_test/storm have its tests"},
	{"CONTRIBUTING.md", "make check", "it is part of what runs this test"},
	{"CONTRIBUTING.md", "make test", "it is what runs this test"},
	{"CONTRIBUTING.md", "make lint", "it builds tools that a test has no time for"},
	{"CONTRIBUTING.md", "make traces", "it builds another commit"},
	{"CONTRIBUTING.md", "make release-check", "it makes two releases: minutes"},

	{"docs/how-to/find-bugs.md", "bin/kvsim soak --seeds walk", "minutes: make test runs it"},
	{"docs/how-to/find-bugs.md", "bin/kvsim explore --scope two-creates", "minutes: TestExplore has a smaller one"},
	{"docs/how-to/find-bugs.md", "bin/kvsim explore --ops put@1,+get@2", "minutes: TestExplore has a smaller one"},
	{"docs/how-to/find-bugs.md", "bin/kvsim live", "real nodes for half a minute: scenarios/live has tests"},
	{"docs/how-to/find-bugs.md", "make storm", "minutes of attacks: integration_test/storm has its tests"},
	{"scenarios/live/README.md", "bin/kvsim live", "real nodes for half a minute: scenarios/live has tests"},
	{"scenarios/live/README.md", "bin/kvsim check out/real.jsonl", "it judges the file that the line before writes"},
	{"docs/tutorials/your-own-state-machine.md", "bin/leasesim mutants", "it builds programs: the lease has a test"},
	{"sim/examples/raft/README.md", "make -C sim/examples/raft", "a module of its own, which make test runs"},
}

// notRunMax only goes down.
const notRunMax = 16

// smaller are the words of commands that take long as the pages write them, and what the test says instead.
var smaller = []struct{ long, short string }{
	{`SEEDS=1\.\.\d+`, "SEEDS=1..3"},
	{`--seeds 1\.\.\d+`, "--seeds 1..8"},
	{`--duration \d+[sm]`, "--duration 1s"},
}

// generatedPages come from the code, and their blocks are usage lines and help texts.
var generatedPages = []string{"docs/reference/kvs.md", "docs/reference/kvsim.md"}

var block = regexp.MustCompile("(?ms)^( *)```sh\n(.*?)^ *```")

// Every block of commands of every page runs, one after the other as a reader would run them, and ends with 0.
func TestEveryCommandBlock(t *testing.T) {
	tools := buildTools(t)
	pages, used := pagesWithBlocks(t), map[int]bool{}
	require.Greater(t, len(pages), 12)
	require.Len(t, notRun, notRunMax, "the table can only shrink: lower notRunMax, or run the line")
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		script := pageScript(page, pages[page], used)
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(script, "python3 ") {
				python(t)
			}
			runPage(t, tools, page, script)
		})
	}
	for i, n := range notRun {
		require.True(t, used[i], "no page has this line any more: %s: %s", n.page, n.line)
	}
}

// pagesWithBlocks are the texts of all pages that have commands.
func pagesWithBlocks(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		base := d.Name()
		skip := base == "out" || base == "bin" || base == "testdata" || base[0] == '.'
		if err == nil && d.IsDir() && path != root && skip {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || slices.Contains(generatedPages, name) {
			return err
		}
		text, err := os.ReadFile(path)
		if block.Match(text) {
			pages[name] = string(text)
		}
		return err
	}))
	return pages
}

const root = "../.."

// pageScript is a page's commands as one script, without those that are not run. used collects which lines of the table
// were met.
func pageScript(page, text string, used map[int]bool) string {
	var b strings.Builder
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(m[2]) {
			line = strings.TrimPrefix(line, m[1])
			if i := slices.IndexFunc(notRun, func(n struct{ page, line, why string }) bool {
				return n.page == page && strings.HasPrefix(line, n.line)
			}); i >= 0 {
				used[i] = true
				continue
			}
			for _, s := range smaller {
				line = regexp.MustCompile(s.long).ReplaceAllString(line, s.short)
			}
			b.WriteString(line)
		}
	}
	return b.String()
}

// buildTools makes a folder with kvs, kvsim, and a make that builds nothing.
func buildTools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(dir, "kvs")))
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "kvsim"), "kvs/cmd/kvsim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	// an interpreter found on PATH may be a script that needs the home of its user.
	if py, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output(); err == nil {
		require.NoError(t, os.Symlink(strings.TrimSpace(string(py)), filepath.Join(dir, "python3")))
	}
	real, err := exec.LookPath("make")
	require.NoError(t, err)
	shim := "#!/bin/sh\nexec " + real + " --no-print-directory GO=true \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "make"), []byte(shim), 0o755))
	return dir
}

// runPage runs a script in a folder that looks like the repository, with ports of its own.
func runPage(t *testing.T, tools, page, script string) {
	s := newSite(t)
	base := freePorts(t, pagePorts)
	ports := func(text string) string {
		for i := pagePorts; i >= 1; i-- {
			from, to := strconv.Itoa(firstPort+i-1), strconv.Itoa(base+i-1)
			text = strings.ReplaceAll(text, "127.0.0.1:"+from, "127.0.0.1:"+to)
		}
		init := regexp.MustCompile(`init (.*)--nodes (\d)`)
		return init.ReplaceAllString(text, fmt.Sprintf("init --base-port %d $1--nodes $2", base))
	}
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	full, err := filepath.Abs(root)
	require.NoError(t, err)
	for _, e := range entries {
		if name := e.Name(); name != "bin" && name != "out" && name != "Makefile" && name[0] != '.' {
			require.NoError(t, os.Symlink(filepath.Join(full, name), filepath.Join(s.dir, name)))
		}
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "Makefile"), []byte(ports(string(makefile))), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "bin"), 0o700))
	for _, name := range []string{"kvs", "kvsim"} {
		require.NoError(t, os.Symlink(filepath.Join(tools, name), filepath.Join(s.dir, "bin", name)))
	}

	cmd := exec.Command("bash", "-c", "set -euo pipefail\n"+ports(script))
	cmd.Dir, cmd.Env = s.dir, append(s.command().Env, "PATH="+tools+":"+os.Getenv("PATH"),
		endpointsVariable+"=127.0.0.1:"+strconv.Itoa(base))
	// the home is empty, and a page that runs go would compile the standard library.
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		value, err := exec.Command("go", "env", name).Output()
		require.NoError(t, err)
		cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(value)))
	}
	r := finish(t, cmd)
	require.Zero(t, r.code, "%s\n%s\n%s", script, r.stdout, r.stderr)
	for _, want := range shown[page] {
		require.Contains(t, r.stdout+r.stderr, want)
	}
}

const (
	firstPort = 7001 // of the nodes on the pages.
	pagePorts = 4
)

// shown is what the commands of a page print, beside ending with 0.
var shown = map[string][]string{
	"README.md":                                {"hello from node 1", "openapi: 3", "verdict=ok"},
	"docs/tutorials/first-cluster.md":          {"ann@example.org", "users/bob/mail"},
	"docs/tutorials/your-own-scenario.md":      {"verdict=ok", "VIOLATION", "fails:  linearizable"},
	"docs/tutorials/your-own-state-machine.md": {"VIOLATION", "fails:  exclusive", "states=3213", "stand still"},
	"docs/how-to/backup.md":                    {"3 values read, 3 written"},
	"docs/how-to/lost-majority.md":             {"the voters were replaced by hand"},
	"docs/how-to/replace-a-node.md":            {"removed"},
	"docs/how-to/coordinate.md":                {"this runs alone", "10.0.0.1:631"},
	"docs/how-to/curl.md":                      {"ann@example.org", "unauthenticated"},
	"docs/how-to/go-client.md":                 {"program was first: true", "locked: true", "released: <nil>"},
	"docs/how-to/python-client.md":             {"program was first: True", "presence/host1 2 2"},
	"docs/security.md":                         {"(seals)"},
}

// The alarm rings: a line that fails is noticed, and one that is not run is left out.
func TestBlocksAreRun(t *testing.T) {
	used := map[int]bool{}
	text := "# A\n\n- x\n\n  ```sh\n  echo one\n  bin/kvsim soak --seeds 1..100 # all\n" +
		"  make storm DURATION=1m\n  ```\n" +
		"\n```text\nnot run\n```\n"
	require.Equal(t, "echo one\nbin/kvsim soak --seeds 1..8 # all\n", pageScript("README.md", text, used))
	require.Equal(t, map[int]bool{1: true}, used)
}
