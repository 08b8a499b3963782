package daemon

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var patient = StartOptions{Timeout: 10 * time.Second}

// staleCases are the PID files whose process is not ours any more.
var staleCases = []struct {
	name    string
	prepare func(w *world)
	state   State
	message string
}{
	{"dead", func(w *world) { w.write(w.entry(77, 1000)) }, StateDead, "process 77 is gone"},
	{"recycled", func(w *world) {
		w.write(w.entry(77, 1000))
		w.procs[77] = 2000
	}, StateRecycled, "belongs to a process that is not kvs"},
	{"rebooted, number free", func(w *world) {
		w.write(w.entry(77, 1000))
		w.bootID = "boot-2"
	}, StateRebooted, "machine was restarted"},
	{"rebooted, number and ticks in use", func(w *world) {
		w.write(w.entry(77, 1000))
		w.bootID = "boot-2"
		w.procs[77] = 1000
	}, StateRebooted, "machine was restarted"},
	{"corrupt", func(w *world) { w.garble("{\"format\": 1, \"pid\":") }, StateCorrupt, "corrupt"},
	{"empty", func(w *world) { w.garble("") }, StateCorrupt, "corrupt"},
}

func (w *world) garble(text string) {
	require.NoError(w.t, os.WriteFile(w.d.Home.PIDPath(w.inst), []byte(text), 0o600))
}

func TestStatusOfStaleFile(t *testing.T) {
	for _, c := range staleCases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			r, err := w.d.Status(context.Background(), w.inst)
			require.NoError(t, err)
			require.Equal(t, c.state, r.State)
			require.Contains(t, r.Detail, c.message)
			require.Contains(t, w.commentary(), "removed its stale PID file")
			require.False(t, w.pidFileExists())
			require.Empty(t, w.signals)

			r, err = w.d.Status(context.Background(), w.inst)
			require.NoError(t, err)
			require.Equal(t, StateStopped, r.State)
		})
	}
}

func TestStatusAllOfStaleFile(t *testing.T) {
	for _, c := range staleCases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			all, err := w.d.StatusAll(context.Background())
			require.NoError(t, err)
			require.Len(t, all, 1)
			require.Equal(t, c.state, all[0].State)
			require.False(t, w.pidFileExists())
		})
	}
}

// One file that nobody can make sense of hides neither itself nor the nodes beside it, and is left alone.
func TestStatusAllBesideAFileThatIsNotOurs(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"newer format": func(path string) error { return os.WriteFile(path, []byte(`{"format": 2}`), 0o600) },
		"folder":       func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		for _, key := range []string{"aaa-00000000", "zzz-00000000"} { // before and behind the node.
			t.Run(name+" "+key, func(t *testing.T) {
				w := newWorld(t)
				_, err := w.d.Start(context.Background(), w.inst, patient)
				require.NoError(t, err)
				path := w.d.Home.pidPath(key)
				require.NoError(t, prepare(path))
				all, err := w.d.StatusAll(context.Background())
				require.NoError(t, err)
				require.Len(t, all, 2)
				states := map[string]State{all[0].Name: all[0].State, all[1].Name: all[1].State}
				require.Equal(t, map[string]State{w.inst.Name: StateRunning, key: StateUnknown}, states)
				_, err = os.Stat(path)
				require.NoError(t, err)
				known, err := w.d.Known()
				require.NoError(t, err)
				require.Equal(t, []Instance{w.inst}, known)
			})
		}
	}
}

// A copy of a PID file is not a second node.
func TestCopyOfAPIDFile(t *testing.T) {
	w := newWorld(t)
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	content, err := os.ReadFile(w.d.Home.PIDPath(w.inst))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.d.Home.pidPath("foo"), content, 0o600))
	known, err := w.d.Known()
	require.NoError(t, err)
	require.Equal(t, []Instance{w.inst}, known)
	inst, found, err := w.d.Find(t.TempDir(), w.inst.Name)
	require.NoError(t, err, "one node is not ambiguous")
	require.True(t, found)
	require.Equal(t, w.inst, inst)
	all, err := w.d.StatusAll(context.Background())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, StateUnknown, all[0].State)
	require.Contains(t, all[0].Detail, "remove it if it is a copy")
	require.Equal(t, StateRunning, all[1].State)
}

func TestStopOfStaleFileSignalsNobody(t *testing.T) {
	for _, c := range staleCases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			s, err := w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: time.Second, Force: true})
			require.NoError(t, err)
			require.False(t, s.WasRunning)
			require.Empty(t, w.signals)
			require.False(t, w.pidFileExists())
			require.Contains(t, w.commentary(), c.message)
		})
	}
}

func TestStartCleansUpStaleFile(t *testing.T) {
	for _, c := range staleCases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			s, err := w.d.Start(context.Background(), w.inst, patient)
			require.NoError(t, err)
			require.False(t, s.Already)
			require.Equal(t, 501, s.Record.PID)
			require.Empty(t, w.signals)
			require.Contains(t, w.commentary(), c.message)
		})
	}
}

func TestForeignPIDFileIsLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"newer format":  `{"format": 2}`,
		"equal hashes?": `{"format":1,"pid":77,"start_ticks":1,"boot_id":"boot-1","config":"/elsewhere/node1.yaml"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.procs[77] = 1
			w.garble(text)
			_, err := w.d.Start(context.Background(), w.inst, patient)
			require.Error(t, err)
			_, err = w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: time.Second})
			require.Error(t, err)
			_, err = w.d.Status(context.Background(), w.inst)
			require.Error(t, err)
			require.True(t, w.pidFileExists())
			require.Zero(t, w.launches)
			require.Empty(t, w.signals)
		})
	}
}

// A lock that is held means that there is a process, even when the PID file that should name it cannot be read.
func TestCorruptPIDFileOfLivingProcess(t *testing.T) {
	w := newWorld(t)
	w.garble("rubbish")
	w.hold()
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.ErrorContains(t, err, "another process holds")
	_, err = w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: time.Second})
	require.ErrorContains(t, err, "fuser")
	_, err = w.d.Status(context.Background(), w.inst)
	require.NoError(t, err)
	require.True(t, w.pidFileExists())
	require.Zero(t, w.launches)
}

func TestStop(t *testing.T) {
	w := newWorld(t)
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	at := w.now.Add(2500 * time.Millisecond)
	w.onSleep = func() {
		if _, alive := w.procs[501]; alive && !w.now.Before(at) {
			require.NoError(t, os.Remove(w.d.Home.PIDPath(w.inst)))
			delete(w.procs, 501)
		}
	}
	s, err := w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: 10 * time.Second})
	require.NoError(t, err)
	require.True(t, s.WasRunning)
	require.False(t, s.Unclean)
	require.Equal(t, 501, s.PID)
	require.Equal(t, []string{"501 terminated"}, w.signals)
	require.Equal(t, 2, strings.Count(w.commentary(), "waiting for process 501"))

	s, err = w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: time.Second})
	require.NoError(t, err)
	require.False(t, s.WasRunning)
}

// The PID file alone does not end the wait: the process has to be gone.
func TestStopWaitsForTheProcess(t *testing.T) {
	w := newWorld(t)
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	w.onSignal = func(int, syscall.Signal) { require.NoError(t, os.Remove(w.d.Home.PIDPath(w.inst))) }
	_, err = w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: 3 * time.Second})
	require.ErrorContains(t, err, "still runs after 3s")
	require.ErrorContains(t, err, "kvs stop --force")
	require.Equal(t, []string{"501 terminated"}, w.signals, "nothing is killed unasked")
}

// A process removes its PID file before it is gone.
func TestAwaitEndWaitsForTheProcess(t *testing.T) {
	w := newWorld(t)
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	gone := w.now.Add(time.Second)
	w.onSleep = func() {
		if w.pidFileExists() {
			require.NoError(t, os.Remove(w.d.Home.PIDPath(w.inst)))
		}
		if !w.now.Before(gone) {
			delete(w.procs, 501)
		}
	}
	state, err := w.d.AwaitEnd(context.Background(), w.inst)
	require.NoError(t, err)
	require.Equal(t, StateStopped, state)
	require.Empty(t, w.procs)
}

func TestStopForce(t *testing.T) {
	w := newWorld(t)
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	w.onSignal = func(pid int, sig syscall.Signal) {
		if sig == syscall.SIGKILL {
			delete(w.procs, pid)
		}
	}
	s, err := w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: time.Second, Force: true})
	require.NoError(t, err)
	require.True(t, s.WasRunning)
	require.Equal(t, []string{"501 killed"}, w.signals)
	require.False(t, w.pidFileExists(), "a killed process cannot remove its own")
}

// A node that ends in good order removes its PID file last: one that is still there says that it did not.
func TestStopOfANodeThatDoesNotEndInGoodOrder(t *testing.T) {
	w := newWorld(t)
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	w.onSignal = func(pid int, _ syscall.Signal) { delete(w.procs, pid) }
	s, err := w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: time.Second})
	require.NoError(t, err)
	require.True(t, s.WasRunning)
	require.True(t, s.Unclean)
	require.False(t, w.pidFileExists(), "it has been told")
}

// A stop that comes between the launch and the entry waits for the entry: otherwise it would report success and leave a
// node.
func TestStopDuringStart(t *testing.T) {
	w := newWorld(t)
	w.hold()
	pauses := 0
	w.onSleep = func() {
		if pauses++; pauses == 2 {
			w.procs[88] = 5
			w.write(w.entry(88, 5))
		}
	}
	w.onSignal = func(pid int, _ syscall.Signal) { delete(w.procs, pid) }
	s, err := w.d.Stop(context.Background(), w.inst, StopOptions{Timeout: time.Second})
	require.NoError(t, err)
	require.True(t, s.WasRunning)
	require.Equal(t, []string{"88 terminated"}, w.signals)
}

func TestStatusOfRunning(t *testing.T) {
	w := newWorld(t)
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	w.now = w.now.Add(time.Minute)
	w.health.Members = []Member{{Name: "node1", State: "alive"}, {Name: "node2", State: "suspect"}}
	r, err := w.d.Status(context.Background(), w.inst)
	require.NoError(t, err)
	require.Equal(t, StateRunning, r.State)
	require.True(t, r.Answers)
	require.Equal(t, time.Minute, r.Uptime)
	require.Len(t, r.Health.Members, 2)

	w.healthErr = errors.New("connection refused")
	r, err = w.d.Status(context.Background(), w.inst)
	require.NoError(t, err)
	require.Equal(t, StateRunning, r.State)
	require.False(t, r.Answers)
	require.Contains(t, r.Detail, "does not answer")

	w.write(w.entry(501, 9000)) // no address.
	r, err = w.d.Status(context.Background(), w.inst)
	require.NoError(t, err)
	require.Contains(t, r.Detail, "starting")
}

func TestRegister(t *testing.T) {
	w := newWorld(t)
	w.procs[os.Getpid()] = 321
	w.write(w.entry(77, 1000)) // left by one that died.
	reg, err := w.d.Register(w.inst)
	require.NoError(t, err)
	require.Contains(t, w.commentary(), "process 77 is gone")
	rec, state, err := w.d.look(w.inst)
	require.NoError(t, err)
	require.Equal(t, StateRunning, state)
	require.Equal(t, os.Getpid(), rec.PID)
	require.False(t, rec.Serving())

	_, err = w.d.Register(w.inst)
	require.ErrorIs(t, err, ErrRunning)
	require.ErrorContains(t, err, "kvs stop")

	require.NoError(t, reg.Serving("127.0.0.1:7009"))
	rec, _, err = w.d.look(w.inst)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:7009", rec.Address)

	info, err := os.Stat(w.d.Home.PIDPath(w.inst))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, reg.Release())
	require.False(t, w.pidFileExists())
	w.hold() // the lock is free again.
}

// While a status or a stop cleans up it holds the lock for a moment; a node that starts then must not take that for a
// node.
func TestRegisterBesideACleaning(t *testing.T) {
	w := newWorld(t)
	w.procs[os.Getpid()] = 321
	l := w.hold()
	w.onSleep = func() { l.release() }
	reg, err := w.d.Register(w.inst)
	require.NoError(t, err)
	require.NoError(t, reg.Release())
}

func TestHomeThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	file := w.inst.Config
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	home, err := NewHome(file + "/below-a-file")
	require.NoError(t, err)
	w.d.Home = home
	_, err = w.d.Register(w.inst)
	require.ErrorIs(t, err, ErrHome)
	_, err = w.d.Start(context.Background(), w.inst, patient)
	require.ErrorIs(t, err, ErrHome)
	require.ErrorContains(t, err, HomeVariable)
	_, err = NewHome("relative")
	require.ErrorContains(t, err, "not an absolute path")
}
