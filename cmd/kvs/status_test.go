package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/daemon"
)

// reportsOfEveryKind holds one line for everything the table can say.
func reportsOfEveryKind() []daemon.Report {
	running := func(name string, pid int, uptime time.Duration) daemon.Report {
		return daemon.Report{
			Name: name, Config: "/etc/kvs/" + name + ".yaml", Log: "/home/.kvs/logs/" + name + "-1.log",
			State: daemon.StateRunning, Uptime: uptime,
			Record: daemon.Record{PID: pid, Address: "127.0.0.1:7001",
				Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Version: "v1"},
		}
	}
	normal := running("node1", 4242, 76*time.Hour)
	normal.Answers = true
	normal.Health = daemon.Health{Ready: true, Mode: "normal", Members: []daemon.Member{{Name: "node1", State: "alive"},
		{Name: "node2", State: "suspect"}, {Name: "node3", State: "left"},
		{Name: "node4", State: "removed"}}}
	offset := int64(-12)
	normal.Health.ClockOffsetMillis = &offset
	syncing := running("node2", 4243, 65*time.Minute)
	syncing.Answers = true
	eta := int64(75)
	syncing.Health = daemon.Health{Mode: "syncing", Reasons: []string{"bootstrap 10 %"},
		Bootstrap: &daemon.Bootstrap{Phase: "pulling", KeysDone: 10, KeysTotal: 90, BytesDone: 5 << 20,
			BytesTotal: 50 << 20, Rate: 3 << 18, ETASeconds: &eta}}
	silent := running("node3", 4244, 61*time.Second)
	silent.Detail = "it runs but does not answer: timeout"
	starting := running("node4", 4245, 0)
	starting.Record.Address, starting.Detail = "", "it is starting and does not serve yet"
	dead := running("node5", 4246, 0)
	dead.State, dead.Detail = daemon.StateRecycled, "process 4246 is gone and its number ..."
	stopped := daemon.Report{Name: "node6", Config: "/etc/kvs/node6.yaml", Log: "/x", State: daemon.StateStopped}
	corrupt := daemon.Report{Name: "node7-0a1b2c3d", State: daemon.StateCorrupt, Detail: "the PID file is corrupt"}
	unknown := daemon.Report{Name: "node8-0a1b2c3d", State: daemon.StateUnknown,
		Detail: "the PID file was written by another version of kvs"}
	return []daemon.Report{normal, syncing, silent, starting, dead, stopped, corrupt, unknown}
}

var away = []unreachable{{daemon.Member{Name: "node9", State: "dead", Address: "10.0.0.9:7001"}, "node1"}}

func TestStatusTable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeStatusTable(&out, reportsOfEveryKind(), away))
	golden(t, "status.txt", out.String())
}

func TestStatusJSON(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeStatusJSON(&out, reportsOfEveryKind(), away))
	golden(t, "status.json", out.String())
	out.Reset()
	require.NoError(t, writeStatusJSON(&out, nil, nil))
	require.Equal(t, "[]\n", out.String())
}

func TestStatusCode(t *testing.T) {
	of := func(states ...daemon.State) (out []daemon.Report) {
		for _, s := range states {
			out = append(out, daemon.Report{State: s})
		}
		return out
	}
	for _, c := range []struct {
		reports []daemon.Report
		want    exitCode
	}{
		{nil, exitNotRunning},
		{of(daemon.StateRunning), exitOK},
		{of(daemon.StateRunning, daemon.StateRunning), exitOK},
		{of(daemon.StateRunning, daemon.StateStopped), exitNotRunning},
		{of(daemon.StateStopped, daemon.StateDead, daemon.StateRunning), exitFailed},
		{of(daemon.StateRecycled), exitFailed},
		{of(daemon.StateRebooted), exitFailed},
		{of(daemon.StateCorrupt), exitFailed},
		{of(daemon.StateRunning, daemon.StateUnknown, daemon.StateStopped), exitFailed},
	} {
		require.Equal(t, c.want, statusCode(c.reports), "%v", c.reports)
	}
}

// Members that are dead to those that run do not vanish, those that left and those of this machine are not told twice.
func TestUnreachableMembers(t *testing.T) {
	reports := []daemon.Report{
		{Name: "node1", State: daemon.StateRunning, Record: daemon.Record{Address: "h:1"},
			Health: daemon.Health{Members: []daemon.Member{
				{Name: "node1", State: "alive", Address: "h:1"}, {Name: "node4", State: "dead", Address: "h:4"},
				{Name: "node2", State: "dead", Address: "h:2"},
				{Name: "node3", State: "left", Address: "h:3"}, {Name: "node5", State: "dead", Address: "h:5"},
				{Name: "node6", State: "suspect", Address: "h:6"},
			}}},
		{Name: "node5", State: daemon.StateStopped},
		{Name: "node7", State: daemon.StateRunning,
			Health: daemon.Health{Members: []daemon.Member{{Name: "node2", State: "dead", Address: "h:2"}}}},
	}
	got := unreachableMembers(reports)
	require.Len(t, got, 2)
	require.Equal(t, "node2", got[0].Name)
	require.Equal(t, "node1", got[0].by)
	require.Equal(t, "node4", got[1].Name)
}

// A node that waits for members that it has never met says so, and why: the table shows "(waiting)" alone.
func TestStatusOfANodeThatWaits(t *testing.T) {
	b := newBench(t)
	r := daemon.Report{Name: "node1", State: daemon.StateRunning, Answers: true, Health: daemon.Health{
		Mode: "normal", Reasons: []string{"1 of 3 expected members, the cluster is not founded", "seed a:1: silent"},
		Bootstrap: &daemon.Bootstrap{Phase: "waiting"}, Warnings: []string{"seed a:1: silent"},
	}}
	b.app.sayWhatIsMissing([]daemon.Report{r}, nil)
	require.Equal(t, "node1 is not ready: 1 of 3 expected members, the cluster is not founded; seed a:1: silent\n",
		b.err.String())
	b = newBench(t)
	r.Health.Bootstrap.Phase = "pulling"
	b.app.sayWhatIsMissing([]daemon.Report{r}, nil)
	require.Equal(t, "node1: seed a:1: silent\n", b.err.String())
}

func TestStatusOfNothing(t *testing.T) {
	b := newBench(t)
	require.EqualValues(t, exitNotRunning, execute(b.app, []string{"status"}))
	require.Empty(t, b.out.String())
	require.Contains(t, b.err.String(), "no node of this user runs")

	b = newBench(t)
	require.EqualValues(t, exitNotRunning, execute(b.app, []string{"status", "-o", "json"}))
	require.Equal(t, "[]\n", b.out.String())

	b = newBench(t)
	require.EqualValues(t, exitNotRunning, execute(b.app, []string{"status", "nosuch"}))
	require.Contains(t, b.err.String(), "no such configuration")

	b = newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), nil, 0o600))
	require.EqualValues(t, exitNotRunning, execute(b.app, []string{"status", "node1"}))
	require.Contains(t, b.out.String(), "stopped")
}

func TestStatusBesideAForeignPIDFile(t *testing.T) {
	b := newBench(t)
	_, _, done := foreground(t, b)
	d, err := b.app.daemon(func(string) {})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(d.Home.Dir(), "pids", "zzz-00000000.pid"), []byte(`{"format": 2}`),
		0o600))
	other := newBench(t)
	other.app.daemon = b.app.daemon
	require.EqualValues(t, exitFailed, execute(other.app, []string{"status"}))
	require.Regexp(t, `(?m)^node1 +running `, other.out.String())
	require.Regexp(t, `(?m)^zzz-00000000 +unknown `, other.out.String())
	require.Contains(t, other.err.String(), "another version of kvs")
	b.signals <- os.Interrupt
	require.Zero(t, done())
}

func TestStopOfNothing(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), nil, 0o600))
	require.Zero(t, execute(b.app, []string{"stop", "node1", "node1.yaml"}))
	require.Equal(t, "node1: not running\n", b.out.String(), "two names, one node")
	b = newBench(t)
	require.Zero(t, execute(b.app, []string{"stop", "--all"}))
	require.Contains(t, b.err.String(), "no node of this user runs")
}

// oneProcess is a process table with process 77 in it, until it gets a signal.
type oneProcess struct{ gone bool }

func (p *oneProcess) BootID() (string, error) { return "boot", nil }

func (p *oneProcess) StartTicks(pid int) (uint64, bool, error) { return 5, pid == 77 && !p.gone, nil }

func (p *oneProcess) Signal(int, uint64, syscall.Signal) error {
	p.gone = true
	return nil
}

// The process is gone, and its PID file is not: it did not end in good order, and whoever stopped it is told.
func TestStopOfANodeThatDoesNotEndInGoodOrder(t *testing.T) {
	for _, c := range []struct {
		args []string
		code exitCode
		want string
	}{
		{[]string{"stop", "node1"}, exitFailed, "node1: ended, pid 77 is gone"},
		{[]string{"stop", "--force", "node1"}, exitOK, "node1: killed, pid 77 is gone"},
		{[]string{"restart", "node1"}, exitFailed, "node1: ended, pid 77 is gone"}, // this bench launches nothing.
	} {
		b := newBench(t)
		path := filepath.Join(b.dir, "node1.yaml")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		d, err := b.app.daemon(func(line string) { b.app.say("%s", line) })
		require.NoError(t, err)
		d.Processes = &oneProcess{}
		b.app.daemon = func(func(string)) (*daemon.Daemon, error) { return d, nil }
		inst, _, err := b.app.resolve("node1")
		require.NoError(t, err)
		for _, folder := range []string{"pids", "locks"} {
			require.NoError(t, os.MkdirAll(filepath.Join(d.Home.Dir(), folder), 0o700))
		}
		record := `{"format":1,"pid":77,"start_ticks":5,"boot_id":"boot","name":"node1","config":"` + path +
			`","address":"127.0.0.1:7001"}`
		require.NoError(t, os.WriteFile(d.Home.PIDPath(inst), []byte(record), 0o600))
		require.EqualValues(t, c.code, execute(b.app, c.args), "%v", c.args)
		require.Contains(t, b.out.String(), c.want)
		require.NoFileExists(t, d.Home.PIDPath(inst))
		if c.code == exitOK {
			require.Empty(t, b.err.String())
			continue
		}
		require.Contains(t, b.err.String(), "did not end in good order")
		require.Contains(t, b.err.String(), "kvs logs "+path)
		if c.args[0] == "restart" {
			require.Contains(t, b.err.String(), "this test launches nothing", "it goes on to start")
		}
	}
}

func TestShortDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 999 * time.Millisecond, "59s": 59 * time.Second, "1m0s": time.Minute, "59m59s": time.Hour - 1,
		"1h0m": time.Hour, "1d0h": 24 * time.Hour, "400d23h": 401*24*time.Hour - 1,
	} {
		require.Equal(t, want, shortDuration(d))
	}
}
