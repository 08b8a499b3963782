package simcmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
)

// checked writes a history file, checks it, and returns what kvsim said.
func checked(t *testing.T, text string, flags ...string) (code int, out, errs string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return kvsim(append([]string{"check", path}, flags...)...)
}

const (
	headerOf1 = `{"format":1,"seed":"0"}` + "\n"
	putA      = `{"process":0,"op":"put","path":"a","input":"1","invoke":0,"return":1,"status":"ok"}` + "\n"
	getNone   = `{"process":0,"op":"get","path":"a","invoke":2,"return":3,"status":"ok"}` + "\n"
	getTwo    = `{"process":0,"op":"get","path":"a","found":true,"output":"2","invoke":2,"return":3,"status":"ok"}` +
		"\n"
	openPut   = `{"process":0,"op":"put","path":"a","input":"1","invoke":0,"status":"info"}` + "\n"
	failedGet = `{"process":1,"op":"get","path":"a","invoke":2,"return":3,"status":"fail"}` + "\n"
)

func headerOf2(model, promises string) string {
	return fmt.Sprintf(`{"format":2,"model":%q,"seed":"0","promises":[%s]}`+"\n", model, promises)
}

func endOf(n int) string { return fmt.Sprintf(`{"operations":%d}`+"\n", n) }

// check judges what the header promises, unless it is asked for something else.
func TestCheckJudgesWhatIsPromised(t *testing.T) {
	const linearizable, not, other = `{"name":"linearizable"}`, `{"name":"converged"},{"name":"not-linearizable"}`,
		`{"name":"converged"}`
	for _, c := range []struct {
		name, promises, ops string
		flags               []string
		code                int
		out                 string
	}{
		{"linearizable", linearizable, putA + getNone, nil, ExitBroken, "violation: 1 keys"},
		{"not linearizable", not, putA + getNone, nil, ExitOK, "ok: a violation was promised"},
		{"not linearizable, but it is", not, putA, nil, ExitBroken, "broken: a violation was promised"},
		{"eventual", other, putA + getNone, nil, ExitOK, "known: 1 keys"},
		{"eventual, a value from nowhere", other, putA + getTwo, nil, ExitBroken, "which no operation wrote"},
		{"nothing said", "", putA + getNone, nil, ExitBroken, "violation: 1 keys"},
		{"more is asked", other, putA + getNone, []string{"--promise", "linearizable"}, ExitBroken,
			"violation: 1 keys"},
		{"less is asked", linearizable, putA + getNone, []string{"--promise", "known-values"}, ExitOK, "known: 1 keys"},
		{"the opposite is asked", linearizable, putA + getNone, []string{"--promise", "not-linearizable"}, ExitOK,
			"ok: a"},
	} {
		code, out, errs := checked(t, headerOf2("register", c.promises)+c.ops+endOf(strings.Count(c.ops, "\n")),
			c.flags...)
		require.Equal(t, c.code, code, "%s: %s%s", c.name, out, errs)
		require.Contains(t, out, c.out, c.name)
	}
	// The promise may be about some of the paths; --prefix asks for others.
	elsewhere := headerOf2("register", `{"name":"linearizable","path":"l/"}`) + putA + getNone +
		`{"process":0,"op":"get","path":"l/x","invoke":4,"return":5,"status":"ok"}` + "\n" + endOf(3)
	code, out, errs := checked(t, elsewhere)
	require.Equal(t, ExitOK, code, out)
	require.Contains(t, errs, `that it is linearizable, on paths that begin with "l/"`)
	code, _, _ = checked(t, elsewhere, "--prefix", "")
	require.Equal(t, ExitBroken, code)
}

// What cannot be judged is no verdict.
func TestCheckOfNothingIsAnError(t *testing.T) {
	for _, c := range []struct {
		name, file string
		flags      []string
		want       string
	}{
		{"no operations", headerOf1, nil, "nothing was judged: the history has no operations"},
		{"no such prefix", headerOf1 + putA, []string{"--prefix", "b"},
			`nothing was judged: no operation to be judged is on a path that begins with "b"`},
		{"no such level", headerOf1 + getNone, []string{"--level", "none"}, "nothing was judged"},
		{"no such level, and writes", headerOf1 + putA + getNone, []string{"--level", "none"},
			"nothing was judged: no operation is at a level to be judged"},
		{"operations of another model", headerOf2("register", "") + putA + endOf(1), []string{"--model", "queue"},
			"this is not a valid history: operation 0: a queue has no operation put"},
		{"no answers", headerOf1 + openPut + failedGet, nil,
			"none of 2 operations was answered: 1 failed, of 1 the outcome is unknown"},
		{"cut between lines", headerOf2("register", "") + putA, nil,
			"line 3: cut short: the last line, which has the number of operations"},
		{"negative time-out", headerOf1 + putA, []string{"--timeout", "-1s"}, "--timeout -1s: must not be negative"},
		{"negative work", headerOf1 + putA, []string{"--work", "-1"}, "--work -1: must be above 0"},
		{"no memory", headerOf1 + putA, []string{"--memory", "0"}, "--memory 0: must be above 0"},
		{"unknown model", headerOf1 + putA, []string{"--model", "heap"},
			`--model: model "heap" is unknown: use one of cas-register, `},
		{"unknown promise", headerOf1 + putA, []string{"--promise", "luck"},
			`--promise "luck": use header, linearizable,`},
	} {
		code, _, errs := checked(t, c.file, c.flags...)
		require.Equal(t, ExitUsage, code, c.name)
		require.Contains(t, errs, c.want, c.name)
	}
	code, _, errs := checked(t, headerOf1+putA)
	require.Equal(t, ExitOK, code)
	require.Contains(t, errs, "format 1 does not end with the number of its operations")
}

// Histories of others are judged, too.
func TestCheckFromOthers(t *testing.T) {
	const edn = `{:process 0, :type :invoke, :f :write, :value 1} {:process 0, :type :ok, :f :write, :value 1}
{:process 0, :type :invoke, :f :cas, :value [1 2]} {:process 0, :type :fail, :f :cas, :value [1 2]}`
	code, out, errs := checked(t, edn, "--from", "jepsen")
	require.Equal(t, ExitOK, code, errs)
	require.Contains(t, out, "linearizable: 1 keys")
	code, out, _ = checked(t, edn, "--from", "jepsen", "--failed-cas", "condition-false")
	require.Equal(t, ExitBroken, code)
	require.Contains(t, out, "violation: 1 keys")
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--from", "csv"}, `the format "csv" is unknown: use jepsen or porcupine`},
		{[]string{"--from", "jepsen", "--failed-cas", "luck"}, `condition-false or not-happened, not "luck"`},
		{[]string{"--failed-cas", "not-happened"}, "use it with --from"},
		{[]string{"--from", "porcupine"}, "is no operation on a key"},
	} {
		code, _, errs := checked(t, edn, c.flags...)
		require.Equal(t, ExitUsage, code)
		require.Contains(t, errs, c.want)
	}
}

// Versions that contradict each other are reported, and do not count.
func TestCheckReportsContradictingVersions(t *testing.T) {
	tagged := strings.Replace(putA, `"status"`, `"version":"1-1","status"`, 1)
	get := strings.Replace(getTwo, `"output":"2"`, `"output":"1","version":"2-1"`, 1)
	code, out, _ := checked(t, headerOf1+tagged+get)
	require.Equal(t, ExitOK, code)
	require.Contains(t, out,
		`"1" on "a", which was written once, has version "1-1" in operation 0, and "2-1" in operation 1`)
}

// An interrupted check says what it knows: here, of the path that needs no search.
func TestCheckInterrupted(t *testing.T) {
	again := strings.NewReplacer(`"a"`, `"b"`, `"process":0`, `"process":1`).Replace
	// one value twice: searched.
	twice := again(putA) + again(strings.Replace(putA, `"invoke":0,"return":1`, `"invoke":2,"return":3`, 1))
	code, out, _ := checked(t, headerOf1+putA+twice+getTwo, "--timeout", "1ns")
	require.Equal(t, ExitBroken, code)
	require.Contains(t, out, `found: key "a", unwritten: operation 3`)
	require.Contains(t, out, "violation: 2 keys (1 violation, 1 undecided)")
	require.Regexp(t, `"b" +undecided +stopped`, out)
}

// A page is written when a key is broken. When none is, the verdict stands, and no file is left.
func TestCheckPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	code, _, errs := checked(t, headerOf1+putA, "--html", path)
	require.Equal(t, ExitOK, code)
	require.Contains(t, errs, "page.html is not written: nothing to draw")
	require.NoFileExists(t, path)
	code, _, _ = checked(t, headerOf1+putA+getNone, "--html", path)
	require.Equal(t, ExitBroken, code)
	require.FileExists(t, path)
	code, _, errs = checked(t, headerOf1+putA+getNone, "--html", filepath.Join(path, "in-a-file"))
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "not a directory")
}

// A level that no operation has is most likely a slip, and says so.
func TestCheckLevelOfNoOperation(t *testing.T) {
	leveled := strings.Replace(putA, `"path"`, `"level":"quorum","path"`, 1)
	code, _, errs := checked(t, headerOf1+leveled, "--level", "quorum,quorm")
	require.Equal(t, ExitOK, code)
	require.Contains(t, errs, `no operation of this history is at the level "quorm"`)
	require.NotContains(t, errs, `"quorum"`)
}

// Progress is told seldom, and where there is no terminal, in whole lines.
func TestCheckProgress(t *testing.T) {
	var out, errs bytes.Buffer
	p := newJudging(IO{Out: &out, Err: &errs}, false)
	p.last = p.last.Add(-time.Hour)
	p.tick()
	require.Regexp(t, `^check: [0-9.]+m?s, no key is judged yet\n$`, errs.String())
	errs.Reset()
	p.judged(&linearize.KeyResult{Path: "a", Verdict: linearize.Undecided}, 7)
	require.Empty(t, errs.String(), "it is too early")
	p.last = p.last.Add(-time.Hour)
	for i := range 30 {
		p.judged(&linearize.KeyResult{Path: fmt.Sprint("k", i), Verdict: linearize.Violation}, 6)
	}
	require.Regexp(t, `^check: [0-9.]+m?s, 2 of 8 keys judged, 1 violations, 1 undecided\n$`, errs.String())
	require.Equal(t, checkFoundMax, strings.Count(out.String(), "found: key"))

	errs.Reset()
	p.terminal, p.last = true, p.last.Add(-time.Hour)
	p.tick()
	require.NotContains(t, errs.String(), "\n")
	p.end()
	require.True(t, strings.HasSuffix(errs.String(), "\r\x1b[K"), "the line is wiped out: %q", errs.String())
}
