package linearize

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// porcupineDir is where the module with the published histories lies. Without it the test fails: it never skips.
func porcupineDir(t *testing.T) string {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine")
	out, err := cmd.Output()
	require.NoError(t, err, "the module with the published histories must be downloaded: run go mod download")
	dir := strings.TrimSpace(string(out))
	require.DirExists(t, filepath.Join(dir, "test_data"))
	return dir
}

// published reads the verdicts from porcupine's own tests, so that they are not ours.
func published(t *testing.T, dir, pattern string) map[string]Verdict {
	src, err := os.ReadFile(filepath.Join(dir, "porcupine_test.go"))
	require.NoError(t, err)
	verdicts := make(map[string]Verdict)
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(src), -1) {
		verdict := Violation
		if m[2] == "true" {
			verdict = Linearizable
		}
		if known, ok := verdicts[m[1]]; ok {
			require.Equal(t, known, verdict, m[1])
		}
		verdicts[m[1]] = verdict
	}
	return verdicts
}

// judgePublished judges every log with a published verdict and returns how many were linearizable.
func judgePublished(t *testing.T, verdicts map[string]Verdict, parse func(t *testing.T, name string) *History) (good int) {
	for name, want := range verdicts {
		h := parse(t, name)
		require.NotEmpty(t, h.Ops, name)
		res := Check(h, Options{StopEarly: true})
		require.Equal(t, want, res.Verdict, "%s: %s", name, res.Summary())
		if want == Linearizable {
			good++
		} else {
			require.NotEmpty(t, res.Keys[res.Offending].Evidence.Ops, name)
		}
	}
	return good
}

func TestPublishedEtcdHistories(t *testing.T) {
	dir := porcupineDir(t)
	verdicts := published(t, dir, `checkJepsen\(t, (\d+), (true|false)\)`)
	require.Len(t, verdicts, 102)
	good := judgePublished(t, verdicts, func(t *testing.T, n string) *History {
		number, err := strconv.Atoi(n)
		require.NoError(t, err)
		return parseJepsen(t, filepath.Join(dir, "test_data", "jepsen", fmt.Sprintf("etcd_%03d.log", number)))
	})
	require.Equal(t, 23, good)
}

func TestPublishedKvHistories(t *testing.T) {
	dir := porcupineDir(t)
	verdicts := published(t, dir, `checkKv\(t, "([^"]+)", (true|false), (?:true|false)\)`)
	require.Len(t, verdicts, 6)
	good := judgePublished(t, verdicts, func(t *testing.T, n string) *History {
		return parseKv(t, filepath.Join(dir, "test_data", "kv", n+".txt"))
	})
	require.Equal(t, 3, good)
}

// logParser turns a log of invocations and ends into a History, with line numbers as times.
type logParser struct {
	h    History
	open map[string]int // by process in the log: its operation.
	ids  map[string]int
}

func (p *logParser) invoke(line int, process string, op Op) {
	id, known := p.ids[process]
	if !known {
		id = len(p.ids)
		p.ids[process] = id
	}
	op.Process, op.Invoke, op.Return = id, int64(line), Never
	p.open[process] = len(p.h.Ops)
	p.h.Ops = append(p.h.Ops, op)
}

func (p *logParser) end(t *testing.T, line int, process string, status Status) *Op {
	i, ok := p.open[process]
	require.True(t, ok, "line %d: process %s has nothing to end", line, process)
	delete(p.open, process)
	op := &p.h.Ops[i]
	op.Status = status
	if status == Info {
		op.GaveUp = int64(line)
	} else {
		op.Return = int64(line)
	}
	return op
}

// parseLog feeds the lines of a file to parse and requires each to be understood.
func parseLog(t *testing.T, path string, parse func(p *logParser, n int, line string) bool) *History {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	p := &logParser{open: make(map[string]int), ids: make(map[string]int)}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		require.True(t, parse(p, n, lines.Text()), "%s:%d: %s", path, n, lines.Text())
	}
	require.NoError(t, lines.Err())
	for _, i := range p.open { // the log ends here, their outcome is unknown.
		p.h.Ops[i].Status = Info
	}
	return &p.h
}

var jepsenLine = regexp.MustCompile(`^INFO\s+jepsen\.util\s+-\s+(\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(\S.*)$`)

// parseJepsen reads a log of one register of etcd. Its values are not unique, and a refused cas does not say by what.
func parseJepsen(t *testing.T, path string) *History {
	return parseLog(t, path, func(p *logParser, n int, line string) bool {
		m := jepsenLine.FindStringSubmatch(line)
		if m == nil {
			return strings.Contains(line, "jepsen") && !strings.Contains(line, "jepsen.util")
		}
		process, event, what, arg := m[1], m[2], m[3], m[4]
		switch {
		case event == "invoke" && what == "read":
			p.invoke(n, process, Op{Kind: Get, Path: "r"})
		case event == "invoke" && what == "write":
			p.invoke(n, process, Op{Kind: Put, Path: "r", Input: arg})
		case event == "invoke":
			from, to, ok := strings.Cut(strings.Trim(arg, "[]"), " ")
			require.True(t, ok, line)
			p.invoke(n, process, Op{Kind: CAS, Path: "r", Expect: from, Input: to})
		case arg == ":timed-out":
			p.end(t, n, process, Info)
		case what == "read":
			op := p.end(t, n, process, OK)
			if op.Found = arg != "nil"; op.Found {
				op.Output = arg
			}
		case what == "cas":
			p.end(t, n, process, OK).Applied = event == "ok" // fail: the condition was false.
		default:
			p.end(t, n, process, OK)
		}
		return true
	})
}

var kvLine = regexp.MustCompile(`^{:process (\d+), :type :(invoke|ok), :f :(get|put|append), :key "(.*)", :value (?:"(.*)"|nil)}$`)

// parseKv reads a log of a store with get, put and append, in which a path without a value shows the empty string.
func parseKv(t *testing.T, path string) *History {
	return parseLog(t, path, func(p *logParser, n int, line string) bool {
		m := kvLine.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		process, event, key, value := m[1], m[2], m[4], m[5]
		kind, err := ParseKind(m[3])
		require.NoError(t, err)
		if event == "invoke" {
			require.True(t, kind == Get || value != "", "an empty value would look like none")
			p.invoke(n, process, Op{Kind: kind, Path: key, Input: value})
			return true
		}
		op := p.end(t, n, process, OK)
		if kind == Get {
			op.Found, op.Output = value != "", value
		}
		return true
	})
}
