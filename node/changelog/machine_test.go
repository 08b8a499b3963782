package changelog

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/step/steptest"
)

// rig is a machine alone on a bench. A step of it is durable at once, unless a crash loses it.
type rig struct {
	t *testing.T
	*steptest.Bench
	m   *Machine
	got []contract.Changed
}

func newRig(t *testing.T, places, bytes int) *rig {
	r := &rig{t: t, Bench: steptest.New(t, 1)}
	r.Tuning.ChangesMax, r.Tuning.ChangesBytesMax = places, bytes
	r.Boots = 0
	r.restart()
	return r
}

// restart begins a run of the machine on the disk.
func (r *rig) restart() {
	r.Boots++
	r.m = New(r.Shared)
	r.step(func() {
		require.NoError(r.t, r.m.Recover())
		r.m.Begin()
	})
}

// step runs f as a step, whose persist becomes durable.
func (r *rig) step(f func()) {
	r.t.Helper()
	r.Eff = &contract.Effects{}
	f()
	r.m.Finish()
	r.got = append(r.got, r.Eff.Changed...)
	if len(r.Changes) == 0 {
		return
	}
	r.Persists++
	require.NoError(r.t, r.Disk.Apply(r.Changes))
	r.Changes, r.Durable = nil, r.Persists
	r.Eff = &contract.Effects{}
	r.m.BecameDurable(r.Durable)
	r.got = append(r.got, r.Eff.Changed...)
}

func (r *rig) write(paths ...string) {
	r.t.Helper()
	r.step(func() {
		for _, p := range paths {
			r.m.Wrote(p)
		}
	})
}

// told is what the world has been told since the last call, one text a part.
func (r *rig) told() (out []string) {
	for _, c := range r.got {
		name := "log"
		if c.Log == 0 {
			name = "none"
		}
		out = append(out, fmt.Sprintf("%s %d %v from %d", name, c.First, c.Paths, c.Oldest))
	}
	r.got = nil
	return out
}

func (r *rig) keys() (n int) {
	require.NoError(r.t, r.Disk.Scan(schema.PrefixChange, "", func(string, []byte) bool { n++; return true }))
	return n
}

// While there is no watcher nothing is written, and a log goes on after a restart.
func TestLog(t *testing.T) {
	r := newRig(t, 8, 1<<20)
	r.write("a")
	require.Empty(t, r.told())
	require.Zero(t, r.keys())

	r.step(func() { r.m.Watching(true) })
	r.write("a")
	r.write("b", "c")
	require.Equal(t, []string{"log 1 [] from 1", "log 1 [a] from 1", "log 2 [b c] from 1"}, r.told())
	log := r.m.log

	r.restart()
	r.write("d")
	require.Equal(t, []string{"log 1 [a] from 1", "log 2 [b c] from 1", "log 4 [d] from 1"}, r.told())
	require.Equal(t, log, r.m.log)
	r.step(func() { r.m.Watching(true) })
	require.Empty(t, r.told(), "there is one already")

	r.step(func() { r.m.Watching(false) })
	require.Equal(t, []string{"none 0 [] from 0"}, r.told())
	r.write("e")
	r.restart()
	require.Empty(t, r.told())
	r.Now.Mono += time.Hour
	r.step(func() { r.m.Tick() })
	require.Zero(t, r.keys(), "former logs are dropped")
	require.Zero(t, r.m.Due())

	r.step(func() { r.m.Watching(true) })
	r.write("f")
	require.Equal(t, []string{"log 1 [] from 1", "log 1 [f] from 1"}, r.told())
	require.NotEqual(t, log, r.m.log, "positions of the former log say nothing about this one")
}

// A ring of a few places, and one of a few bytes, keep the newest entries, on the disk as well.
func TestBounds(t *testing.T) {
	one := len(encode(0, 1, 1, []string{"p00"}))
	for name, r := range map[string]*rig{"places": newRig(t, 4, 1<<20), "bytes": newRig(t, 100, 4*one+1)} {
		r.step(func() { r.m.Watching(true) })
		for i := range 10 {
			r.write(fmt.Sprintf("p%02d", i))
			require.LessOrEqual(t, r.keys(), 4, name)
		}
		r.told()
		r.restart()
		require.Equal(t, []string{"log 7 [p06] from 7", "log 8 [p07] from 7", "log 9 [p08] from 7",
			"log 10 [p09] from 7"}, r.told(), name)
		r.write("q")
		require.Equal(t, []string{"log 11 [q] from 8"}, r.told(), name)
	}
	r := newRig(t, 4, 1)
	r.step(func() { r.m.Watching(true) })
	r.write("a")
	r.write("b")
	require.Equal(t, 1, r.keys(), "the last one is always kept")
}

// A run that writes no log, as that of an older program, ends it: a token must not reach back over it.
func TestRunWithoutLog(t *testing.T) {
	r := newRig(t, 8, 1<<20)
	r.step(func() { r.m.Watching(true) })
	r.write("a")
	log := r.m.log
	r.told()
	r.Boots++ // the older program's run.
	r.restart()
	require.Empty(t, r.told())
	require.Zero(t, r.m.log)
	r.step(func() { r.m.Watching(true) })
	require.NotEqual(t, log, r.m.log)
}

// A damaged entry ends the log: if it was the last one, its positions would be given out again.
func TestDamagedEntry(t *testing.T) {
	r := newRig(t, 8, 1<<20)
	r.step(func() { r.m.Watching(true) })
	r.write("a")
	r.write("b")
	last := key(1)
	b, found, err := r.Disk.Get(last)
	require.NoError(t, err)
	require.True(t, found)
	rotten := append([]byte(nil), b...)
	rotten[9]++
	require.NoError(t, r.Disk.Apply([]contract.Change{{Key: last, Value: rotten}}))
	r.told()
	r.restart()
	require.Empty(t, r.told())
	require.Zero(t, r.m.log)
}

// A ring of another size is another log: the newest entries may have no place in it, and their positions must not be
// given out again.
func TestResized(t *testing.T) {
	for _, places := range []int{1, 7, 9, 100} {
		r := newRig(t, 8, 1<<20)
		r.step(func() { r.m.Watching(true) })
		for i := range 11 {
			r.write(fmt.Sprint(i))
		}
		r.told()
		log := r.m.log
		r.Tuning.ChangesMax = places
		r.restart()
		require.Empty(t, r.told())
		r.step(func() { r.m.Watching(true) })
		require.NotEqual(t, log, r.m.log)
		for i := range 30 {
			r.write(fmt.Sprint(i))
			r.Now.Mono += time.Second
			r.step(func() { r.m.Tick() })
		}
		require.Equal(t, min(places, 30), r.keys())
		r.told()
		r.restart()
		told := r.told()
		require.Equal(t, "log 30 [29] from "+fmt.Sprint(31-min(places, 30)), told[len(told)-1])
	}
}
