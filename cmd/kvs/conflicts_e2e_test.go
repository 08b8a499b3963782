package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

// Three daemons whose clocks stand still at the same moment take writes of the same paths at the same time. They settle
// each conflict alike, each shows the same winner, and each has the values that lost.
func TestE2EConflictsAreSettledAlike(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.fixClocks(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	s.awaitMembers(3)

	const rounds = 12
	written := map[string]bool{}
	for i := range rounds {
		path := fmt.Sprintf("conflict/%d", i)
		var all sync.WaitGroup
		for n := 1; n <= 3; n++ {
			value := fmt.Sprintf("%d of node%d", i, n)
			written[value] = true
			all.Go(func() { s.write(n, path, value) })
		}
		all.Wait()
		// With one of the three everywhere, all clocks are at the same timestamp again.
		eventually(t, "all members show one value", func() bool {
			first := s.run("get", path, "--endpoint", s.endpoint(1)).stdout
			return first != "" && s.run("get", path, "--endpoint", s.endpoint(2)).stdout == first &&
				s.run("get", path, "--endpoint", s.endpoint(3)).stdout == first
		})
	}

	var lists [3][]api.Conflict
	settled := func() bool {
		for n := range lists {
			lists[n] = s.conflictsAt(n + 1)
		}
		return len(lists[0]) > 0 && sameDecisions(lists[0], lists[1]) && sameDecisions(lists[0], lists[2])
	}
	for deadline := time.Now().Add(time.Minute); !settled(); {
		require.True(t, time.Now().Before(deadline), "the members have not settled the same conflicts: %+v", lists)
	}
	t.Logf("%d conflicts in force after %d rounds", len(lists[0]), rounds)
	for _, c := range lists[0] {
		require.Len(t, c.Votes, 3)
		for n := 1; n <= 3; n++ {
			shown := s.ok("get", c.Path, "--endpoint", s.endpoint(n)).stdout
			for _, x := range c.Candidates {
				value := s.ok("conflicts", c.Path, "--uuid", x.UUID, "--endpoint", s.endpoint(n)).stdout
				require.True(t, written[value], "%q", value)
				require.Equal(t, x.UUID == c.Winner, value == shown, "node%d shows %q", n, shown)
			}
		}
	}
	require.Contains(t, s.ok("conflicts", "conflict/", "--endpoint", s.endpoint(2)).stdout, "settled, by the rule")

	// What was decided outlives a restart.
	s.ok("restart", "node2")
	require.True(t, sameDecisions(lists[0], s.conflictsAt(2)))
}

func (s *site) write(n int, path, value string) {
	req, err := http.NewRequest(http.MethodPut, "http://"+s.endpoint(n)+"/kv/"+path, bytes.NewReader([]byte(value)))
	if err != nil {
		s.t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode/100 != 2 {
		s.t.Errorf("put %s at node%d: %s, %v", path, n, resp.Status, err)
	}
}

// conflictsAt are those that a node knows and that are in force: nothing was written over them. By path.
func (s *site) conflictsAt(n int) []api.Conflict {
	s.t.Helper()
	var list []api.Conflict
	require.NoError(s.t,
		json.Unmarshal([]byte(s.ok("conflicts", "conflict/", "-o", "json", "--endpoint", s.endpoint(n)).stdout), &list))
	list = slices.DeleteFunc(list, func(c api.Conflict) bool { return s.timestamp(n, c.Path) != c.Timestamp })
	slices.SortFunc(list, func(a, b api.Conflict) int {
		return bytes.Compare([]byte(a.Path+" "+a.Timestamp), []byte(b.Path+" "+b.Timestamp))
	})
	return list
}

// timestamp is that of the version which a node shows.
func (s *site) timestamp(n int, path string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.endpoint(n) + "/kv/" + path)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	return resp.Header.Get(api.HeaderTimestamp)
}

// sameDecisions compares all but when each node learnt of it, and wants everything settled.
func sameDecisions(a, b []api.Conflict) bool {
	return slices.EqualFunc(a, b, func(x, y api.Conflict) bool {
		return x.Settled && y.Settled && x.Path == y.Path && x.Timestamp == y.Timestamp && x.Winner == y.Winner &&
			x.Rule == y.Rule &&
			slices.Equal(x.Candidates, y.Candidates) && slices.Equal(x.Votes, y.Votes)
	})
}

// awaitMembers waits until n nodes see n living members each.
func (s *site) awaitMembers(n int) {
	s.t.Helper()
	eventually(s.t, "the members see each other", func() bool {
		nodes, _ := s.statusOf()
		for _, x := range nodes {
			alive := 0
			for _, m := range x.Members {
				if m.State == "alive" {
					alive++
				}
			}
			if alive != n || x.Mode != "normal" {
				return false
			}
		}
		return len(nodes) == n
	})
}

// fixClocks lets the wall clocks of n nodes stand still at the same moment.
func (s *site) fixClocks(n int) {
	s.t.Helper()
	s.t.Setenv(testFaultsVariable, "1")
	clock := filepath.Join(s.dir, "clock")
	require.NoError(s.t, os.WriteFile(clock, []byte("0 0 0 1893456000000\n"), 0o600)) // 2030-01-01T00:00:00Z
	for i := 1; i <= n; i++ {
		s.edit(fmt.Sprintf("node%d.yaml", i), `test_clock_file: ""`, "test_clock_file: "+clock)
	}
}
