package live

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
	"kvs/node/api"
	"kvs/scenarios"
	"kvs/sim/scenario"
)

func newRunner() *runner {
	return &runner{
		run: &run{
			o:   Options{Scenario: scenario.Scenario{Expect: []scenario.Promise{scenarios.QuorumRecency}}},
			own: scenarios.NewSections(), result: &Result{},
		},
		records: map[string]*record{}, values: newValues(),
	}
}

// What a read may show, after what has been answered before it began.
func TestStaleReadsAreSeen(t *testing.T) {
	get, put, del := scenarios.Op{Kind: scenarios.OpGet, Path: "a"}, scenarios.Op{Kind: scenarios.OpPut, Path: "a"},
		scenarios.Op{Kind: scenarios.OpDelete, Path: "a"}
	const five, seven = "1700000000000.00005", "1700000000000.00007"
	for name, test := range map[string]struct {
		stale bool
		play  func(r *runner) string
	}{
		"an older value": {true, func(r *runner) string {
			r.end(put, r.begin(put), seven, false, true, false)
			return r.end(get, r.begin(get), five, true, true, false)
		}},
		"the same value": {false, func(r *runner) string {
			r.end(put, r.begin(put), seven, false, true, false)
			return r.end(get, r.begin(get), seven, true, true, false)
		}},
		"an older value, but the newer was answered later": {false, func(r *runner) string {
			f := r.begin(get)
			r.end(put, r.begin(put), seven, false, true, false)
			return r.end(get, f, five, true, true, false)
		}},
		"older than another read": {true, func(r *runner) string {
			r.end(get, r.begin(get), seven, true, true, false)
			return r.end(get, r.begin(get), five, true, true, false)
		}},
		"nothing, after a write": {true, func(r *runner) string {
			r.end(put, r.begin(put), five, false, true, false)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
		"nothing, after a delete": {false, func(r *runner) string {
			r.end(put, r.begin(put), five, false, true, false)
			r.end(del, r.begin(del), seven, false, true, false)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
		"nothing, after a write and a delete with the same timestamp": {false, func(r *runner) string {
			r.end(put, r.begin(put), five, false, true, false)
			r.end(del, r.begin(del), five, false, true, false)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
		"nothing, after a write and an older delete": {true, func(r *runner) string {
			f := r.begin(del)
			r.end(put, r.begin(put), seven, false, true, false)
			r.end(del, f, five, false, true, false)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
		"nothing, after a delete and another write": {true, func(r *runner) string {
			r.end(del, r.begin(del), five, false, true, false)
			r.end(put, r.begin(put), seven, false, true, false)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
		"nothing, after a value that ends": {false, func(r *runner) string {
			brief := put
			brief.TTL = time.Second
			r.end(brief, r.begin(brief), five, false, true, false)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
		"nothing, while a delete is under way": {false, func(r *runner) string {
			r.end(put, r.begin(put), five, false, true, false)
			f := r.begin(get)
			r.begin(del)
			return r.end(get, f, "", false, true, false)
		}},
		"nothing, after a delete whose outcome is unknown": {false, func(r *runner) string {
			r.end(put, r.begin(put), five, false, true, false)
			r.end(del, r.begin(del), "", false, false, true)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
		"nothing, after a delete that was refused": {true, func(r *runner) string {
			r.end(put, r.begin(put), five, false, true, false)
			r.end(del, r.begin(del), "", false, false, false)
			return r.end(get, r.begin(get), "", false, true, false)
		}},
	} {
		require.Equal(t, test.stale, test.play(newRunner()) != "", name)
	}
	r := newRunner()
	r.o.Scenario.Expect = nil
	r.end(put, r.begin(put), seven, false, true, false)
	require.Empty(t, r.end(get, r.begin(get), five, true, true, false), "only where the scenario promises it")
}

func TestLostWritesAreSeen(t *testing.T) {
	const old, top = "1700000000000.00005", "1700000000000.00007"
	for name, test := range map[string]struct {
		record  record
		shown   string // timestamp; empty: absent.
		promise string
	}{
		"there":                          {record{top: top, topPut: true}, top, ""},
		"newer":                          {record{top: old, topPut: true}, top, ""},
		"older":                          {record{top: top, topPut: true}, old, "no-lost-write"},
		"absent":                         {record{top: top, topPut: true}, "", "no-lost-write"},
		"absent, perhaps by us":          {record{top: top, topPut: true, deleteUnknown: true}, "", ""},
		"deleted":                        {record{top: top, topDelete: true}, "", ""},
		"deleted and back":               {record{top: top, topDelete: true}, old, "no-resurrection"},
		"deleted, but listed":            {record{top: top, topDelete: true}, top, "no-resurrection"},
		"deleted, perhaps in a conflict": {record{top: top, topDelete: true, putUnknown: true}, top, ""},
		"a conflict that the put wins":   {record{top: top, topDelete: true, topPut: true}, top, ""},
		"a conflict that neither wins":   {record{top: top, topDelete: true, topPut: true}, old, "no-lost-write"},
		"a conflict that a delete wins":  {record{top: top, topDelete: true, topPut: true}, "", ""},
		"nobody was answered":            {record{}, "", ""},
		"absent at its end":              {record{top: top, topPut: true, topEnds: true}, "", ""},
		"absent, perhaps at an end":      {record{top: top, topPut: true, endUnknown: true}, "", ""},
		"absent, though it has no end":   {record{top: top, topPut: true, ends: true}, "", "no-lost-write"},
		"an older one at its end":        {record{top: top, topPut: true, topEnds: true}, old, "no-lost-write"},
		"written after a delete":         {record{top: old, topDelete: true}, top, ""},
	} {
		r := newRunner()
		r.records["a"] = &test.record
		shown := map[string]api.Entry{}
		if test.shown != "" {
			shown["a"] = api.Entry{Path: "a", Timestamp: test.shown}
		}
		r.lostWrites(shown)
		if test.promise == "" {
			require.Empty(t, r.result.Violations, name)
			continue
		}
		require.Len(t, r.result.Violations, 1, name)
		require.Contains(t, r.result.Violations[0], test.promise+": ", name)
	}
}

func TestAcknowledged(t *testing.T) {
	var p record
	p.acknowledged("1700000000000.00005", true, false)
	require.Equal(t, record{top: "1700000000000.00005", topDelete: true}, p)
	p.acknowledged("1700000000000.00007", false, false)
	p.acknowledged("1700000000000.00006", true, true)
	require.Equal(t, record{top: "1700000000000.00007", topPut: true}, p)
	p.acknowledged("1700000000000.00007", true, false)
	require.Equal(t, record{top: "1700000000000.00007", topPut: true, topDelete: true}, p)
	p.acknowledged("1700000000000.00008", false, true)
	require.Equal(t, record{top: "1700000000000.00008", topPut: true, topEnds: true}, p)
}

// What is kept can be judged and run again.
func TestKeep(t *testing.T) {
	s, err := scenarios.Load("quiet")
	require.NoError(t, err)
	now := int64(0)
	rec := linearize.NewShared(linearize.Header{World: "process", Seed: 3, Nodes: []string{"n1"}}, func() int64 {
		now++
		return now
	})
	p, q := rec.NewProcess(), rec.NewProcess()
	for _, value := range []string{"one", "two"} {
		rec.OK(rec.Invoke(p, linearize.Op{Node: "n1", Kind: linearize.Put, Path: "a", Level: "eventual", Input: value}),
			linearize.Answer{})
	}
	rec.OK(rec.Invoke(q, linearize.Op{Node: "n1", Kind: linearize.Get, Path: "a", Level: "eventual"}),
		linearize.Answer{Found: true, Output: "one"})
	res := &Result{Seed: 3, Scenario: "quiet", World: "process", Violations: []string{"converged: planted"},
		History: rec.Finish()}
	dir := t.TempDir()
	require.NoError(t, Keep(dir, s, res, func(i int) (string, error) { return "log of a node", nil }))
	again, err := scenarios.Library.LoadFile(filepath.Join(dir, "quiet.scenario"))
	require.NoError(t, err)
	require.Equal(t, uint64(3), again.Seed)
	f, err := os.Open(filepath.Join(dir, "history.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	h, err := linearize.Read(f)
	require.NoError(t, err)
	require.Equal(t, linearize.Violation, linearize.Check(h, linearize.Options{}).Verdict)
	for _, name := range []string{"history.html", "report.txt", "n1.log", "n2.log", "n3.log"} {
		require.FileExists(t, filepath.Join(dir, name))
	}
}
