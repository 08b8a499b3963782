package linearize

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/golden2*.jsonl anew; review the difference")

// everything has each field of format 1 at least once.
func everything() *History {
	return &History{
		Header: Header{
			World: "sim", Seed: 1<<64 - 1, Scenario: "swarm", Commit: "abc",
			Plan:  "at 2s   partition n1,n2 | n3\nat 6s   heal\n",
			Nodes: []string{"n1", "n2"}, Started: "2024-05-06T07:08:09Z",
		},
		Ops: []Op{
			{Process: 0, Node: "n1", Kind: Put, Path: "a/é<&>", Level: "eventual", Input: "v1", Version: "1-2",
				Invoke: 0, Return: 5, Status: OK},
			{Process: 1, Node: "n2", Kind: Get, Path: "a", Level: "quorum", Found: true, Output: "\xff\x00bytes",
				Invoke: 1, Return: 2, Status: OK},
			{Process: 2, Kind: Get, Path: "a", Invoke: 1, Return: 2, Status: OK},
			{Process: 2, Kind: Delete, Path: "a", Level: "linearizable", Invoke: 3, Return: Never, GaveUp: 9,
				Status: Info, Error: "timeout"},
			{Process: 3, Kind: CAS, Path: "a", Input: "v2", ExpectAbsent: true, Applied: true, Invoke: 3, Return: 4,
				Status: OK},
			{Process: 4, Kind: CAS, Path: "a", Input: "v3", Expect: "v2", Shown: true, Found: true, Output: "v1",
				Invoke: 5, Return: 6, Status: OK},
			{Process: 5, Kind: CASDelete, Path: "a", Expect: "v2", Invoke: 5, Return: 6, Status: Fail,
				Error: "conflict_retry"},
			{Process: 6, Kind: Append, Path: "b", Input: "x", Invoke: 7, Return: Never, Status: Open},
		},
	}
}

// withPromises is everything with what format 2 can say of it.
func withPromises() *History {
	h := everything()
	h.Format, h.Model = 2, "register"
	h.Promises = []Promise{{Name: "linearizable", Path: "l/"}, {Name: "converged"}}
	return h
}

// everyModel has an operation of each kind of the models that are no registers, with each field, in a history a model.
func everyModel() []*History {
	answered := func(ops ...Op) []Op {
		for i := range ops {
			o := &ops[i]
			o.Path, o.Invoke, o.Return, o.Status = "x", int64(10*i), int64(10*i+5), OK
		}
		return ops
	}
	histories := []*History{
		{Header: Header{Model: "counter"}, Ops: answered(
			Op{Kind: Increment, Amount: -3}, Op{Kind: Increment, Amount: 5, Shown: true, Number: 2},
			Op{Kind: Get, Number: 2})},
		{Header: Header{Model: "list"}, Ops: answered(
			Op{Kind: Append, Input: "a"}, Op{Kind: Append, Input: "\xff"}, Op{Kind: Get, List: []string{"a", "\xff"}})},
		{Header: Header{Model: "lock"}, Ops: answered(
			Op{Kind: Acquire, Applied: true, Number: 7}, Op{Kind: Acquire}, Op{Kind: Use, Amount: 7, Applied: true},
			Op{Kind: Release, Amount: 7, Applied: true}, Op{Kind: Release, Amount: 7})},
		{Header: Header{Model: "queue"}, Ops: answered(
			Op{Kind: Enqueue, Input: "a"}, Op{Kind: Dequeue, Found: true, Output: "a"}, Op{Kind: Dequeue})},
		{Header: Header{Model: "set"}, Ops: answered(
			Op{Kind: Add, Input: "a"}, Op{Kind: Contains, Input: "a", Found: true}, Op{Kind: Get, List: []string{"a"}},
			Op{Kind: Remove, Input: "a"}, Op{Kind: Contains, Input: "a"}, Op{Kind: Get})},
	}
	for _, h := range histories {
		h.Format = 2
	}
	return histories
}

func TestGolden(t *testing.T) {
	golden := map[string]*History{"golden2": withPromises()}
	for _, h := range everyModel() {
		golden["golden2-"+h.Model] = h
		require.Equal(t, Linearizable, Check(h, Options{}).Verdict, h.Model)
	}
	for name, h := range golden {
		var out bytes.Buffer
		require.NoError(t, Write(&out, h))
		file := filepath.Join("testdata", name+".jsonl")
		if *update {
			require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), out.String())
		again, err := Read(bytes.NewReader(want))
		require.NoError(t, err)
		require.Equal(t, h, again)
	}
}

// Files of format 1 are still read, and written as format 2.
func TestGoldenOfFormat1(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "golden1.jsonl"))
	require.NoError(t, err)
	h, err := Read(bytes.NewReader(b))
	require.NoError(t, err)
	want := everything()
	want.Format = 1
	require.Equal(t, want, h)
	var out bytes.Buffer
	require.NoError(t, Write(&out, h))
	want.Format, want.Model = 2, "register"
	again, err := Read(&out)
	require.NoError(t, err)
	require.Equal(t, want, again)
}

func TestReadRefuses(t *testing.T) {
	const header = `{"format":1,"seed":"0"}` + "\n"
	const op = `{"process":0,"op":"put","path":"a","input":"1","invoke":0,"return":1,"status":"ok"}` + "\n"
	const two = `{"format":2,"seed":"0","model":"register"}` + "\n"
	const end = `{"operations":1}` + "\n"
	for _, file := range []string{
		// a whole character, and six.
		header + op, two + op + end, strings.Replace(header+op, `"a"`, `"\ud83d\ude00\\ud800"`, 1),
	} {
		_, err := Read(strings.NewReader(file))
		require.NoError(t, err, "the lines that the cases below break")
	}
	edit := func(from, to string) string {
		require.Contains(t, op, from)
		return header + op + strings.Replace(strings.Replace(op, `"process":0`, `"process":1`, 1), from, to, 1)
	}
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "the file is empty"},
		{"no header", op, "line 1: not the header of a history: it has no format"},
		{"not JSON", "hello\n", "line 1: not the header"},
		{"another format", `{"format":3,"what":"ever"}` + "\n" + op,
			"line 1: format 3 is unknown: this version reads formats 1 and 2"},
		{"field of format 2 in 1", edit(`"path"`, `"amount":1,"path"`), `line 3: json: unknown field "amount"`},
		{"unknown model", `{"format":2,"seed":"0","model":"heap"}` + "\n",
			`line 1: model "heap" is unknown: use one of cas-register, `},
		{"no end", two + op, "line 3: cut short: the last line, which has the number of operations, is missing"},
		{"wrong end", two + op + `{"operations":2}` + "\n", `line 3: {"operations":2}, but there are 1 above`},
		{"end twice", two + op + end + end, "line 4: a line follows"},
		{"operation of another model", `{"format":2,"seed":"0","model":"queue"}` + "\n" + op + end,
			"line 2: a queue has no operation put: it has enqueue, dequeue"},
		{"byte order mark", "\ufeff" + header + op, "line 1: the file begins with a byte order mark"},
		{"field in another case", edit(`"path"`, `"Path"`), `line 3: field "Path": names of fields are in lower case`},
		{"field twice", edit(`"path"`, `"path":"b","path"`), `line 3: field "path" is there twice`},
		{"header field in another case", `{"format":1,"Seed":"0"}` + "\n",
			`line 1: header: field "Seed": names of fields are in lower case`},
		{"field of bytes twice", edit(`"a"`, `{"base64":"YQ==","base64":"YQ=="}`),
			`line 3: field "base64" is there twice`},
		{"field of a promise twice", `{"format":2,"model":"set","seed":"0","promises":[{"name":"a","name":"b"}]}` +
			"\n",
			`line 1: header: field "name" is there twice`},
		{"first half of a character", edit(`"a"`, `"\ud800"`), `line 3: \ud800 is half a character`},
		{"second half of a character", edit(`"a"`, `"\\\udc00"`), `line 3: \udc00 is half a character`},
		{"half and another character", edit(`"a"`, `"\ud800\u0041"`), `line 3: \ud800 is half a character`},
		{"unknown header field", `{"format":1,"seed":"0","sead":1}` + "\n",
			`line 1: header: json: unknown field "sead"`},
		{"cut short", header + op[:len(op)-1], "line 2: cut short"},
		{"cut in the header", header[:5], "line 1: cut short"},
		{"empty line", header + "\n" + op, "line 2: an empty line"},
		{"blank line", header + " \n" + op, "line 2: an empty line"},
		{"unknown field", edit(`"path"`, `"pathh":"b","path"`), `line 3: json: unknown field "pathh"`},
		{"two values", edit("}\n", "}{}\n"), "line 3: something follows"},
		{"unknown operation", edit(`"put"`, `"poke"`), `line 3: unknown operation "poke"`},
		{"unknown status", edit(`"ok"`, `"okay"`), `line 3: unknown status "okay"`},
		{"missing status", edit(`,"status":"ok"`, ``), `line 3: unknown status ""`},
		{"missing invoke", edit(`"invoke":0,`, ``), "line 3: an operation has at least"},
		{"missing return", edit(`"return":1,`, ``), "line 3: status ok, invoked at 0, returned at"},
		{"return of the unknown", edit(`"ok"`, `"info"`), "line 3: status info has no return"},
		{"return before invoke", edit(`"invoke":0`, `"invoke":7`), "line 3: status ok, invoked at 7, returned at 1"},
		{"null", edit(`"a"`, `null`), "line 3: null is not a text"},
		{"not UTF-8", edit(`"a"`, "\"\xff\""), "line 3: not valid UTF-8"},
		{"bad base64", edit(`"a"`, `{"base64":"?"}`), "line 3: base64"},
		{"get with input", edit(`"put"`, `"get"`), "line 3: a get with status ok has an input"},
		{"two at once", header + op + op, "line 3: process 0 has two operations at once"},
		{"order", header + strings.ReplaceAll(op, ":0,", ":1,") + strings.Replace(op, `"process":0`, `"process":2`, 1),
			"line 3: invoked at 0, before the operation above"},
		{"after an unknown write", header + strings.Replace(op, `"return":1,"status":"ok"`, `"status":"info"`, 1) + op,
			"line 3: process 0 goes on"},
	} {
		_, err := Read(strings.NewReader(c.file))
		require.ErrorContains(t, err, c.want, c.name)
	}
}

// endless is a line that never ends.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestReadIsBounded(t *testing.T) {
	_, err := Read(endless{})
	require.ErrorContains(t, err, "line 1: longer than")
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("disk on fire") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestReadAndWritePassErrorsOn(t *testing.T) {
	_, err := Read(broken{})
	require.ErrorContains(t, err, "disk on fire")
	require.ErrorContains(t, Write(broken{}, everything()), "disk on fire")
	require.ErrorContains(t, Check(everything(), Options{}).WriteReport(broken{}), "disk on fire")
}

func TestWriteRefuses(t *testing.T) {
	h := everything()
	h.Format = 3
	require.ErrorContains(t, Write(io.Discard, h), "cannot write format 3")
	h = everything()
	h.Ops[1].Process = 0
	require.ErrorContains(t, Write(io.Discard, h), "operation 1: process 0 has two operations at once")
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.jsonl")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		require.NoError(t, Write(&out, h))
		again, err := Read(&out)
		require.NoError(t, err)
		if h.Format = 2; h.Model == "" {
			h.Model = "register"
		}
		require.Equal(t, h, again)
	})
}
