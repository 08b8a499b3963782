package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// initJoiner writes configurations for n members and for one more, which the others are not told of.
func (s *site) initJoiner(n int) {
	s.t.Helper()
	s.init(n + 1)
	joiner := s.endpoint(n + 1)
	for i := 1; i <= n; i++ {
		path := filepath.Join(s.dir, fmt.Sprintf("node%d.yaml", i))
		text, err := os.ReadFile(path)
		require.NoError(s.t, err)
		shorter := strings.ReplaceAll(strings.ReplaceAll(string(text), ", "+joiner, ""), joiner+", ", "")
		require.NotEqual(s.t, string(text), shorter)
		require.NoError(s.t, os.WriteFile(path, []byte(shorter), 0o600))
	}
}

// put writes by plain HTTP, which is quicker than a process for each value, and says whether it was acknowledged.
func (s *site) put(i int, path string, value []byte) bool {
	req, err := http.NewRequest(http.MethodPut, "http://"+s.endpoint(i)+"/kv/"+path, bytes.NewReader(value))
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusNoContent
}

// content is what a member holds, with versions.
func (s *site) content(i int) string {
	r := s.run("ls", "--recursive", "-o", "json", "-e", s.endpoint(i))
	require.Zero(s.t, r.code, r.stderr)
	return r.stdout
}

// sameContent reports whether the first n members hold the same: the digests of their disks are equal, and what they
// list.
func (s *site) sameContent(n int) bool {
	digests := map[string]bool{}
	nodes, _ := s.statusOf()
	for _, node := range nodes {
		if node.Digest != "" { // it runs.
			digests[node.Digest] = true
		}
	}
	if len(digests) != 1 {
		return false
	}
	first := s.content(1)
	for i := 2; i <= n; i++ {
		if s.content(i) != first {
			return false
		}
	}
	return true
}

// A fourth member joins three while writes run; then one of the three is killed for a while. All end with the same.
func TestE2EAFourthJoinsWhileWritesRun(t *testing.T) {
	s := newSite(t)
	s.initJoiner(3)
	s.edit("node4.yaml", "bootstrap_rate: 32MiB", "bootstrap_rate: 2MiB")
	began := time.Now()
	s.ok("start", "--wait", "node1", "node2", "node3")
	t.Logf("three local nodes were ready after %v", time.Since(began))
	big := bytes.Repeat([]byte("v"), 20_000)
	for i := range 200 {
		require.True(t, s.put(1+i%3, fmt.Sprintf("old/%03d", i), big))
	}
	eventually(t, "three hold the same", func() bool { return s.sameContent(3) })

	var acknowledged atomic.Int64
	var there [500]atomic.Bool
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			default:
				if k := i % len(there); s.put(1+i%3, fmt.Sprintf("new/%d", k), []byte(fmt.Sprint(i))) {
					there[k].Store(true)
					acknowledged.Add(1)
				}
			}
		}
	}()
	s.ok("start", "node4")
	nodes, _ := s.statusOf("node4")
	if nodes[0].Mode == "syncing" { // unless it was very quick.
		r := s.run("get", "old/007", "-e", s.endpoint(4))
		require.Contains(t, []int{0, int(exitUnavailable)}, r.code, r.stderr)
		if r.code == 0 {
			require.Equal(t, string(big), r.stdout, "passed on")
		}
	}
	r := s.ok("start", "--wait", "node4")
	require.Contains(t, r.stdout, "node4: already running")
	require.Contains(t, r.stdout, ", ready")
	require.Contains(t, s.ok("logs", "-n", "1000", "node4").stdout, "bootstrap: done")

	nodes, _ = s.statusOf("node2")
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGKILL))
	before := acknowledged.Load()
	eventually(t, "writes go on without it", func() bool { return acknowledged.Load() > before+200 })
	s.ok("start", "--wait", "node2")
	close(quit)
	<-ended
	eventually(t, "all four hold the same", func() bool { return s.sameContent(4) })
	content := s.content(4)
	require.Equal(t, 200, strings.Count(content, `"path": "old/`))
	for k := range there {
		if there[k].Load() {
			require.Contains(t, content, fmt.Sprintf(`"path": "new/%d"`, k))
		}
	}
}

func TestE2EAStrangerIsRefused(t *testing.T) {
	s := newSite(t)
	s.init(2)
	s.edit("node2.yaml", "cluster: kvs", "cluster: other")
	s.edit("node1.yaml", "bootstrap_wait: 10s", "bootstrap_wait: 0s") // it is alone for a while.
	s.ok("start", "node1")
	r := s.run("start", "node2")
	require.EqualValues(t, exitFailed, r.code, r.stdout)
	require.Contains(t, r.stderr, `belongs to another cluster`)
	require.Contains(t, r.stderr, s.endpoint(1))
	s.edit("node2.yaml", "cluster: other", "cluster: kvs")
	s.ok("start", "--wait", "node2")
}
