package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

// founded starts a cluster of n nodes and waits until it is founded.
func (s *site) founded(n int) {
	s.t.Helper()
	s.init(n)
	args := []string{"start", "--wait"}
	for i := range n {
		args = append(args, fmt.Sprintf("node%d", i+1))
	}
	s.ok(args...)
	eventually(s.t, "the cluster is founded", func() bool {
		nodes, _ := s.statusOf("node1")
		return nodes[0].VotersAlive == n
	})
}

// feed runs a command with this text as stdin.
func (s *site) feed(text string, args ...string) result {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Stdin = strings.NewReader(text)
	return finish(s.t, cmd)
}

func TestE2EBatch(t *testing.T) {
	s := newSite(t)
	s.founded(3)
	e := []string{"--endpoint", s.endpoint(1)}
	file := filepath.Join(s.dir, "ops.jsonl")
	var lines strings.Builder
	for i := range 300 { // three batches.
		fmt.Fprintf(&lines, "{\"op\":\"put\",\"path\":\"b/%03d\",\"value\":\"v%d\"}\n", i, i)
	}
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	r := s.ok(append(e, "batch", file, "--consistency", "quorum")...)
	require.Equal(t, 300, strings.Count(r.stdout, ": created\n"))
	require.Equal(t, "v299", s.ok("get", "b/299", "--consistency", "quorum", "--endpoint", s.endpoint(3)).stdout)

	r = s.feed(`[{"op":"get","path":"b/007","consistency":"linearizable"},
		{"op":"put","path":"b/007","if_none_match":["*"]},
		{"op":"delete","path":"b/008"},{"op":"get","path":"b/008"}]`, append(e, "batch", "-", "-o", "json")...)
	require.EqualValues(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "2 of 4 operations failed")
	var results []api.BatchResult
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &results))
	require.Equal(t, "v7", *results[0].Text)
	require.Equal(t, results[0].ETag, results[1].ETag)
	require.Equal(t, api.Precondition, results[1].Problem.Code)
	require.Equal(t, api.NotFound, results[3].Problem.Code)

	for text, want := range map[string]string{
		"": "holds no operation",
		`{"op":"put","path":"x"} {"op":"put","pth":1}`: `operation 2: json: unknown field "pth"`,
	} {
		r = s.feed(text, append(e, "batch", "-")...)
		require.EqualValues(t, exitUsage, r.code)
		require.Contains(t, r.stderr, want)
	}
	require.EqualValues(t, exitUsage, s.run(append(e, "batch", "/no/such/file")...).code)
	require.EqualValues(t, exitUsage, s.run(append(e, "batch")...).code)
	require.EqualValues(t, exitNotFound, s.run(append(e, "get", "x")...).code, "nothing of a wrong file was run")
}

// A value whose time is nearly up lives on when it is renewed, at another member than the one it was written at.
func TestE2ERenew(t *testing.T) {
	s := newSite(t)
	s.founded(3)
	s.ok("put", "a", "value", "--ttl", "60", "--content-type", "x/y", "--endpoint", s.endpoint(1))
	get := func() (v struct{ ETag, ContentType string }) {
		require.NoError(t, json.Unmarshal([]byte(s.ok("get", "a", "-c", "linearizable", "-o", "json", "--endpoint",
			s.endpoint(2)).stdout), &v))
		return v
	}
	before := get()
	require.Equal(t, "renewed a\n", s.ok("renew", "a", "--ttl", "90m", "--endpoint", s.endpoint(3)).stdout)
	require.NotEqual(t, before.ETag, get().ETag)
	require.Equal(t, "value", s.ok("get", "a", "-c", "linearizable", "--endpoint", s.endpoint(1)).stdout)
	r := s.run("renew", "a", "--ttl", "none", "--if-match", before.ETag, "--endpoint", s.endpoint(3))
	require.EqualValues(t, exitRefused, r.code)
	require.Contains(t, r.stderr, "precondition_failed")
	require.Contains(t, s.ok("renew", "a", "--ttl", "none", "--if-match", get().ETag, "-o", "json", "--endpoint",
		s.endpoint(3)).stdout, get().ETag)
	require.NotContains(t, s.ok("ls", "--values", "--endpoint", s.endpoint(3)).stdout, "expires")
	require.EqualValues(t, exitNotFound, s.run("renew", "b", "--ttl", "60", "--endpoint", s.endpoint(3)).code)
	require.EqualValues(t, exitUsage, s.run("renew", "a", "--endpoint", s.endpoint(3)).code)
}

func TestE2EWholeDirectories(t *testing.T) {
	s := newSite(t)
	s.founded(2)
	e := []string{"--endpoint", s.endpoint(1)}
	var lines strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&lines, "{\"op\":\"put\",\"path\":\"d/%d/%04d\",\"value\":\"v\"}\n", i%3, i)
	}
	lines.WriteString(`{"op":"put","path":"kept","value_base64":"AP8=","ttl":"10h"}`)
	require.Zero(t, s.feed(lines.String(), append(e, "batch", "-")...).code)

	require.Equal(t, "1201 values, 1202 bytes\n", s.ok(append(e, "ls", "-r", "--count")...).stdout)
	require.Equal(t, "1 values, 2 bytes, 1 directories\n", s.ok(append(e, "ls", "--count")...).stdout)
	require.JSONEq(t, `{"directory":"d/0/","values":400,"directories":0,"bytes":400}`,
		s.ok(append(e, "ls", "d/0", "--count", "-o", "json")...).stdout)
	var entry api.Entry
	require.NoError(t, json.Unmarshal([]byte(s.ok(append(e, "ls", "--values", "--after", "d0")...).stdout), &entry))
	require.Equal(t, "kept", entry.Path)
	require.Equal(t, []byte{0, 0xff}, entry.Base64)
	require.NotEmpty(t, entry.Expires)
	require.Equal(t, 3, strings.Count(s.ok(append(e, "ls", "-r", "--values", "--limit", "3")...).stdout, "\n"))
	require.EqualValues(t, exitUsage, s.run(append(e, "ls", "--count", "--limit", "3")...).code)

	for _, confirm := range [][]string{nil, {"--confirm", "d"}, {"--confirm", "/"}} {
		r := s.run(append(append(e, "delete", "-r", "d"), confirm...)...)
		require.EqualValues(t, exitUsage, r.code)
		require.Contains(t, r.stderr, "below d/ are 1200 values, 1200 bytes")
		require.Contains(t, r.stderr, "--confirm d/; nothing was deleted")
	}
	r := s.run(append(e, "delete", "-r", "d", "--confirm", "d/", "--if-match", "*")...)
	require.EqualValues(t, exitUsage, r.code)
	require.EqualValues(t, exitUsage, s.run(append(e, "delete", "kept", "--confirm", "kept/")...).code)
	r = s.ok(append(e, "delete", "--recursive", "d", "--confirm", "d/", "--consistency", "quorum")...)
	require.Equal(t, "deleted 1200 values below d/\n", r.stdout)
	require.Equal(t, "1000 deleted\n", r.stderr, "its progress")
	require.Equal(t, "kept\n", s.ok(append(e, "ls", "-r")...).stdout)
	require.JSONEq(t, `{"directory":"","deleted":1,"failed":[]}`,
		s.ok(append(e, "delete", "--recursive", "/", "--confirm", "/", "-o", "json")...).stdout)
}
