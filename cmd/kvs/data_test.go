package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/slot"
)

func TestEndpoints(t *testing.T) {
	for _, c := range []struct {
		flags []string
		env   string
		want  []string
	}{
		{nil, "", []string{endpointDefault}},
		{nil, " , ", []string{endpointDefault}},
		{nil, "a:1, b:2", []string{"a:1", "b:2"}},
		{[]string{"--endpoint", "c:3", "-e", "d:4"}, "a:1", []string{"c:3", "d:4"}},
	} {
		b := newBench(t)
		b.env[endpointsVariable] = c.env
		require.Zero(t, execute(b.app, append([]string{"members"}, c.flags...)), b.err.String())
		require.Equal(t, c.want, b.asked)
	}
}

func TestGet(t *testing.T) {
	b := newBench(t)
	raw := "\x00\xffbytes, no line break"
	b.cluster.value = value{Path: "a/b", ContentType: "x/y", ETag: "e", Consistency: "eventual", Node: "n1",
		Body: []byte(raw)}
	require.Zero(t, execute(b.app, []string{"get", "a/b", "--consistency", "quorum"}))
	require.Equal(t, raw, b.out.String())
	require.Empty(t, b.err.String())
	require.Equal(t, "a/b", b.cluster.path)
	require.Equal(t, node.Quorum, b.cluster.level)

	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"get", "a/b", "-o", "json"}))
	require.JSONEq(t,
		`{"path":"a/b","content_type":"x/y","etag":"e",`+
			`"consistency":"eventual","node":"n1","value_base64":"AP9ieXRlcywgbm8gbGluZSBicmVhaw=="}`, b.out.String())
	require.Equal(t, node.DefaultLevel, b.cluster.level)

	b.out.Reset()
	b.cluster.value.Body = []byte("<text>")
	require.Zero(t, execute(b.app, []string{"get", "a/b", "-o", "json"}))
	require.Contains(t, b.out.String(), `"value": "<text>"`)
}

func TestErrorsKeepTheirCode(t *testing.T) {
	b := newBench(t)
	b.cluster.err = coded(exitNotFound, errors.New("no value under a"))
	for _, args := range [][]string{{"get", "a"}, {"put", "a", "v"}, {"delete", "a"}, {"ls"}, {"members"},
		{"conflicts"}, {"conflicts", "a", "--uuid", node.UUID{}.String()}} {
		b.err.Reset()
		require.EqualValues(t, exitNotFound, execute(b.app, args))
		require.Equal(t, "kvs: no value under a\n", b.err.String())
		require.Empty(t, b.out.String())
	}
}

// The worst of what may be true decides: a write that may have happened is never called refused or unavailable.
func TestExitCodesOfRequests(t *testing.T) {
	for _, c := range []struct {
		err  client.Error
		want exitCode
	}{
		{client.Error{Code: api.NotFound}, exitNotFound},
		{client.Error{Code: api.BadPath, Outcome: api.NotApplied}, exitRefused},
		{client.Error{Code: api.NotImplemented}, exitRefused},
		{client.Error{Code: api.BadHeader, Outcome: api.NotApplied}, exitUsage},
		{client.Error{Code: api.BadHeader, Status: 400, Outcome: api.NotApplied}, exitRefused},
		{client.Error{Code: api.ReadOnly, Outcome: api.NotApplied, Retryable: true}, exitUnavailable},
		{client.Error{Code: client.Unreachable, Retryable: true}, exitUnavailable},
		{client.Error{Code: client.Unreachable, Outcome: api.NotApplied, Retryable: true}, exitUnavailable},
		{client.Error{Code: client.Unreachable, Outcome: api.Unknown, Retryable: true}, exitUnknown},
		{client.Error{Code: api.StorageError, Outcome: api.Unknown, Retryable: true}, exitUnknown},
	} {
		code, silent := codeOf(withCode(fmt.Errorf("wrapped: %w", &c.err)))
		require.Equal(t, c.want, code, "%+v", c.err)
		require.False(t, silent)
	}
	code, _ := codeOf(withCode(errors.New("something else")))
	require.Equal(t, exitFailed, code)
	_, err := connect(access{endpoints: []string{"no port"}})
	require.ErrorContains(t, err, "want host:port")
}

func TestPut(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "v.json")
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	for _, c := range []struct {
		args              []string
		body, contentType string
	}{
		{[]string{"hello"}, "hello", "text/plain; charset=utf-8"},
		{[]string{""}, "", "text/plain; charset=utf-8"},
		{[]string{"-"}, "from stdin\n", "application/octet-stream"},
		{[]string{"--", "-5"}, "-5", "text/plain; charset=utf-8"},
		{[]string{"--file", file}, "{}", "application/json"},
		{[]string{"x", "--content-type", "a/b"}, "x", "a/b"},
	} {
		b := newBench(t)
		b.app.in = strings.NewReader("from stdin\n")
		b.cluster.written = written{Created: true}
		require.Zero(t, execute(b.app, append([]string{"put", "p"}, c.args...)), b.err.String())
		require.Equal(t, c.body, string(b.cluster.body))
		require.Equal(t, c.contentType, b.cluster.contentType)
		require.Equal(t, "created p\n", b.out.String())
	}

	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"put", "p", "v"}))
	require.Equal(t, "updated p\n", b.out.String())
	require.Zero(t, b.cluster.ttl)
	for text, ttl := range map[string]time.Duration{"90": 90 * time.Second, "1h30m": 90 * time.Minute} {
		require.Zero(t, execute(b.app, []string{"put", "p", "v", "--ttl", text}))
		require.Equal(t, ttl, b.cluster.ttl)
	}
	require.EqualValues(t, exitUsage, execute(b.app, []string{"put", "p", "v", "--ttl", "soon"}))
	require.Contains(t, b.err.String(), "no time to live")
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"put", "p", "v", "-o", "json"}))
	require.Contains(t, b.out.String(), `"created": false`)

	b.app.in = strings.NewReader(strings.Repeat("x", slot.ValueBytesHardMax+1))
	require.EqualValues(t, exitUsage, execute(b.app, []string{"put", "p", "-"}))
	require.Contains(t, b.err.String(), "the most a value may have")
}

func TestDelete(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"delete", "p", "-c", "linearizable"}))
	require.Equal(t, "deleted p\n", b.out.String())
	require.Equal(t, node.Linearizable, b.cluster.level)
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		args []string
		want client.Condition
	}{
		{[]string{"put", "p", "v", "--create"}, client.IfAbsent()},
		{[]string{"put", "p", "v", "--if-match", "1-a"}, client.IfVersion("1-a")},
		{[]string{"put", "p", "v", "--if-match", `"1-a"`, "-c", "linearizable"}, client.IfVersion("1-a")},
		{[]string{"delete", "p", "--if-match", "*"}, client.IfPresent()},
		{[]string{"delete", "p"}, client.Condition{}},
		{[]string{"delete", "p", "--idempotency-key", "k"}, client.Condition{}.WithKey("k")},
		{[]string{"put", "p", "v", "--create", "--idempotency-key", "k"}, client.IfAbsent().WithKey("k")},
	} {
		b := newBench(t)
		require.Zero(t, execute(b.app, c.args), b.err.String())
		require.Equal(t, c.want, b.cluster.condition)
	}
	for _, args := range [][]string{
		{"put", "p", "v", "--create", "--if-match", "x"}, {"delete", "p", "--if-match", "x", "-c", "quorum"}} {
		b := newBench(t)
		require.EqualValues(t, exitUsage, execute(b.app, args))
	}
}

func TestList(t *testing.T) {
	b := newBench(t)
	var all strings.Builder
	for i := range 2500 {
		p := "d/" + fmt.Sprintf("%c%04d", rune('a'+i/1000), i%1000)
		b.cluster.entries = append(b.cluster.entries, entry{Path: p})
		all.WriteString(p + "\n")
	}
	require.Zero(t, execute(b.app, []string{"ls", "d"}), b.err.String())
	require.Equal(t, all.String(), b.out.String(), "all pages")
	require.Len(t, b.cluster.lists, 3)
	require.Equal(t, "d/", b.cluster.lists[0].Directory)

	b.out.Reset()
	b.cluster.lists = nil
	require.Zero(t, execute(b.app, []string{"ls", "/d/", "-r", "--limit", "1001", "--after", "d/a0000"}))
	require.Equal(t, 1001, strings.Count(b.out.String(), "\n"))
	require.True(t, strings.HasPrefix(b.out.String(), "d/a0001\n"))
	require.True(t, b.cluster.lists[0].Recursive)
	require.Equal(t, 1, b.cluster.lists[1].Limit)

	b.out.Reset()
	b.cluster.entries = []entry{{Path: "x/", Directory: true}, {Path: "y", Bytes: 3, ETag: "e"}}
	require.Zero(t, execute(b.app, []string{"ls", "-o", "json"}))
	require.JSONEq(t, `[{"path":"x/","directory":true,"bytes":0},{"path":"y","directory":false,"bytes":3,"etag":"e"}]`,
		b.out.String())

	b.out.Reset()
	b.cluster.entries = nil
	require.Zero(t, execute(b.app, []string{"ls", "-o", "json"}))
	require.Equal(t, "[]\n", b.out.String())
}

func TestMembers(t *testing.T) {
	b := newBench(t)
	b.cluster.members = []member{
		{Name: "node1", State: "alive", Address: "127.0.0.1:7001", ID: "00000000000000aa", Incarnation: 5, Joined: 2,
			Since: time.Unix(1_700_000_000, 0)},
		{Name: "a-longer-name", State: "suspect", Address: "10.0.0.2:7001", ID: "00000000000000bb", Joined: 1,
			Since: time.Unix(1_700_000_100, 0)},
		{Name: "old", State: "removed", Address: "10.0.0.3:7001", ID: "00000000000000cc",
			Since: time.Unix(1_600_000_000, 0)},
	}
	require.Zero(t, execute(b.app, []string{"members"}))
	golden(t, "members.txt", b.out.String())
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"members", "-o", "json"}))
	require.Contains(t, b.out.String(), `"state": "suspect"`)
}

func TestConflicts(t *testing.T) {
	b := newBench(t)
	one, two := node.UUID{1}.String(), node.UUID{2}.String()
	b.cluster.conflicts = []api.Conflict{
		{Path: "a/b", Timestamp: "5.00003", Winner: one, Rule: "majority", Settled: true,
			Reason: "2 of 3 voters stored it first", Voters: 3,
			Candidates: []api.Candidate{{UUID: one, Origin: "node1", ContentType: "text/plain", Bytes: 12},
				{UUID: two, Origin: "node2", Deleted: true}},
			Votes: []api.Vote{{Member: "node1", UUID: one}, {Member: "node2", UUID: two},
				{Member: "node3", UUID: one}}},
		{Path: "c", Timestamp: "4.00000", Winner: two, Rule: "oldest",
			Reason: "no candidate has a majority; its origin is the oldest", Voters: 2,
			Candidates: []api.Candidate{{UUID: one, Origin: "node1", Bytes: 1}, {UUID: two, Origin: "node2", Bytes: 2}},
			Votes:      []api.Vote{{Member: "node1", UUID: one}}},
	}
	require.Zero(t, execute(b.app, []string{"conflicts", "a", "--limit", "5"}))
	require.Equal(t, "a 5", b.cluster.path)
	golden(t, "conflicts.txt", b.out.String())
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"conflicts", "-o", "json"}))
	require.Equal(t, " 100", b.cluster.path)
	require.Contains(t, b.out.String(), `"settled": true`)
	b.out.Reset()
	b.cluster.conflicts = nil
	require.Zero(t, execute(b.app, []string{"conflicts", "-o", "json"}))
	require.Equal(t, "[]\n", b.out.String())

	b.out.Reset()
	b.cluster.value = value{Body: []byte("lost\x00")}
	require.Zero(t, execute(b.app, []string{"conflicts", "a/b", "--uuid", two}))
	require.Equal(t, "a/b "+two, b.cluster.path)
	require.Equal(t, "lost\x00", b.out.String())
}
