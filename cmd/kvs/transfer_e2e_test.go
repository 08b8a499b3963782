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

// fillTree writes n values of about a kibibyte below d/, and some of other kinds.
func (s *site) fillTree(endpoint string, n int) {
	s.t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "{\"op\":\"put\",\"path\":\"d/%04d\",\"value\":\"%s %d\",\"consistency\":\"quorum\"}\n", i,
			strings.Repeat("x", 1000), i)
	}
	lines.WriteString(`{"op":"put","path":"bytes","value_base64":"AP8=","content_type":"x/y","consistency":"quorum"}
		{"op":"put","path":"ends","value":"v","ttl":"10h","consistency":"quorum"}
		{"op":"put","path":"short","value":"v","ttl":"2s","consistency":"quorum"}
		{"op":"put","path":"empty","value":"","consistency":"quorum"}`)
	r := s.feed(lines.String(), "batch", "-", "--endpoint", endpoint)
	require.Zero(s.t, r.code, r.stderr)
}

func TestE2EExportAndImport(t *testing.T) {
	s := newSite(t)
	s.founded(1)
	e := []string{"--endpoint", s.endpoint(1)}
	s.fillTree(s.endpoint(1), 400)
	large := strings.Repeat("large ", 170_000) // it has a request of its own.
	require.Zero(t, s.feed(large, append(e, "put", "large", "-")...).code)
	file := filepath.Join(s.dir, "all.export")
	var done struct {
		Values int
		Bytes  int64
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok(append(e, "export", "--file", file, "-o", "json")...).stdout), &done))
	require.Contains(t, []int{405, 404}, done.Values, "short may be gone")
	require.EqualValues(t, exitUsage, s.run(append(e, "export", "--file", file)...).code, "it exists")
	require.Contains(t, s.run(append(e, "export", "--file", file, "--resume")...).stderr, "is whole")
	require.Contains(t, s.ok("backup", "verify", file).stdout, "whole: an export of cluster")

	// A file that was cut off is refused with the place, and resumed to the same values.
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	cut := filepath.Join(s.dir, "cut.export")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-20], 0o600))
	r := s.run("backup", "verify", cut)
	require.EqualValues(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "the file ends there")
	r = s.run(append(e, "import", cut)...)
	require.EqualValues(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "nothing was written")
	r = s.ok(append(e, "export", "--file", cut, "--resume")...)
	require.Contains(t, r.stderr, "goes on with")
	altered := append([]byte(nil), whole...)
	altered[len(altered)/2] ^= 1
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "bad"), altered, 0o600))
	require.Contains(t, s.run(append(e, "import", filepath.Join(s.dir, "bad"))...).stderr, "is damaged in block")

	// Everything is written again, elsewhere: only what is not there.
	eventually(t, "short has ended", func() bool {
		return s.run(append(e, "get", "short", "-c", "linearizable")...).code == int(exitNotFound)
	})
	s.ok(append(e, "put", "copy/d/0007", "kept")...)
	r = s.ok(append(e, "import", cut, "--prefix", "copy", "--if-absent", "-o", "json")...)
	var report struct{ Read, Written, Present, Expired int }
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &report))
	require.Equal(t, 1, report.Present)
	require.Equal(t, report.Read-1-report.Expired, report.Written)
	require.Contains(t, r.stderr, "import: 100%", "lines in a pipe")
	require.Equal(t, "kept", s.ok(append(e, "get", "copy/d/0007")...).stdout)
	require.Equal(t, large, s.ok(append(e, "get", "copy/large")...).stdout)
	require.Empty(t, s.ok(append(e, "get", "copy/empty")...).stdout)
	require.Contains(t, s.ok(append(e, "get", "copy/bytes", "-o", "json")...).stdout, `"content_type": "x/y"`)
	var entry api.Entry
	require.NoError(t, json.Unmarshal([]byte(s.ok(append(e, "ls", "copy", "--values", "--after", "copy/empty",
		"--limit", "1")...).stdout), &entry))
	require.Equal(t, "copy/ends", entry.Path)
	require.NotEmpty(t, entry.Expires)

	// Through a pipe, and what a node refuses is reported.
	piped := s.ok(append(e, "export", "d", "--file", "-")...)
	s.ok(append(e, "mode", "read-only")...)
	r = s.feed(piped.stdout, append(e, "import", "-", "--timeout", "30s")...)
	require.Contains(t, []int{int(exitFailed), int(exitUnavailable)}, r.code, r.stderr)
	require.Contains(t, r.stderr, "read_only")
	require.Contains(t, r.stdout, "0 written")
	s.ok(append(e, "mode", "normal")...)
	require.Zero(t, s.feed(piped.stdout, append(e, "import", "-")...).code)
}

func TestE2EBackupAndRestore(t *testing.T) {
	s := newSite(t)
	s.founded(1)
	e := []string{"--endpoint", s.endpoint(1)}
	s.fillTree(s.endpoint(1), 50)
	s.ok(append(e, "policy", "strong", "add", "orders/")...)
	etag := func() string {
		var v struct{ ETag string }
		require.NoError(t, json.Unmarshal([]byte(s.ok(append(e, "get", "d/0001", "-o", "json")...).stdout), &v))
		return v.ETag
	}
	before := etag()
	file := filepath.Join(s.dir, "b")
	s.ok(append(e, "backup", file)...)
	require.Contains(t, s.ok("backup", "verify", file, "-o", "json").stdout, `"strong_prefixes"`)
	r := s.run(append(e, "restore", file)...)
	require.EqualValues(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "this is the cluster that the backup was made of")

	// A new cluster at the same address.
	s.ok("stop", "node1")
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "data")))
	s.ok("start", "--wait", "node1")
	eventually(t, "it is founded", func() bool {
		nodes, _ := s.statusOf("node1")
		return nodes[0].VotersAlive == 1
	})
	require.Contains(t, s.ok(append(e, "restore", file)...).stdout, "0 failed")
	require.Contains(t, s.ok(append(e, "policy")...).stdout, "orders/")
	require.NotEqual(t, before, etag())
	r = s.run(append(e, "put", "d/0001", "x", "--if-match", before)...)
	require.EqualValues(t, exitRefused, r.code, "an ETag of the former cluster matches nothing")
	r = s.run(append(e, "restore", file)...)
	require.EqualValues(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "the cluster holds")
	require.Contains(t, s.ok(append(e, "restore", file, "--continue")...).stdout, "0 written")
}
