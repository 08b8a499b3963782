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

var update = flag.Bool("update", false, "write testdata/golden.jsonl anew; review the difference")

// everything has each field of the format at least once.
func everything() *History {
	return &History{
		Header: Header{
			Format: Format, World: "sim", Seed: 1<<64 - 1, Scenario: "swarm", Commit: "abc", Plan: "at 2s   partition n1,n2 | n3\nat 6s   heal\n",
			Nodes: []string{"n1", "n2"}, Started: "2024-05-06T07:08:09Z",
		},
		Ops: []Op{
			{Process: 0, Node: "n1", Kind: Put, Path: "a/é<&>", Level: "eventual", Input: "v1", Version: "1-2", Invoke: 0, Return: 5, Status: OK},
			{Process: 1, Node: "n2", Kind: Get, Path: "a", Level: "quorum", Found: true, Output: "\xff\x00bytes", Invoke: 1, Return: 2, Status: OK},
			{Process: 2, Kind: Get, Path: "a", Invoke: 1, Return: 2, Status: OK},
			{Process: 2, Kind: Delete, Path: "a", Level: "linearizable", Invoke: 3, Return: Never, GaveUp: 9, Status: Info, Error: "timeout"},
			{Process: 3, Kind: CAS, Path: "a", Input: "v2", ExpectAbsent: true, Applied: true, Invoke: 3, Return: 4, Status: OK},
			{Process: 4, Kind: CAS, Path: "a", Input: "v3", Expect: "v2", Shown: true, Found: true, Output: "v1", Invoke: 5, Return: 6, Status: OK},
			{Process: 5, Kind: CASDelete, Path: "a", Expect: "v2", Invoke: 5, Return: 6, Status: Fail, Error: "conflict_retry"},
			{Process: 6, Kind: Append, Path: "b", Input: "x", Invoke: 7, Return: Never, Status: Open},
		},
	}
}

func TestGolden(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Write(&out, everything()))
	name := filepath.Join("testdata", "golden.jsonl")
	if *update {
		require.NoError(t, os.WriteFile(name, out.Bytes(), 0o644))
	}
	golden, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(golden), out.String())
	h, err := Read(bytes.NewReader(golden))
	require.NoError(t, err)
	require.Equal(t, everything(), h)
}

func TestReadRefuses(t *testing.T) {
	const header = `{"format":1,"seed":"0"}` + "\n"
	const op = `{"process":0,"op":"put","path":"a","input":"1","invoke":0,"return":1,"status":"ok"}` + "\n"
	_, err := Read(strings.NewReader(header + op))
	require.NoError(t, err, "the lines that the cases below break")
	edit := func(from, to string) string {
		require.Contains(t, op, from)
		return header + op + strings.Replace(strings.Replace(op, `"process":0`, `"process":1`, 1), from, to, 1)
	}
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "the file is empty"},
		{"no header", op, "line 1: not the header of a history: it has no format"},
		{"not JSON", "hello\n", "line 1: not the header"},
		{"another format", `{"format":2,"what":"ever"}` + "\n" + op, "line 1: format 2 is unknown: this version reads format 1"},
		{"unknown header field", `{"format":1,"seed":"0","sead":1}` + "\n", `line 1: header: json: unknown field "sead"`},
		{"cut short", header + op[:len(op)-1], "line 2: cut short"},
		{"cut in the header", header[:5], "line 1: cut short"},
		{"empty line", header + "\n" + op, "line 2: EOF"},
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
		{"order", header + strings.ReplaceAll(op, ":0,", ":1,") + strings.Replace(op, `"process":0`, `"process":2`, 1), "line 3: invoked at 0, before the operation above"},
		{"after an unknown write", header + strings.Replace(op, `"return":1,"status":"ok"`, `"status":"info"`, 1) + op, "line 3: process 0 goes on"},
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
	h.Format = 2
	require.ErrorContains(t, Write(io.Discard, h), "cannot write format 2")
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
		require.Equal(t, h, again)
	})
}
