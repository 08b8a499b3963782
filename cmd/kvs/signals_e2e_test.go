package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/host/slack"
)

// logOf is the log file of the site's only node.
func (s *site) logOf() string {
	s.t.Helper()
	var logs []string
	eventually(s.t, "there is a log", func() bool { // just when it is set aside there is none.
		var err error
		logs, err = filepath.Glob(filepath.Join(s.home, ".kvs", "logs", "node1-????????.log"))
		require.NoError(s.t, err)
		return len(logs) == 1
	})
	return logs[0]
}

// SIGHUP, from log rotation or from a terminal that closes, ends no node: it reads the log's settings anew.
func TestE2EHangUp(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.ok("start", "--wait", "node1")
	nodes, _ := s.statusOf()
	if ns, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", nodes[0].PID)); err == nil { // root may read it.
		require.Equal(t, fmt.Sprintln(int64(slack.Wanted)), string(ns))
	}
	log := s.logOf()
	require.NoError(t, os.Rename(log, log+".moved"))
	s.edit("node1.yaml", "level: info", "level: debug")
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGHUP))
	eventually(t, "the file is opened anew, at the new level", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "msg=reloaded log_level=debug")
	})
	s.edit("node1.yaml", "name: node1", "nmae: node1")
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGHUP))
	eventually(t, "what is wrong is said", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "the configuration is wrong, or gone")
	})
	s.edit("node1.yaml", "nmae: node1", "name: node1")
	after, _ := s.statusOf()
	require.Equal(t, nodes[0].PID, after[0].PID)
	require.True(t, after[0].Ready)
	s.ok("stop", "node1")
}

// A foreground node whose reader of the log has gone goes on, and ends in good order.
func TestE2EReaderOfTheLogGoes(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.edit("node1.yaml", "level: info", "level: debug")
	cmd := s.command("node1.yaml")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = w, w
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	eventually(t, "it answers", func() bool { return answers(s.endpoint(1), "/readyz") == 200 })
	require.NoError(t, r.Close())
	for range 3 { // each reload writes a line, which nobody reads.
		require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
		require.Equal(t, http.StatusCreated, put(t, s.endpoint(1), fmt.Sprint(time.Now().UnixNano()), 10))
	}
	s.ok("stop", "node1")
	require.NoError(t, cmd.Wait())
	require.Empty(t, s.filesIn("pids"))
}

// A log is set aside while its node runs, has the last words of the process, and kvs logs --follow misses nothing.
func TestE2ELogIsSetAside(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.edit("node1.yaml", "\n  bytes_max: 8MiB", "\n  bytes_max: 64KiB")
	s.edit("node1.yaml", "level: info", "level: debug")
	s.ok("start", "--wait", "node1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	follower := s.command("logs", "--follow", "--lines", "10000", "node1")
	var followed bytes.Buffer
	follower.Stdout = &followed
	require.NoError(t, follower.Start())
	stop := context.AfterFunc(ctx, func() { _ = follower.Process.Kill() })
	defer stop()

	nodes, _ := s.statusOf()
	name := func() string { return strings.TrimSuffix(s.logOf(), ".log") }
	aside := func() []string {
		files, err := filepath.Glob(name() + "-*.log")
		require.NoError(t, err)
		return files
	}
	for len(aside()) < 2 {
		require.NoError(t, ctx.Err())
		require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGHUP))
		answers(s.endpoint(1), "/kv/a")
	}
	// Go writes all stacks to the standard error stream.
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGQUIT))
	eventually(t, "it is gone", func() bool { return !alive(nodes[0].PID) })
	var written []byte
	for _, file := range append(aside(), s.logOf()) { // the time is in their names.
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		written = append(written, text...)
	}
	// The last words are in the newest file, or in the one before where the process ended just as it set it aside.
	require.Contains(t, string(written), "SIGQUIT: quit")
	reloads := strings.Count(string(written), "msg=reloaded")
	require.Greater(t, reloads, 100)
	require.NoError(t, waitForFollower(ctx, follower.Process))
	require.NoError(t, follower.Wait())
	require.Equal(t, reloads, strings.Count(followed.String(), "msg=reloaded"))
	require.Contains(t, followed.String(), "SIGQUIT: quit")
}

// waitForFollower gives a follower some looks at the file, and then ends it as Ctrl-C does.
func waitForFollower(ctx context.Context, p *os.Process) error {
	looks := time.NewTimer(5 * logsPollEvery)
	defer looks.Stop()
	select {
	case <-looks.C:
	case <-ctx.Done():
	}
	return p.Signal(syscall.SIGINT)
}
