package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios/systems"
	"kvs/sim/simcmd"
)

// requireSystems, set to 1, forbids that a store which is not installed is left out.
const requireSystems = "KVS_REQUIRE_SYSTEMS"

// control is a run whose result is known: the whole chain must find it, from the program to the verdict.
type control struct {
	system, plan string
	set          []string
	verdict      string // a regular expression for all of it.
	says         string // what the report must have, too; empty: nothing.
}

const systemPlans = "../../scenarios/systems/plans/"

func (c control) name() string {
	return strings.Join(append([]string{c.system, c.plan}, c.set...), " ")
}

// run runs the control, and returns what is printed and the folder of its files.
func (c control) run(dir, kvs string) (code int, out, errOut string) {
	args := []string{"live", "--system", c.system, "--scenario", systemPlans + c.plan + ".scenario", "--out", dir,
		"--history", filepath.Join(dir, "history.jsonl")}
	for _, s := range c.set {
		args = append(args, "--set", s)
	}
	if kvs != "" {
		args = append(args, "--program", kvs)
	}
	return kvsim(args...)
}

var counted = regexp.MustCompile(`verdict=(\S+) operations=\d+ ok=(\d+)`)

// judge checks what a run has printed.
func (c control) judge(t *testing.T, dir string, code int, out, errOut string) {
	all := c.name() + "\n" + out + errOut
	m := counted.FindStringSubmatch(out)
	require.NotNil(t, m, all)
	require.Regexp(t, "^("+c.verdict+")$", m[1], all)
	answered, err := strconv.Atoi(m[2])
	require.NoError(t, err)
	require.Greater(t, answered, 15, all) // a verdict about nothing is worth nothing.
	require.Contains(t, out, c.says, all)
	if m[1] == "ok" {
		require.Equal(t, simcmd.ExitOK, code, all)
		return
	}
	require.Equal(t, simcmd.ExitBroken, code, all)
	kept := regexp.MustCompile(`kept in: (.*)`).FindStringSubmatch(out)
	require.NotNil(t, kept, all)
	for _, file := range []string{"report.txt", "history.jsonl", c.plan + ".scenario", "n1.log", "n3.log"} {
		require.FileExists(t, filepath.Join(kept[1], file), all)
	}
	if strings.Contains(m[1], "linearizable") {
		require.FileExists(t, filepath.Join(kept[1], "history.html"), all)
	}
	// the history tells the same to every other judge.
	code, out, _ = kvsim("check", "--promise", "linearizable", filepath.Join(dir, "history.jsonl"))
	require.Equal(t, strings.Contains(m[1], "linearizable"), code == simcmd.ExitBroken, out)
}

// places bounds how many clusters of all controls live at once: nodes that starve have not come back when the next
// ones are killed.
var places = make(chan struct{}, 2)

// controls runs them side by side, as far as there are places: they mostly wait.
func controls(t *testing.T, kvs string, all []control) {
	dirs := make([]string, len(all))
	type result struct {
		code        int
		out, errOut string
	}
	results, done := make([]result, len(all)), make(chan int)
	for i, c := range all {
		dirs[i] = t.TempDir()
		go func() {
			places <- struct{}{}
			defer func() { <-places }()
			r := &results[i]
			r.code, r.out, r.errOut = c.run(dirs[i], kvs)
			done <- i
		}()
	}
	for range all {
		<-done
	}
	for i, c := range all {
		t.Run(strings.ReplaceAll(c.name(), " ", "_"), func(t *testing.T) {
			c.judge(t, dirs[i], results[i].code, results[i].out, results[i].errOut)
		})
	}
}

// installed skips the test if the program of a system is not there, unless that is forbidden.
func installed(t *testing.T, system string) {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes are left out of -short runs")
	}
	s, err := systems.Load(system, nil)
	require.NoError(t, err)
	if _, err := exec.LookPath(s.Program); err != nil {
		require.NotEqual(t, "1", os.Getenv(requireSystems), "%s=1: %v", requireSystems, err)
		t.Skipf("SKIPPED: %v: install %s, or no control of %s is run", err, s.Package, system)
	}
}

// etcd is linearizable under all plans, and the same etcd is not if its members answer reads from what they have.
func TestControlEtcd(t *testing.T) {
	installed(t, "etcd")
	t.Parallel()
	controls(t, "", []control{
		{system: "etcd", plan: "split-brain", verdict: "ok"},
		{system: "etcd", plan: "node-killed", verdict: "ok"},
		{system: "etcd", plan: "paused", verdict: "ok"},
		{system: "etcd", plan: "split-brain", set: []string{"reads=serializable"}, verdict: "linearizable"},
	})
}

// Redis replicates after it has acknowledged, so a failover loses acknowledged writes.
func TestControlRedis(t *testing.T) {
	installed(t, "redis")
	t.Parallel()
	controls(t, "", []control{{system: "redis", plan: "primary-cut-off", verdict: "no-lost-write,linearizable",
		says: "acknowledged writes to "}})
}

// kvs keeps at each level what it promises there: linearizable is linearizable, by both drivers; eventual is found not
// to be, by both; and all nodes are alike in the end. Quorum promises no order of all operations: it may be found
// either.
func TestControlKVS(t *testing.T) {
	t.Parallel()
	kvs, eventual := buildKVS(t), filepath.Join(t.TempDir(), "eventual.yaml")
	text, err := systems.Text("kvs-rest")
	require.NoError(t, err)
	changed := strings.ReplaceAll(string(text), "consistency=linearizable", "consistency=eventual")
	require.NotEqual(t, string(text), changed)
	require.NoError(t, os.WriteFile(eventual, []byte(changed), 0o600))
	const stale = "(no-lost-write,)?linearizable" // two writes in one millisecond are in no order at this level.
	controls(t, kvs, []control{
		{system: "kvs", plan: "split-brain", verdict: "ok"},
		{system: "kvs-rest", plan: "split-brain", verdict: "ok"},
		{system: "kvs", plan: "node-killed", verdict: "ok"},
		{system: "kvs-rest", plan: "paused", verdict: "ok"},
		{system: "kvs", plan: "split-brain", set: []string{"level=quorum"}, verdict: "ok|" + stale},
		{system: "kvs", plan: "split-brain", set: []string{"level=eventual"}, verdict: stale},
		{system: eventual, plan: "split-brain", verdict: stale},
	})
}

// Mistakes are found before anything is started.
func TestLiveSystemIsChecked(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(mine, []byte(`version: 1
name: mine
driver: etcd
program: no-such-program
package: mine-server
ports: [client]
command: ["--listen={{.Listen \"client\"}}"]
`), 0o600))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--system", "oracle"}, `there is no system "oracle": use one of consul, etcd`},
		{[]string{"--system", mine}, "apt-get install mine-server"},
		{[]string{"--system", mine, "--program", "./nothing"}, "name the program with --program"},
		{[]string{"--set", "reads=any"}, "name it with --system"},
		{[]string{"--system", "etcd", "--set", "reads=any"}, "use linearizable or serializable"},
		{[]string{"--system", "etcd", "--secure"}, "--secure is for kvs alone"},
		{[]string{"--system", "etcd", "--target", "127.0.0.1:1"}, "choose --target process or docker"},
		{[]string{"--system", mine, "--program", "true", "--scenario", "disk-full"}, "no disk-full"},
		{[]string{"--system", mine, "--program", "true", "--scenario", "clock-guard"}, "of another store there is no"},
		{[]string{"--system", mine, "--program", "true", "--scenario", "expiry"}, "ttl:"},
	} {
		out := t.TempDir()
		code, _, errOut := kvsim(append([]string{"live", "--out", out}, test.args...)...)
		require.Equal(t, simcmd.ExitUsage, code, test.args)
		require.Contains(t, errOut, test.want)
	}
}

// A store whose nodes end at once is not waited for.
func TestLiveSystemThatEnds(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(mine, []byte(`version: 1
name: mine
driver: etcd
program: sh
ports: [client]
command: ["-c", "echo this is {{.Name}}; exit 3"]
`), 0o600))
	out := t.TempDir()
	code, stdout, errOut := kvsim("live", "--out", out, "--system", mine, "--scenario", systemPlans+"paused.scenario")
	require.Equal(t, simcmd.ExitUsage, code, stdout)
	ended := regexp.MustCompile(`(n\d) ended by itself: exit status 3`).FindStringSubmatch(errOut)
	require.NotNil(t, ended, errOut)
	logs, err := filepath.Glob(filepath.Join(out, "*", ended[1]+".log")) // the others may not have come that far.
	require.NoError(t, err)
	require.Len(t, logs, 1)
	text, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	require.Equal(t, "this is "+ended[1]+"\n", string(text))
}

func TestSystemsAreListed(t *testing.T) {
	code, out, _ := kvsim("systems")
	require.Equal(t, simcmd.ExitOK, code)
	require.Regexp(t, `(?m)^etcd +etcd by its HTTP gateway$`, out)
	code, out, _ = kvsim("systems", "--show", "etcd")
	require.Equal(t, simcmd.ExitOK, code)
	require.Contains(t, out, "--initial-cluster=")
	code, _, errOut := kvsim("systems", "--show", "oracle")
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, errOut, "use one of consul")
}
