package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/cmd/version"
)

// These tests run the real program: real processes, ports, signals and folders.

var binary string // of kvs, built by TestMain.

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kvs-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "kvs")
	build := exec.Command("go", "build", "-ldflags", "-X kvs/cmd/version.commit=e2e", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build kvs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func TestE2ELife(t *testing.T) {
	s := newSite(t)
	s.init(3)
	require.Equal(t, 3, strings.Count(s.ok("start", "--wait", "node1", "node2.yaml", "./node3.yaml").stdout,
		"started, pid"))
	r := s.ok("start", "node1.yaml")
	require.Contains(t, r.stdout, "already running")

	// The table fills up as the members find each other.
	var pids []int
	eventually(t, "three members see each other", func() bool {
		nodes, r := s.statusOf()
		require.Zero(t, r.code, r.stderr)
		require.Len(t, nodes, 3)
		pids = nil
		for i, n := range nodes {
			require.Equal(t, fmt.Sprintf("node%d", i+1), n.Name)
			require.Equal(t, "running", n.State)
			require.Equal(t, s.endpoint(i+1), n.Address)
			require.Equal(t, version.Number+"+e2e", n.Version)
			require.True(t, alive(n.PID))
			pids = append(pids, n.PID)
			if len(n.Members) != 3 || n.Mode != "normal" {
				return false
			}
			for _, m := range n.Members {
				if m.State != "alive" {
					return false
				}
			}
		}
		return true
	})
	table := s.ok("status").stdout
	require.Equal(t, 3, strings.Count(table, "3/3 alive"), table)
	require.Equal(t, 3, strings.Count(s.ok("members", "-e", s.endpoint(2)).stdout, "alive"))

	// A value written at one node is read at another.
	require.Equal(t, "created greetings/hello\n",
		s.ok("put", "greetings/hello", "hi there", "--endpoint", s.endpoint(1)).stdout)
	eventually(t, "the write arrives", func() bool {
		r := s.run("get", "greetings/hello", "--endpoint", s.endpoint(3))
		require.Contains(t, []int{0, int(exitNotFound)}, r.code, r.stderr)
		return r.stdout == "hi there"
	})
	require.Equal(t, "greetings/\n", s.ok("ls", "-e", s.endpoint(3)).stdout)
	require.Equal(t, "greetings/hello\n", s.ok("ls", "greetings", "-e", s.endpoint(3)).stdout)

	// One is killed: status says so once, and it starts again with its data.
	require.NoError(t, syscall.Kill(pids[1], syscall.SIGKILL))
	eventually(t, "it is gone", func() bool { return !alive(pids[1]) })
	r = s.run("status", "node2")
	require.EqualValues(t, exitFailed, r.code)
	require.Contains(t, r.stdout, "dead")
	require.Contains(t, r.stderr, "removed its stale PID file")
	r = s.run("status", "node1", "node2")
	require.EqualValues(t, exitNotRunning, r.code, "the PID file is gone now")
	s.ok("start", "node2")
	require.Equal(t, "hi there", s.ok("get", "greetings/hello", "--endpoint", s.endpoint(2)).stdout)

	// Killed again, and started without a status in between.
	nodes, _ := s.statusOf("node2")
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGKILL))
	eventually(t, "it is gone", func() bool { return !alive(nodes[0].PID) })
	r = s.ok("start", "node2")
	require.Contains(t, r.stderr, "removed its stale PID file")

	r = s.ok("restart", "--wait", "node3")
	require.Contains(t, r.stdout, "node3: stopped")
	require.Contains(t, r.stdout, "node3: started")

	nodes, _ = s.statusOf()
	r = s.ok("stop", "node1", "node2", "node3")
	require.Equal(t, 3, strings.Count(r.stdout, "stopped, pid"))
	for _, n := range nodes {
		require.False(t, alive(n.PID))
	}
	require.Empty(t, s.filesIn("pids"))
	require.Len(t, s.filesIn("logs"), 3)
	require.EqualValues(t, exitNotRunning, s.run("status").code)
	require.Contains(t, s.ok("logs", "node1").stdout, "stopping")
	require.Equal(t, "node1: not running\n", s.ok("stop", "node1").stdout)
}

func TestE2EClientExitCodes(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.edit("node1.yaml", "value_bytes_max: 1MiB", "value_bytes_max: 1KiB")
	s.ok("start", "--wait", "node1")
	e := s.endpoint(1)
	r := s.run("get", "no/such/key", "-e", e)
	require.EqualValues(t, exitNotFound, r.code, r.stderr)
	require.Empty(t, r.stdout)
	require.Contains(t, r.stderr, "no/such/key")
	r = s.run("put", "big", "-", "-e", e)
	require.Zero(t, r.code, "an empty value is a value: %s", r.stderr)

	cmd := s.command("put", "too/big", "-", "-e", e)
	cmd.Stdin = strings.NewReader(strings.Repeat("x", 1<<10+1))
	r = finish(t, cmd)
	require.EqualValues(t, exitRefused, r.code, r.stderr)
	require.Contains(t, r.stderr, "value_too_large")

	raw := "\x00\xff\r\n"
	cmd = s.command("put", "raw", "-", "-e", e)
	cmd.Stdin = strings.NewReader(raw)
	require.Zero(t, finish(t, cmd).code)
	require.Equal(t, raw, s.ok("get", "raw", "-e", e).stdout)
	s.ok("delete", "raw", "-e", e)
	require.EqualValues(t, exitNotFound, s.run("get", "raw", "-e", e).code)

	s.ok("stop", "node1")
	for _, args := range [][]string{{"get", "a"}, {"put", "a", "v"}, {"members"}} {
		r = s.run(append(args, "-e", e, "--timeout", "2s")...)
		require.EqualValues(t, exitUnavailable, r.code, "%v: %s", args, r.stderr)
		require.Contains(t, r.stderr, e)
	}
}

func TestE2EPortInUse(t *testing.T) {
	s := newSite(t)
	s.init(1)
	l, err := net.Listen("tcp", s.endpoint(1))
	require.NoError(t, err)
	defer l.Close()
	r := s.run("start", "node1")
	require.EqualValues(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "node1 did not start")
	require.Contains(t, r.stderr, "address already in use")
	require.Empty(t, r.stdout)
	require.Empty(t, s.filesIn("pids"))
}

// A file where the data folder should be stops every user, root included.
func TestE2EUnusableDataFolder(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.edit("node1.yaml", "data_dir: data/node1", "data_dir: node1.yaml/data")
	r := s.run("start", "node1")
	require.EqualValues(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "node1.yaml/data")
	require.Contains(t, r.stderr, "not a directory")
	require.Empty(t, s.filesIn("pids"))
}

// Another kvs on the port answers /livez, but it is not the node that was started.
func TestE2EPortInUseByAnotherNode(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.ok("start", "node1")
	text, err := os.ReadFile(filepath.Join(s.dir, "node1.yaml"))
	require.NoError(t, err)
	other := strings.ReplaceAll(strings.ReplaceAll(string(text), "name: node1", "name: other"), "data/node1",
		"data/other")
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "other.yaml"), []byte(other), 0o600))
	r := s.run("start", "other")
	require.EqualValues(t, exitFailed, r.code, r.stdout)
	require.Contains(t, r.stderr, "address already in use")
	require.Zero(t, s.run("status", "node1").code)
}

func TestE2EWrongConfiguration(t *testing.T) {
	s := newSite(t)
	path := filepath.Join(s.dir, "bad.yaml")
	require.NoError(t, os.WriteFile(path, []byte("name: n\nlistne: 127.0.0.1:7001\n"), 0o600))
	for _, args := range [][]string{{"start", "bad"}, {"bad.yaml"}} {
		r := s.run(args...)
		require.EqualValues(t, exitUsage, r.code)
		require.Contains(t, r.stderr, path+":2:")
		require.Contains(t, r.stderr, "listne")
	}
	require.Empty(t, s.filesIn("logs"), "nothing was launched")
}

// Two of the same name in different folders are two nodes; a name alone reaches the one it can only mean.
func TestE2ESameNameTwice(t *testing.T) {
	a, b := newSite(t), newSite(t)
	b.home = a.home
	a.init(1)
	b.init(1)
	a.ok("start", "node1")
	r := b.run("status", "node1")
	require.EqualValues(t, exitNotRunning, r.code, r.stdout)
	require.Equal(t, "node1: not running\n", b.ok("stop", "node1").stdout)
	require.Zero(t, a.run("status", "node1").code)
	b.ok("start", "node1.yaml")
	nodes, _ := a.statusOf()
	require.Len(t, nodes, 2)
	require.NotEqual(t, nodes[0].Config, nodes[1].Config)
	b.ok("stop", "node1")

	elsewhere := a.command("stop", "node1")
	elsewhere.Dir = t.TempDir()
	r = finish(t, elsewhere)
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, "node1: stopped")
	require.Empty(t, a.filesIn("pids"))
}

// A PID file whose number now belongs to a process that is not ours.
func TestE2ERecycledPID(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.ok("start", "node1")
	pidFile := filepath.Join(s.home, ".kvs", "pids", s.filesIn("pids")[0])
	text, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	nodes, _ := s.statusOf()
	s.ok("stop", "--force", "node1")

	bystander := exec.Command("sleep", "60")
	require.NoError(t, bystander.Start())
	t.Cleanup(func() { _ = bystander.Process.Kill(); _ = bystander.Wait() })
	stale := strings.Replace(string(text), fmt.Sprintf(`"pid": %d`, nodes[0].PID),
		fmt.Sprintf(`"pid": %d`, bystander.Process.Pid), 1)
	require.NotEqual(t, string(text), stale)
	for _, args := range [][]string{{"stop", "--force", "node1"}, {"status", "node1"}, {"start", "node1"}} {
		require.NoError(t, os.WriteFile(pidFile, []byte(stale), 0o600))
		r := s.run(args...)
		require.Equal(t, args[0] == "status", r.code == int(exitFailed), "%v: %+v", args, r)
		require.Contains(t, r.stderr, "a process that is not kvs", "%v", args)
		require.True(t, alive(bystander.Process.Pid), "%v", args)
	}
	require.Zero(t, s.run("status", "node1").code)
}

func TestE2EForeground(t *testing.T) {
	s := newSite(t)
	s.init(1)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := s.command("node1.yaml")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		eventually(t, "it answers", func() bool {
			nodes, _ := s.statusOf("node1")
			return nodes[0].Answers
		})
		require.Contains(t, s.ok("start", "node1").stdout, "already running")
		require.NoError(t, cmd.Process.Signal(sig))
		require.NoError(t, cmd.Wait(), stderr.String())
		require.Empty(t, s.filesIn("pids"))
	}
	cmd := s.command("node1.yaml")
	require.NoError(t, cmd.Start())
	eventually(t, "it answers", func() bool { nodes, _ := s.statusOf("node1"); return nodes[0].Answers })
	require.Contains(t, s.ok("stop", "node1").stdout, "stopped, pid "+strconv.Itoa(cmd.Process.Pid),
		"stop waits for a zombie of ours, too")
	require.NoError(t, cmd.Wait())
}

func TestE2EConcurrentStarts(t *testing.T) {
	s := newSite(t)
	s.init(1)
	results := make([]result, 6)
	var wg sync.WaitGroup
	for i := range results {
		cmd := s.command("start", "node1")
		wg.Go(func() { results[i] = finish(t, cmd) })
	}
	wg.Wait()
	started := 0
	for _, r := range results {
		require.Zero(t, r.code, r.stderr)
		if strings.Contains(r.stdout, "started, pid") {
			started++
		}
	}
	require.Equal(t, 1, started)
}

func TestE2ELogsFollow(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.ok("start", "node1")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := s.command("logs", "-f", "node1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	s.ok("stop", "node1")
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), "stopping") {
		n, err := out.Read(buf)
		require.NoError(t, err, seen.String())
		seen.Write(buf[:n])
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait(), "an interrupted follow is no failure")
}
