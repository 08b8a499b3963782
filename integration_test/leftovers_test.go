package integration_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
)

// left lists what the engine and the machine still have of a process's runs, and the folders of kvsim live in out.
func left(t *testing.T, pid int, out string) (found []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(out, fmt.Sprintf("*-%d-*", pid)))
	require.NoError(t, err)
	for _, line := range [][]string{
		{"docker", "ps", "--all", "--filter", "label=kvs.chaos.run", "--format",
			`{{.Label "kvs.chaos.run"}} {{.Names}}`},
		{"docker", "volume", "ls", "--filter", "label=kvs.chaos.run", "--format",
			`{{.Label "kvs.chaos.run"}} {{.Name}}`},
		{"docker", "network", "ls", "--filter", "label=kvs.chaos.run", "--format",
			`{{.Label "kvs.chaos.run"}} {{.Name}}`},
		{"cat", "/proc/self/mounts"},
		{"iptables", "-w", "5", "-t", "raw", "-S"},
	} {
		out, err := exec.Command(line[0], line[1:]...).Output()
		require.NoError(t, err, line)
		for text := range strings.Lines(string(out)) {
			if strings.Contains(text, fmt.Sprintf(" kvs-%d-", pid)) ||
				strings.HasPrefix(text, fmt.Sprintf("kvs-chaos-%d-", pid)) ||
				strings.HasPrefix(text, fmt.Sprintf("%d-", pid)) {
				found = append(found, text)
			}
		}
	}
	return found
}

// Whatever ends a run, nothing of it stays: a failure cleans up, Ctrl-C is heeded by the run itself, and what a killed
// one leaves goes with the next.
func TestNothingIsLeft(t *testing.T) {
	if missing != nil {
		t.Skipf("NO DOCKER: %v", missing)
	}
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skipf("NO DOCKER COMMAND: %v", err)
	}
	_, err := docker.Start(docker.Options{Nodes: 2, Image: "kvs-chaos-there-is-none:1", Dir: t.TempDir(),
		DiskBytes: docker.DiskBytesMin})
	require.Error(t, err, "without an image")
	require.Empty(t, left(t, os.Getpid(), ""), "a cluster that could not be started")

	dir := t.TempDir()
	for name, source := range map[string]string{"kvs": "kvs/cmd/kvs", "kvsim": "kvs/cmd/kvsim"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	out := filepath.Join(dir, "out")
	plan := filepath.Join(dir, "full.scenario")
	require.NoError(t, os.WriteFile(plan,
		[]byte("scenario full\nnodes 2\nduration 1m\nexpect converged\nplan\n  at 59s disk-full n1\n"), 0o600))
	for _, end := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL} {
		run := exec.Command(filepath.Join(dir, "kvsim"), "live", "--target", "docker", "--kvs",
			filepath.Join(dir, "kvs"),
			"--dockerfile", filepath.Join("..", "Dockerfile"), "--scenario", plan, "--out", out)
		progress, err := run.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, run.Start())
		lines := bufio.NewScanner(progress)
		for lines.Scan() && !strings.Contains(lines.Text(), "clients work") {
		}
		pid := run.Process.Pid
		require.NotEmpty(t, left(t, pid, out), "it runs: %v", lines.Err())
		require.NoError(t, run.Process.Signal(end))
		for lines.Scan() {
		}
		require.Error(t, run.Wait())
		if end == syscall.SIGKILL {
			require.NotEmpty(t, left(t, pid, out), "nobody was there to remove it")
			var removing sync.WaitGroup // as if several processes started at once.
			for range 4 {
				removing.Go(func() { assert.NoError(t, docker.RemoveLeftovers()) })
			}
			removing.Wait()
			require.NoError(t, docker.RemoveFolders(out, "run-"), "as the next kvsim live does")
		}
		require.Empty(t, left(t, pid, out), "%s", end)
	}
}
