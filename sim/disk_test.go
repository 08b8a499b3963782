package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node"
	"kvs/scenarios"
)

func persistOf(id int) node.Persist {
	return node.Persist{ID: node.PersistID(id), Ops: []node.Op{
		{Key: fmt.Sprintf("r/a%02d", id), Value: []byte{byte(id)}}, {Key: fmt.Sprintf("r/b%02d", id), Value: []byte{byte(id)}},
	}}
}

func ignore(node.Persist) {}

// durableCount checks that what is stored is a prefix of persists, each whole, and returns its length.
func durableCount(t *testing.T, d *disk) int {
	t.Helper()
	n := d.store.Keys() / 2
	for id := 1; id <= n; id++ {
		for _, key := range []string{fmt.Sprintf("r/a%02d", id), fmt.Sprintf("r/b%02d", id)} {
			_, found, err := d.store.Get(key)
			require.NoError(t, err)
			require.True(t, found, "%s of %d", key, n)
		}
	}
	require.Equal(t, 2*n, d.store.Keys(), "a persist is there in part")
	return n
}

func TestDiskGroupCommit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := newDisk(time.Millisecond, 3*time.Millisecond)
	_, begun := d.begin(rng)
	require.False(t, begun, "there is nothing to do")
	d.queue(persistOf(1))
	takes, begun := d.begin(rng)
	require.True(t, begun)
	require.GreaterOrEqual(t, takes, time.Millisecond)
	require.LessOrEqual(t, takes, 3*time.Millisecond)
	d.queue(persistOf(2))
	d.queue(persistOf(3))
	_, begun = d.begin(rng)
	require.False(t, begun, "one fsync at a time")
	require.Zero(t, durableCount(t, &d), "nothing is there before the fsync ends")
	upTo, err := d.end(rng, ignore)
	require.NoError(t, err)
	require.EqualValues(t, 1, upTo)
	require.Equal(t, 1, durableCount(t, &d))
	d.slow = s
	takes, begun = d.begin(rng)
	require.True(t, begun)
	require.Greater(t, takes, s)
	upTo, err = d.end(rng, ignore)
	require.NoError(t, err)
	require.EqualValues(t, 3, upTo, "those that waited share one")
}

func TestDiskCrashKeepsAnyPrefix(t *testing.T) {
	kept := map[int]bool{}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := newDisk(time.Millisecond, time.Millisecond)
		for id := 1; id <= 4; id++ {
			d.queue(persistOf(id))
			if id == 2 {
				d.begin(rng)
			}
		}
		seen := 0
		d.crash(rng, func(p node.Persist) { seen++; require.EqualValues(t, seen, p.ID) })
		n := durableCount(t, &d)
		require.Equal(t, seen, n)
		kept[n] = true
		require.Empty(t, d.waiting)
		d.queue(persistOf(1)) // the next run counts from one again.
		_, begun := d.begin(rng)
		require.True(t, begun)
	}
	require.Len(t, kept, 5, "0 to 4 of the four survive, each sometimes")
}

func TestDiskErrors(t *testing.T) {
	for name, breakIt := range map[string]func(*disk){
		"full":  func(d *disk) { d.full = true },
		"error": func(d *disk) { d.errorPPM = chaos.PPMAll },
	} {
		kept := map[int]bool{}
		for seed := range uint64(50) {
			rng := rand.New(rand.NewPCG(seed, 2))
			d := newDisk(time.Millisecond, time.Millisecond)
			d.queue(persistOf(1))
			d.begin(rng)
			_, err := d.end(rng, ignore)
			require.NoError(t, err)
			d.queue(persistOf(2))
			d.queue(persistOf(3))
			d.begin(rng)
			breakIt(&d)
			upTo, err := d.end(rng, ignore)
			require.Error(t, err, name)
			require.EqualValues(t, 1, upTo)
			n := durableCount(t, &d)
			kept[n] = true
			_, begun := d.begin(rng)
			require.False(t, begun, "a broken disk takes no more")
			d.heal()
			d.crash(rng, ignore)
			require.Equal(t, n, durableCount(t, &d), "a crash does not bring back what failed")
		}
		require.Len(t, kept, 3, "what failed may be there, in part or whole")
	}
}

// A disk that is nearly full, and seen to be in time, refuses writes and loses nothing.
func TestGuardedDiskIsReadOnly(t *testing.T) {
	w := still(t, wide)
	w.founders = true
	r := &w.replicas[1]
	w.start(r)
	for range 20 { // until the guard was in time.
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.DiskFull, Nodes: []int{1}}))
		if r.disk.nearlyFull {
			break
		}
	}
	require.Equal(t, node.ModeReadOnly, r.node.Mode())
	require.False(t, r.disk.full)
	w.crash(r)
	w.start(r)
	require.Equal(t, node.ModeReadOnly, r.node.Mode(), "the guard looks at once after a start")
	w.pause(r)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.HealDisks}))
	require.Equal(t, node.ModeReadOnly, r.node.Mode(), "a paused process hears nothing")
	w.resume(r)
	require.Equal(t, node.ModeNormal, r.node.Mode())
}

// An identity is on its disk, and so is what the checkers know of it.
func TestSwappedDisksCarryIdentities(t *testing.T) {
	w := still(t, wide)
	w.founders = true
	var ids [3]node.ID
	for n := 1; n <= 2; n++ {
		w.start(&w.replicas[n])
	}
	for w.heap.len() > 0 && w.heap.items[0].at < s {
		e := w.heap.pop()
		w.now = e.at
		w.happen(e)
	}
	for n := 1; n <= 2; n++ {
		r := &w.replicas[n]
		ids[n] = r.id
		r.shown["a"] = node.Version{TS: node.Timestamp(n)}
		w.crash(r)
	}
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.SwapDisks, Nodes: []int{1, 2}}))
	for n := 1; n <= 2; n++ {
		r := &w.replicas[n]
		w.start(r)
		require.Equal(t, ids[3-n], r.node.ID())
		require.EqualValues(t, 3-n, r.shown["a"].TS)
		for _, m := range r.node.Status().Members {
			require.True(t, m.ID != r.id || m.Addr == address(n) && m.Name == nodeName(n), "it is %s at %s", m.Name, m.Addr)
		}
	}
	require.Empty(t, w.violations)
}

// With persists in flight a crash is ten times as likely as without.
func TestBusyCrashes(t *testing.T) {
	sc, err := scenarios.Load("patterns")
	require.NoError(t, err)
	share := func(busy bool) (torn, crashes int) {
		for seed := uint64(1); seed <= 40; seed++ {
			d := Draw(seed, sc)
			d.Disk.Busy = busy
			w := newWorld(Options{Seed: seed, Scenario: &d})
			w.live()
			torn, crashes = torn+w.stats.torn, crashes+w.stats.crashes
		}
		return torn, crashes
	}
	torn, crashes := share(false)
	busyTorn, busyCrashes := share(true)
	require.Equal(t, crashes, busyCrashes, "each comes, if later")
	require.Greater(t, busyTorn, 3*torn)
	require.Less(t, busyTorn, busyCrashes, "some still hit a quiet moment")
	t.Logf("of %d crashes %d hit persists in flight, and %d when they look for them", crashes, torn, busyTorn)
}
