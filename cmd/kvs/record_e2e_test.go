package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/profile"
	"kvs/node/recorder"
	"kvs/node/relive"
)

// recorded runs kvs debug record as the administrator, and returns the file and what comes of running it again.
func (s *site) recorded(name string, args ...string) ([]byte, *relive.Result) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	cmd := s.command(append([]string{"debug", "record", "--last", "1h", "--file", file}, args...)...)
	cmd.Env = append(cmd.Environ(), "KVS_CA="+filepath.Join(s.dir, "certs", "ca.crt"),
		"KVS_TOKEN_FILE="+filepath.Join(s.dir, "admin", "token"))
	r := finish(s.t, cmd)
	require.Zero(s.t, r.code, r.stderr)
	require.Equal(s.t, file+"\n", r.stdout)
	info, err := os.Stat(file)
	require.NoError(s.t, err)
	require.Equal(s.t, os.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(file)
	require.NoError(s.t, err)
	build := recorder.Build{Toolchain: runtime.Version()}
	res, err := relive.Run(bytes.NewReader(content), relive.Options{Build: build})
	require.NoError(s.t, err)
	require.Nil(s.t, res.Differs, "%v", res.Differs)
	require.NoError(s.t, res.Torn)
	require.NotZero(s.t, res.Effects)
	return content, res
}

// writeSecrets writes values through one member in every way that there is.
func (s *site) writeSecrets(c *client.Client) {
	s.t.Helper()
	value := func(size int) []byte { return bytes.Repeat([]byte("secret-value."), size/13+1)[:size] }
	for level := node.Eventual; level <= node.Linearizable; level++ {
		for i, size := range []int{13, 40, 100_000, 900_000} {
			path := fmt.Sprintf("app/%s-%d", level, i)
			_, err := c.Put(s.t.Context(), path, level, value(size), "text/plain")
			require.NoError(s.t, err)
			_, err = c.Put(s.t.Context(), path, level, value(size+1), "text/plain")
			require.NoError(s.t, err)
			_, err = c.Get(s.t.Context(), path, level)
			require.NoError(s.t, err)
			_, err = c.PutFor(s.t.Context(), path+"-short", level, client.Condition{}, time.Second, value(size), "")
			require.NoError(s.t, err)
			if i%2 == 0 {
				_, err = c.Delete(s.t.Context(), path, level)
				require.NoError(s.t, err)
			}
		}
	}
	text := string(value(50))
	results, err := c.Batch(s.t.Context(), []api.BatchOperation{
		{Op: api.BatchPut, Path: "app/batched", Text: &text, IdempotencyKey: "secret-key", Consistency: "linearizable"},
		{Op: api.BatchPut, Path: "app/batched2", Text: &text}, {Op: api.BatchGet, Path: "app/linearizable-1"},
	})
	require.NoError(s.t, err)
	for i := range results {
		require.NoError(s.t, client.ResultError(&results[i]))
	}
}

// requested is the value that a request of a recording puts under a path.
func requested(t *testing.T, recording []byte, path string) []byte {
	t.Helper()
	r := recorder.NewReader(bytes.NewReader(recording))
	for {
		rec, err := r.Next()
		require.NoError(t, err, "no such request")
		if rec.Step == nil {
			continue
		}
		if q, is := rec.Step.Input.(*node.Request); is && q.Op == node.OpPut && q.Path == path {
			return q.Value
		}
	}
}

// A recording of a secure node is for administrators. One with hashes has nothing of a value in it, from whichever
// member and in whatever way it came, and is relived: from a node that runs, and after its end.
func TestE2ERecord(t *testing.T) {
	s := newSite(t)
	s.initSecure(2)
	for i := 1; i <= 2; i++ {
		s.edit(fmt.Sprintf("node%d.yaml", i), "ring_bytes_max: 0B", "ring_bytes_max: 256MiB")
	}
	s.ok("start", "--wait", "node1", "node2")
	s.awaitMembers(2)
	eventually(t, "the cluster is founded", func() bool {
		nodes, _ := s.statusOf("node1")
		return nodes[0].VotersAlive == 2
	})
	connect := func(tokenFile string) *client.Client {
		p := profile.Profile{CA: filepath.Join(s.dir, "certs", "ca.crt"), TokenFile: tokenFile}
		o := client.DefaultOptions(s.endpoint(1))
		var err error
		o.TLS, o.Token, err = p.Credentials()
		require.NoError(t, err)
		c, err := client.New(o)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	admin := connect(filepath.Join(s.dir, "admin", "token"))
	s.writeSecrets(admin)
	eventually(t, "the last write reaches node2", func() bool {
		return s.run(s.asAdmin(2, "get", "app/batched2")...).code == 0
	})

	app := filepath.Join(s.dir, "app.token")
	r := s.ok(s.asAdmin(1, "token", "create", "--name", "app", "--allow", "read,write,list:app/")...)
	require.NoError(t, os.WriteFile(app, []byte(r.stdout), 0o600))
	for _, hash := range []bool{false, true} {
		_, err := connect(app).Recording(t.Context(), time.Hour, hash)
		var refused *client.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, api.NotAllowed, refused.Code)
	}
	token := strings.Split(strings.TrimSpace(r.stdout), ".")[2]
	for _, name := range []string{"node1", "node2"} {
		values, _ := s.recorded(name+"-values", name)
		require.True(t, bytes.Contains(values, []byte("secret")), "the alarm rings")
		hashes, res := s.recorded(name+"-hashes", name, "--hash-values")
		require.False(t, bytes.Contains(hashes, []byte("secret")))
		require.False(t, bytes.Contains(hashes, []byte(token)))
		require.True(t, bytes.Contains(hashes, []byte("app/quorum-3")), "keys stay")
		require.Equal(t, res.Steps, res.Head.Hashed.Steps)
		require.Equal(t, res.Effects, res.Head.Hashed.Effects)
		require.Empty(t, res.Head.Hashed.Ended)
	}
	first, err := os.ReadFile(filepath.Join(s.dir, "node1-hashes"))
	require.NoError(t, err)
	again, _ := s.recorded("again", "node1", "--hash-values")
	hash, other := requested(t, first, "app/batched2"), requested(t, again, "app/batched2")
	require.Len(t, other, len(hash))
	require.NotEqual(t, hash, other, "each file has a salt of its own")

	s.killNode("node2")
	eventually(t, "it is gone", func() bool {
		nodes, _ := s.statusOf("node2")
		return nodes[0].State == "dead"
	})
	hashes, _ := s.recorded("crashed", "node2", "--hash-values")
	require.False(t, bytes.Contains(hashes, []byte("secret")))
}
