package disk

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/machine"
)

const s = time.Second

func persistOf(id int) machine.Persist {
	return machine.Persist{ID: machine.PersistID(id), Changes: []machine.Change{
		{Key: fmt.Sprintf("r/a%02d", id), Value: []byte{byte(id)}}, {Key: fmt.Sprintf("r/b%02d", id),
			Value: []byte{byte(id)}},
	}}
}

func ignore(*machine.Persist) {}

// durableCount checks that what is stored is a prefix of persists, each whole, and returns its length.
func durableCount(t *testing.T, d *Disk) int {
	t.Helper()
	n := d.Store.Keys() / 2
	for id := 1; id <= n; id++ {
		for _, key := range []string{fmt.Sprintf("r/a%02d", id), fmt.Sprintf("r/b%02d", id)} {
			_, found, err := d.Store.Get(key)
			require.NoError(t, err)
			require.True(t, found, "%s of %d", key, n)
		}
	}
	require.Equal(t, 2*n, d.Store.Keys(), "a persist is there in part")
	return n
}

func TestDiskGroupCommit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := New(time.Millisecond, 3*time.Millisecond)
	_, begun := d.Begin(rng)
	require.False(t, begun, "there is nothing to do")
	d.Queue(persistOf(1))
	takes, begun := d.Begin(rng)
	require.True(t, begun)
	require.GreaterOrEqual(t, takes, time.Millisecond)
	require.LessOrEqual(t, takes, 3*time.Millisecond)
	d.Queue(persistOf(2))
	d.Queue(persistOf(3))
	_, begun = d.Begin(rng)
	require.False(t, begun, "one fsync at a time")
	require.Zero(t, durableCount(t, &d), "nothing is there before the fsync ends")
	upTo, err := d.End(rng, ignore)
	require.NoError(t, err)
	require.EqualValues(t, 1, upTo)
	require.Equal(t, 1, durableCount(t, &d))
	d.Slow = s
	takes, begun = d.Begin(rng)
	require.True(t, begun)
	require.Greater(t, takes, s)
	upTo, err = d.End(rng, ignore)
	require.NoError(t, err)
	require.EqualValues(t, 3, upTo, "those that waited share one")
}

func TestDiskCrashKeepsAnyPrefix(t *testing.T) {
	kept := map[int]bool{}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := New(time.Millisecond, time.Millisecond)
		for id := 1; id <= 4; id++ {
			d.Queue(persistOf(id))
			if id == 2 {
				d.Begin(rng)
			}
		}
		seen := 0
		d.Crash(rng, func(p *machine.Persist) { seen++; require.EqualValues(t, seen, p.ID) })
		n := durableCount(t, &d)
		require.Equal(t, seen, n)
		kept[n] = true
		require.Empty(t, d.Waiting)
		d.Queue(persistOf(1)) // the next run counts from one again.
		_, begun := d.Begin(rng)
		require.True(t, begun)
	}
	require.Len(t, kept, 5, "0 to 4 of the four survive, each sometimes")
}

func TestDiskErrors(t *testing.T) {
	for name, breakIt := range map[string]func(*Disk){
		"full":  func(d *Disk) { d.full = true },
		"error": func(d *Disk) { d.ErrorPPM = chaos.PPMAll },
	} {
		kept := map[int]bool{}
		for seed := range uint64(50) {
			rng := rand.New(rand.NewPCG(seed, 2))
			d := New(time.Millisecond, time.Millisecond)
			d.Queue(persistOf(1))
			d.Begin(rng)
			_, err := d.End(rng, ignore)
			require.NoError(t, err)
			d.Queue(persistOf(2))
			d.Queue(persistOf(3))
			d.Begin(rng)
			breakIt(&d)
			upTo, err := d.End(rng, ignore)
			require.Error(t, err, name)
			require.EqualValues(t, 1, upTo)
			n := durableCount(t, &d)
			kept[n] = true
			_, begun := d.Begin(rng)
			require.False(t, begun, "a broken disk takes no more")
			d.Heal()
			d.Crash(rng, ignore)
			require.Equal(t, n, durableCount(t, &d), "a crash does not bring back what failed")
		}
		require.Len(t, kept, 3, "what failed may be there, in part or whole")
	}
}

// A disk at which something waits whenever it is looked at is settled after a while: when all that waited at first is
// durable. One that stores nothing never is.
func TestBusyDiskIsSettled(t *testing.T) {
	const look = 50 * time.Millisecond
	rng := rand.New(rand.NewPCG(1, 2))
	d := New(time.Millisecond, time.Millisecond)
	require.True(t, d.Settled(0), "idle")
	id := 0
	queue := func() { id++; d.Queue(persistOf(id)); d.Begin(rng) }
	store := func() { _, err := d.End(rng, ignore); require.NoError(t, err); d.Begin(rng) }
	now := s
	queue()
	for ; now < 2*s; now += look {
		require.False(t, d.Settled(now), "at %s", now)
		queue()
		store()
	}
	require.True(t, d.Settled(now))
	require.False(t, d.Settled(now+s), "it was not asked meanwhile")

	stuck := New(time.Millisecond, time.Millisecond)
	for id := 1; id <= 100; id++ {
		stuck.Queue(persistOf(id))
		require.False(t, stuck.Settled(time.Duration(id)*look))
	}
	d.Broken = true
	for i := range time.Duration(50) {
		require.False(t, d.Settled(10*s+i*look), "it takes no more")
	}
	d.Crash(rng, ignore)
	require.True(t, d.Settled(20*s), "nothing waits")
}
