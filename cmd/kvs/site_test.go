package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/ports"
	"kvs/node/daemon"
)

// site is one user's machine: a home of its own, and a folder for configurations.
type site struct {
	t         *testing.T
	home, dir string
	base      int // port of node1.
}

func newSite(t *testing.T) *site {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	s := &site{t: t, home: filepath.Join(root, "home"), dir: filepath.Join(root, "cluster")}
	require.NoError(t, os.MkdirAll(s.home, 0o700))
	require.NoError(t, os.MkdirAll(s.dir, 0o700))
	t.Cleanup(func() {
		if t.Failed() {
			s.showLogs()
		}
		r := s.run("stop", "--all", "--force")
		if r.code != 0 {
			t.Errorf("cleaning up: %s", r.stderr)
		}
	})
	return s
}

func (s *site) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(s.home, ".kvs", "logs", "*.log"))
	for _, path := range logs {
		tail, _, err := daemon.Tail(path, 0, 30)
		s.t.Logf("%s (%v):\n%s", filepath.Base(path), err, tail)
	}
}

type result struct {
	stdout, stderr string
	code           int
}

func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir = s.dir
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); name != "HOME" && name != daemon.HomeVariable &&
			name != endpointsVariable {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+s.home)
	return cmd
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// run runs kvs in the configurations' folder.
func (s *site) run(args ...string) result {
	s.t.Helper()
	return finish(s.t, s.command(args...))
}

// ok is run where nothing else than success will do.
func (s *site) ok(args ...string) result {
	s.t.Helper()
	r := s.run(args...)
	require.Zero(s.t, r.code, "kvs %s\nstdout: %s\nstderr: %s", strings.Join(args, " "), r.stdout, r.stderr)
	return r
}

// init writes n configurations on free ports.
func (s *site) init(n int) {
	s.t.Helper()
	s.base = freePorts(s.t, n)
	s.ok("init", "--nodes", strconv.Itoa(n), "--dir", s.dir, "--base-port", strconv.Itoa(s.base))
}

// edit changes one setting of a configuration.
func (s *site) edit(file, from, to string) {
	s.t.Helper()
	path := filepath.Join(s.dir, file)
	text, err := os.ReadFile(path)
	require.NoError(s.t, err)
	require.Contains(s.t, string(text), from)
	require.NoError(s.t, os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
}

func (s *site) endpoint(i int) string { return fmt.Sprintf("127.0.0.1:%d", s.base+i-1) }

// freePorts finds n ports in a row that are free for TCP and for UDP.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	base, err := ports.Free(n)
	require.NoError(t, err)
	return base
}

// statusOf is what status -o json says.
func (s *site) statusOf(args ...string) ([]nodeJSON, result) {
	s.t.Helper()
	r := s.run(append([]string{"status", "-o", "json"}, args...)...)
	var nodes []nodeJSON
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &nodes), "%+v", r)
	return nodes, r
}

// eventually waits for a condition that other processes bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 20*time.Millisecond, what)
}

// filesIn lists the files in a folder of the kvs home.
func (s *site) filesIn(sub string) []string {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.home, ".kvs", sub))
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(s.t, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func alive(pid int) bool {
	_, alive, err := daemon.ProcTable{}.StartTicks(pid)
	return err == nil && alive
}
