package linearize

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func readFile(t *testing.T, name string) *History {
	f, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	require.NoError(t, err)
	defer f.Close()
	h, err := Read(f)
	require.NoError(t, err, name)
	return h
}

// The header of each file says what it shows. Ops are the operations that the evidence points at, in its order.
func TestJudgedHistories(t *testing.T) {
	judged := []struct {
		file    string
		verdict Verdict
		rule    Rule
		ops     []int
	}{
		{"ok-overlapping", Linearizable, "", nil},
		{"ok-touching", Linearizable, "", nil},
		{"ok-unknown-put-seen", Linearizable, "", nil},
		{"ok-unknown-put-unseen", Linearizable, "", nil},
		{"ok-unknown-delete", Linearizable, "", nil},
		{"ok-failed-put", Linearizable, "", nil},
		{"ok-cas", Linearizable, "", nil},
		{"ok-cas-chain-unknown", Linearizable, "", nil},
		{"ok-append", Linearizable, "", nil},
		{"unwritten", Violation, RuleUnwritten, []int{1}},
		{"failed", Violation, RuleFailed, []int{2, 1}},
		{"failed-cas", Violation, RuleFailed, []int{2, 1}},
		{"future", Violation, RuleFuture, []int{0, 1}},
		{"future-chain", Violation, RuleFuture, []int{0, 2, 1}},
		{"vanished", Violation, RuleVanished, []int{2, 1}},
		{"two-values", Violation, RuleTwoValues, []int{0, 3, 1, 2}},
		{"two-values-unknown", Violation, RuleTwoValues, []int{2, 4, 3, 5}},
		{"interrupted", Violation, RuleInterrupted, []int{0, 2, 1}},
		{"interrupted-get", Violation, RuleInterrupted, []int{1, 4, 3}},
		{"no-order-cas", Violation, RuleNoOrder, []int{2}},
		{"no-order-delete-twice", Violation, RuleNoOrder, []int{4}},
		{"no-order-refused", Violation, RuleNoOrder, []int{1}},
		{"one-bad-key", Violation, RuleUnwritten, []int{3}},
		{"mixed-levels", Violation, RuleVanished, []int{3, 2}},
	}
	seen := map[string]bool{}
	for _, j := range judged {
		seen[j.file] = true
		h := readFile(t, j.file)
		require.Equal(t, j.verdict == Linearizable, possibleAll(h), "%s: the brute force disagrees with the file",
			j.file)
		res := Check(h, Options{})
		require.Equal(t, j.verdict, res.Verdict, "%s: %s", j.file, res.Summary())
		if j.verdict == Linearizable {
			require.Equal(t, -1, res.Offending, j.file)
			continue
		}
		ev := res.Keys[res.Offending].Evidence
		require.Equal(t, j.rule, ev.Rule, "%s: %s", j.file, ev.Text)
		require.Equal(t, j.ops, ev.Ops, "%s: %s", j.file, ev.Text)
	}
	files, err := filepath.Glob("testdata/*.jsonl")
	require.NoError(t, err)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".jsonl")
		require.True(t, seen[name] || strings.HasPrefix(name, "golden"), "%s has no verdict in this table", f)
	}
}

// Histories that an earlier judge left undecided, or judged late: They are decided at once now.
func TestOnceHardHistories(t *testing.T) {
	for _, c := range []struct {
		file    string
		verdict Verdict
		rule    Rule
	}{
		{"bz", Violation, RuleTwoValues},   // only the complete test of zones sees it.
		{"bzhs", Violation, RuleTwoValues}, // behind 1,000 operations of 50 clients.
		{"stalehs", Violation, RuleTwoValues},
		{"slow-stale-5-34", Violation, RuleNoOrder}, // 20 unknown writes of repeated values.
		{"slow-stale-5-7", Violation, RuleNoOrder},
		{"ver", Linearizable, ""},
	} {
		h := readFile(t, filepath.Join("judge", c.file))
		res := Check(h, Options{Work: 500_000})
		require.Equal(t, c.verdict, res.Verdict, "%s: %s", c.file, res.Summary())
		if c.rule != "" {
			require.Equal(t, c.rule, res.Keys[0].Evidence.Rule, c.file)
		}
	}
}

// Whether there was anything to judge is part of the result.
func TestNothingIsJudged(t *testing.T) {
	res := Check(readFile(t, filepath.Join("judge", "allinfo")), Options{})
	require.Equal(t, "nothing judged: none of 6 operations was answered: 1 failed, of 5 the outcome is unknown",
		res.Summary())
	require.Equal(t, "the history has no operations", Check(&History{}, Options{}).Nothing)
	require.Empty(t, Check(readFile(t, "ok-cas"), Options{}).Nothing)
}

// At every level of consistency values come from somewhere; more is not asked of them then.
func TestKnownValues(t *testing.T) {
	for file, want := range map[string]Verdict{
		"ok-cas": Known, "vanished": Known, "two-values": Known, "no-order-cas": Known, "mixed-levels": Known,
		"unwritten": Violation, "failed": Violation, "future": Violation,
	} {
		res := Check(readFile(t, file), Options{KnownValues: true})
		require.Equal(t, want, res.Verdict, "%s: %s", file, res.Summary())
	}
}

func TestTags(t *testing.T) {
	h := readFile(t, filepath.Join("judge", "ver"))
	found := Tags(h, "")
	require.Len(t, found, 2)
	require.Equal(t,
		Evidence{RuleTag, []int{0, 1}, `version "1-1" of "a" is "x" in operation 0, and "y" in operation 1`}, found[0])
	require.Equal(t, []int{2, 3}, found[1].Ops)
	require.Empty(t, Tags(h, "b"))
	h.Ops[1].Version, h.Ops[2].Version, h.Ops[3].Version = "2-1", "2-1", "2-1"
	require.Empty(t, Tags(h, ""))
	h.Ops[3].Version = "3-1" // as if somebody else had written y, too.
	h.Ops = append(h.Ops, Op{Process: 9, Kind: Put, Path: "a", Input: "y", Invoke: 9, Return: Never, Status: Info})
	require.Empty(t, Tags(h, ""))
}

// possibleAll asks the brute force about each key.
func possibleAll(h *History) bool {
	byPath := make(map[string][]Op)
	for _, op := range h.Ops {
		byPath[op.Path] = append(byPath[op.Path], op)
	}
	for _, ops := range byPath {
		if !possible(ops) {
			return false
		}
	}
	return true
}

func TestKeysAreJudgedApart(t *testing.T) {
	res := Check(readFile(t, "one-bad-key"), Options{})
	require.Len(t, res.Keys, 3)
	require.Equal(t, "b", res.Keys[res.Offending].Path, "the smallest of the bad keys")
	for i, want := range []Verdict{Linearizable, Violation, Violation} {
		require.Equal(t, want, res.Keys[i].Verdict, res.Keys[i].Path)
	}
	require.Equal(t, Counts{Total: 7, OK: 7}, res.Counts)

	res = Check(readFile(t, "one-bad-key"), Options{StopEarly: true})
	require.Equal(t, Violation, res.Verdict)
	require.Equal(t, Undecided, res.Keys[0].Verdict)
	require.Equal(t, RuleSkipped, res.Keys[0].Evidence.Rule)

	res = Check(readFile(t, "one-bad-key"), Options{Prefix: "a"})
	require.Equal(t, Linearizable, res.Verdict)
	require.Len(t, res.Keys, 1)
}

func TestLevels(t *testing.T) {
	h := readFile(t, "mixed-levels")
	res := Check(h, Options{Levels: []string{"linearizable"}})
	require.Equal(t, Undecided, res.Verdict)
	require.Equal(t, Linearizable, res.Keys[0].Verdict, "the eventual get is left out")
	require.Equal(t, RuleMixed, res.Keys[1].Evidence.Rule)
	require.Equal(t, "b", res.Keys[res.Offending].Path)
	require.Equal(t, Linearizable, Check(h, Options{Levels: []string{"linearizable"}, Prefix: "a"}).Verdict)
}

func TestInvalidHistoryIsUndecided(t *testing.T) {
	h := &History{Ops: []Op{{Kind: Put, Path: "a", Status: Info, Return: Never},
		{Kind: Get, Path: "a", Invoke: 1, Return: 2, Status: OK}}}
	res := Check(h, Options{})
	require.Equal(t, Undecided, res.Verdict)
	require.Contains(t, res.Summary(), "operation 1: process 0 goes on")
	require.Error(t, res.WriteHTML(new(strings.Builder)))
}

// hopeless is a violation without a name, which takes some hundred steps: compare-and-sets at the same time that ring
// the changes on a few values which are there again and again.
func hopeless(path string, firstProcess int, at int64) []Op {
	var ops []Op
	add := func(op Op) {
		op.Path, op.Process, op.Invoke, op.Return, op.Status = path, firstProcess+len(ops), at, at+100, OK
		ops = append(ops, op)
	}
	for i := range 5 {
		add(Op{Kind: Put, Input: fmt.Sprint(i % 3)})
		add(Op{Kind: CAS, Expect: fmt.Sprint(i % 3), Input: fmt.Sprint((i + 1) % 3), Applied: true})
	}
	ops = append(ops, Op{Path: path, Process: firstProcess + len(ops), Kind: CAS, Expect: "0", Input: "1",
		Applied: true, Invoke: at + 200, Return: at + 201, Status: OK})
	ops = append(ops, Op{Path: path, Process: firstProcess + len(ops), Kind: CAS, Expect: "0", Input: "1",
		Applied: true, Invoke: at + 300, Return: at + 301, Status: OK})
	return ops
}

func TestOutOfWorkIsUndecided(t *testing.T) {
	h := &History{Ops: append(hopeless("a", 0, 0), hopeless("b", 100, 1000)...)}
	res := Check(h, Options{Work: 100})
	require.Len(t, res.Keys, 2, res.Summary())
	require.Equal(t, Undecided, res.Verdict)
	for _, k := range res.Keys { // each has the same to spend.
		require.Equal(t, RuleWork, k.Evidence.Rule)
		require.Contains(t, k.Evidence.Text, "in 100 steps")
		require.Contains(t, k.Evidence.Text, "write every value only once")
		require.False(t, k.Unique)
	}
	require.Equal(t, res, Check(h, Options{Work: 100}), "the same again")
	res = Check(h, Options{MemoryBytes: 1000})
	require.Equal(t, Undecided, res.Verdict)
	require.Equal(t, RuleMemory, res.Keys[0].Evidence.Rule)
	require.Equal(t, Violation, Check(h, Options{}).Verdict)
}

// Whoever wants to know is told each verdict when it is known, and can stop the rest.
func TestJudgedAndStop(t *testing.T) {
	h := readFile(t, "one-bad-key")
	h.Ops = append(h.Ops, hopeless("d", 100, 1000)...)
	var told []string
	res := Check(h, Options{
		Judged: func(k *KeyResult, left int) { told = append(told, fmt.Sprint(k.Path, " ", k.Verdict, " ", left)) },
		Stop:   func() bool { return len(told) >= 3 },
	})
	require.Equal(t, []string{"b violation 3", "c violation 2", "a linearizable 1", "d undecided 0"}, told)
	require.Equal(t, Violation, res.Verdict)
	require.Equal(t, RuleStopped, res.Keys[3].Evidence.Rule)

	calls := 0 // the search asks, too.
	res = Check(&History{Ops: hopeless("d", 0, 0)}, Options{Stop: func() bool { calls++; return calls > 1 }})
	require.Equal(t, RuleStopped, res.Keys[0].Evidence.Rule)
}

// FACTS: an illegal history with a few open writes is what makes porcupine explode. With unique values none stays open.
func TestOpenWritesDoNotMakeViolationsHard(t *testing.T) {
	for _, kind := range []Kind{Put, Delete, CAS} {
		var ops []Op
		add := func(op Op) {
			op.Path, op.Process, op.Invoke = "a", len(ops), int64(10*len(ops))
			if op.Return = op.Invoke + 5; op.Status == Info {
				op.Return = Never
			}
			ops = append(ops, op)
		}
		for i := range 200 {
			v := fmt.Sprint("v", i)
			add(Op{Kind: Put, Input: v, Status: OK})
			lost := Op{Kind: kind, Status: Info}
			if kind.takesInput() {
				lost.Input = fmt.Sprint("lost", i)
			}
			if kind == CAS {
				lost.Expect = v
			}
			add(lost)
			add(Op{Kind: Get, Found: true, Output: v, Status: OK})
			if kind == Delete && i%2 == 0 {
				add(Op{Kind: Get, Status: OK}) // this one took effect after all.
			}
		}
		h := &History{Ops: ops}
		require.Equal(t, Linearizable, Check(h, Options{}).Verdict, kind)
		// Two compare-and-sets that both found the last value: no rule knows a name for it.
		at := int64(10 * len(ops))
		for i := range 2 {
			ops = append(ops, Op{
				Kind: CAS, Path: "a", Process: len(ops), Expect: "v199", Input: fmt.Sprint("end", i), Applied: true,
				Invoke: at, Return: at + 5, Status: OK,
			})
		}
		res := Check(&History{Ops: ops}, Options{})
		require.Equal(t, Violation, res.Verdict, kind)
		require.Equal(t, RuleNoOrder, res.Keys[0].Evidence.Rule, res.Summary())
	}
}

func TestShortestPrefix(t *testing.T) {
	for _, c := range []struct {
		file  string
		ops   []int
		calls int
	}{
		{"no-order-cas", []int{2}, 3},
		{"vanished", []int{2, 1}, 3},
		{"future", []int{0, 1}, 2},
	} {
		h := readFile(t, c.file)
		end := int64(100)
		for i := range 500 { // what follows is of no account.
			v := fmt.Sprint("later", i)
			h.Ops = append(h.Ops,
				Op{Process: 9, Kind: Put, Path: "a", Input: v, Invoke: end, Return: end + 1, Status: OK},
				Op{Process: 9, Kind: Get, Path: "a", Found: true, Output: v, Invoke: end + 2, Return: end + 3,
					Status: OK})
			end += 4
		}
		res := Check(h, Options{})
		require.Equal(t, c.ops, res.Keys[0].Evidence.Ops, c.file)
		require.Len(t, res.picture.calls, c.calls, c.file)
	}
}

// Every picture shows a violation, and that of one without a name is the shortest: one return less and there is none.
func TestPicturesAreViolations(t *testing.T) {
	minimal := 0
	for n, f := range flavours {
		rng := rand.New(rand.NewPCG(9, uint64(n)))
		for range 500 {
			res := Check(&History{Ops: randomOps(rng, f, true)}, Options{})
			if res.Verdict != Violation {
				continue
			}
			k := res.picture.judge(new(Options).effort())
			require.Equal(t, Violation, k.Verdict, res.Summary())
			if res.Keys[0].Evidence.Rule == RuleNoOrder {
				order := res.picture.returned()
				k = res.picture.prefix(order[:len(order)-1]).judge(new(Options).effort())
				require.Equal(t, Linearizable, k.Verdict, res.Summary())
				minimal++
			}
		}
	}
	require.Greater(t, minimal, 50)
}

func TestHTML(t *testing.T) {
	for _, name := range []string{"no-order-cas", "no-order-delete-twice", "two-values-unknown", "future",
		"future-chain", "mixed-levels"} {
		res := Check(readFile(t, name), Options{})
		var page strings.Builder
		require.NoError(t, res.WriteHTML(&page), name)
		require.Contains(t, page.String(), "<html", name)
		require.Contains(t, page.String(), "process", name)
		info := res.Info()
		require.NotEmpty(t, info.PartialLinearizations(), name)
	}
	res := Check(readFile(t, "ok-cas"), Options{})
	require.ErrorIs(t, res.WriteHTML(new(strings.Builder)), ErrNoPicture)
}

func TestReport(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "one-bad-key.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	var out strings.Builder
	res, err := Judge(f, &out, Options{})
	require.NoError(t, err)
	require.Equal(t, Violation, res.Verdict)
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, res.Summary(), lines[0])
	require.True(t,
		strings.HasPrefix(
			lines[0],
			`violation: 3 keys (2 violation, 0 undecided), 7 operations (7 ok, 0 fail, 0 info); key "b", unwritten:`),
		lines[0])
	require.Regexp(t, `^"b"\s+violation\s+unwritten\s+2\s+2\s+0\s+0\s+0\s+yes$`, lines[3])

	_, err = Judge(strings.NewReader(""), &out, Options{})
	require.ErrorContains(t, err, "empty")
}

func TestReportHidesGoodKeys(t *testing.T) {
	h := new(History)
	for i := range goodKeysShownMax + 7 {
		h.Ops = append(h.Ops, Op{Path: fmt.Sprintf("key%02d", i), Process: i, Kind: Get, Status: OK})
	}
	var out strings.Builder
	require.NoError(t, Check(h, Options{}).WriteReport(&out))
	require.Contains(t, out.String(), "and 7 more linearizable keys\n")
}
