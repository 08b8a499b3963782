package daemon

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 2 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 8 0 12345 1000 10 18446744073709551615"
	for _, c := range []struct {
		name, text string
		ticks      uint64
		alive, bad bool
	}{
		{"plain", "42 (kvs)" + tail, 12345, true, false},
		{"spaces and parentheses in the name", "42 (a) S (b c)" + tail, 12345, true, false},
		{"zombie", "42 (kvs) Z" + strings.Replace(tail[2:], " 20 0 8 ", " 20 0 1 ", 1), 12345, false, false},
		{"its other threads still end", "42 (kvs) Z" + tail[2:], 12345, true, false},
		{"dying", "42 (kvs) X" + tail[2:], 12345, false, false},
		{"stopped lives", "42 (kvs) T" + tail[2:], 12345, true, false},
		{"cut short", "42 (kvs) S 1 2", 0, false, true},
		{"nothing", "", 0, false, true},
	} {
		ticks, alive, err := parseStat([]byte(c.text))
		require.Equal(t, c.bad, err != nil, c.name)
		require.Equal(t, c.ticks, ticks, c.name)
		require.Equal(t, c.alive, alive, c.name)
	}
}

// sleeper starts a real process that does nothing.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func TestProcTable(t *testing.T) {
	var table ProcTable
	boot, err := table.BootID()
	require.NoError(t, err)
	require.NotEmpty(t, boot)

	cmd := sleeper(t)
	pid := cmd.Process.Pid
	ticks, alive, err := table.StartTicks(pid)
	require.NoError(t, err)
	require.True(t, alive)

	require.ErrorIs(t, table.Signal(pid, ticks+1, syscall.SIGKILL), ErrProcessGone,
		"it is another process than the one meant")
	_, alive, err = table.StartTicks(pid)
	require.NoError(t, err)
	require.True(t, alive)

	require.NoError(t, table.Signal(pid, ticks, syscall.SIGKILL))
	require.Eventually(t, func() bool { // a zombie until Wait below: that is not alive either.
		_, alive, err := table.StartTicks(pid)
		return err == nil && !alive
	}, time.Minute, time.Millisecond)
	require.ErrorIs(t, table.Signal(pid, ticks, syscall.SIGKILL), ErrProcessGone)
	require.Error(t, cmd.Wait())
	_, alive, err = table.StartTicks(pid)
	require.NoError(t, err)
	require.False(t, alive)
	require.ErrorIs(t, table.Signal(pid, ticks, syscall.SIGKILL), ErrProcessGone)
}

// TestChildProcess is not a test: it is the node of TestRealProcesses, run by re-executing the test binary.
func TestChildProcess(t *testing.T) {
	if os.Getenv("KVS_TEST_CHILD") == "" {
		t.Skip("only as a child of TestRealProcesses")
	}
	term := make(chan os.Signal, 1)
	notify(term)
	d := realDaemon(t, "")
	inst := instanceAt(os.Getenv("KVS_TEST_CONFIG"))
	reg, err := d.Register(inst)
	require.NoError(t, err)
	if mark := os.Getenv("KVS_TEST_MARK"); mark != "" {
		f, err := os.OpenFile(mark, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.WriteString("started\n")
		require.NoError(t, err)
	}
	require.NoError(t, reg.Serving("127.0.0.1:1"))
	<-term
	require.NoError(t, reg.Release())
}

type yes struct{}

func (yes) Live(context.Context, *Record) (*Starting, error) { return nil, nil }
func (yes) Health(context.Context, *Record) (Health, error)  { return Health{Ready: true}, nil }

func realDaemon(t *testing.T, home string) *Daemon {
	t.Helper()
	if home == "" {
		home = os.Getenv(HomeVariable)
	}
	h, err := NewHome(home)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	return &Daemon{Home: h, Processes: ProcTable{}, Clock: SystemClock{}, Prober: yes{}, Version: "test",
		Say:      func(string) {},
		Launcher: Exec{Program: exe, Args: []string{"-test.run=^TestChildProcess$", "-test.v"}}}
}

// TestRealProcesses goes through a life with real processes, a real lock and real signals.
func TestRealProcesses(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	inst := instanceAt(filepath.Join(dir, "node1.yaml"))
	mark := filepath.Join(dir, "mark")
	t.Setenv("KVS_TEST_CHILD", "1")
	t.Setenv("KVS_TEST_CONFIG", inst.Config)
	t.Setenv("KVS_TEST_MARK", mark)
	t.Setenv(HomeVariable, filepath.Join(dir, "home"))
	d := realDaemon(t, filepath.Join(dir, "home"))
	ctx := context.Background()
	opts := StartOptions{Timeout: 30 * time.Second}
	t.Cleanup(func() { _, _ = d.Stop(ctx, inst, StopOptions{Timeout: 10 * time.Second, Force: true}) })

	// Eight starts at once, one node.
	var wg sync.WaitGroup
	var fresh atomic.Int32
	pids := make([]int, 8)
	for i := range pids {
		wg.Go(func() {
			s, err := d.Start(ctx, inst, opts)
			if err == nil && !s.Already {
				fresh.Add(1)
			}
			if err == nil {
				pids[i] = s.Record.PID
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, fresh.Load())
	for _, pid := range pids {
		require.Equal(t, pids[0], pid)
		require.NotZero(t, pid)
	}
	b, err := os.ReadFile(mark)
	require.NoError(t, err)
	require.Equal(t, "started\n", string(b))
	_, held, err := d.Home.tryLock(inst.Key())
	require.NoError(t, err)
	require.True(t, held, "the child holds the lock it inherited")
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pids[0]) + "/stat")
	require.NoError(t, err)
	_, fields, _ := strings.Cut(string(stat), ") ")
	require.Equal(t, strconv.Itoa(pids[0]), strings.Fields(fields)[3], "it leads a session of its own")
	cwd, err := os.Readlink("/proc/" + strconv.Itoa(pids[0]) + "/cwd")
	require.NoError(t, err)
	require.Equal(t, dir, cwd)

	// It is killed: dead, cleaned up, started again.
	require.NoError(t, syscall.Kill(pids[0], syscall.SIGKILL))
	require.Eventually(t, func() bool {
		_, state, err := d.look(inst)
		return err == nil && state == StateDead
	}, time.Minute, time.Millisecond)
	r, err := d.Status(ctx, inst)
	require.NoError(t, err)
	require.Equal(t, StateDead, r.State)
	s, err := d.Start(ctx, inst, opts)
	require.NoError(t, err)
	require.False(t, s.Already)

	// It is stopped: gone, and so is its PID file.
	stopped, err := d.Stop(ctx, inst, StopOptions{Timeout: 20 * time.Second})
	require.NoError(t, err)
	require.True(t, stopped.WasRunning)
	_, err = os.Stat(d.Home.PIDPath(inst))
	require.ErrorIs(t, err, os.ErrNotExist)
	l, held, err := d.Home.tryLock(inst.Key())
	require.NoError(t, err)
	require.False(t, held)
	l.release()
}

// A PID file that points at a living process that is not ours: nothing may happen to it.
func TestRealRecycledPID(t *testing.T) {
	dir := t.TempDir()
	d := realDaemon(t, filepath.Join(dir, "home"))
	require.NoError(t, d.Home.prepare())
	inst := instanceAt(filepath.Join(dir, "node1.yaml"))
	cmd := sleeper(t)
	boot, err := d.Processes.BootID()
	require.NoError(t, err)
	ticks, _, err := d.Processes.StartTicks(cmd.Process.Pid)
	require.NoError(t, err)
	require.NoError(t, writeRecord(d.Home.PIDPath(inst),
		Record{PID: cmd.Process.Pid, StartTicks: ticks - 1, BootID: boot, Config: inst.Config}))
	s, err := d.Stop(context.Background(), inst, StopOptions{Timeout: time.Second, Force: true})
	require.NoError(t, err)
	require.False(t, s.WasRunning)
	_, alive, err := d.Processes.StartTicks(cmd.Process.Pid)
	require.NoError(t, err)
	require.True(t, alive)
}
