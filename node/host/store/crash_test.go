package store

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/journal"
	"kvs/node/host/journal/faultfs"
	"kvs/sim/memstore"
)

// The store under the faults of a disk: journal and memory tables are those of production, over a folder in memory, and
// Badger is replaced by a base that promises what badgerstore promises (badgerstore's own tests hold it to that).

var crashSeeds = flag.Uint64("seeds", 1, "how many runs of the tests TestEvery...")

var everyKeep = []faultfs.Keep{faultfs.KeepNothing, faultfs.KeepAll, faultfs.KeepSome, faultfs.KeepSome}

const (
	worldBatches = 1000
	worldKeys    = 40
)

// world is a run of batches over a disk with faults.
type world struct {
	seed  uint64
	rng   *rand.Rand
	disk  *faultfs.FS
	base  *behind
	store *Store

	model   *memstore.Store // all that was written, one batch after the other.
	states  []string        // the content after each batch; first the empty one.
	acked   int             // batches whose Sync has returned.
	written int             // and whose Write has begun.
	events  int
}

func worldOptions() Options {
	return Options{
		Base: badgerstore.Options{Logger: quiet()}, Journal: journal.Options{SegmentBytes: 8 << 10, SparesMax: 2},
		MemoryBytes: 6 << 10, JournalBytes: 24 << 10, RetryDelay: 1,
	}
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 0x6469736b)), disk: faultfs.New(), base: newBehind(memstore.New()),
		model: memstore.New(), states: []string{""},
	}
	j, err := journal.Create(w.disk, worldOptions().Journal, journal.Identity{byte(seed), 7})
	require.NoError(t, err)
	w.store = newStore(worldOptions(), w.base, j, &memory{})
	return w
}

// reopen is what Open does after a crash.
func reopen(disk *faultfs.FS, base *behind) (*Store, error) {
	m := &memory{}
	j, err := journal.Open(disk, worldOptions().Journal, m.replay)
	if err != nil {
		return nil, err
	}
	return newStore(worldOptions(), base, j, m), nil
}

// step writes a batch, or two with one sync, and lets the flushing go on sometimes.
func (w *world) step() error {
	for range 1 + w.rng.IntN(3)/2 {
		if err := w.write(); err != nil {
			return err
		}
	}
	if err := w.store.Sync(); err != nil {
		return err
	}
	w.acked = w.written
	if w.rng.IntN(2) == 0 {
		w.store.prepareNext()
	}
	if w.rng.IntN(8) == 0 {
		w.store.syncMark()
	}
	if w.store.frozen != nil && w.rng.IntN(3) == 0 {
		w.store.flush()
	}
	return nil
}

// makeRoom flushes when the next Write would wait for it: nothing else runs here that it could wait for.
func makeRoom(s *Store) {
	for s.tooFarBehind() && s.failed == nil && s.full == nil {
		s.flush()
	}
}

func (w *world) write() error {
	changes := make([]node.Change, 1+w.rng.IntN(4), 6)
	for i := range changes {
		changes[i].Key = fmt.Sprintf("key/%02d", w.rng.IntN(worldKeys))
		if w.rng.IntN(4) > 0 {
			changes[i].Value = []byte(strings.Repeat(string(rune('a'+w.rng.IntN(26))), w.rng.IntN(300)))
		}
	}
	changes = append(changes, put("last", fmt.Sprint(w.written+1)))
	if w.rng.IntN(60) == 0 {
		changes = append(changes, put("large", strings.Repeat("L", 10_000+w.rng.IntN(10_000))))
	}
	before := w.model.Clone()
	if err := w.model.Apply(changes); err != nil {
		return err
	}
	state, err := content(w.model)
	if err != nil {
		return err
	}
	w.states = append(w.states, state)
	w.written++
	makeRoom(w.store)
	err = w.store.Write(changes)
	if errors.Is(err, badgerstore.ErrRefused) {
		w.model, w.states = before, w.states[:w.written]
		w.written--
	}
	return err
}

// each calls fn at every event of the folder and of the base, before it happens.
func (w *world) each(fn func(e faultfs.Event) error) {
	hook := func(e faultfs.Event) error {
		w.events++
		return fn(e)
	}
	w.disk.Hook, w.base.hook = hook, hook
}

// crash checks what a crash at this moment leaves: all that was acknowledged, and nothing of a batch but the whole. It
// returns the store that has come back, with its disk and its base.
func (w *world) crash(rng *rand.Rand, keep faultfs.Keep) (*Store, *faultfs.FS, *behind, error) {
	disk, base := w.disk.Crash(rng, keep), w.base.crash(rng, keep)
	s, err := reopen(disk, base)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("seed %d, event %d, %d batches acknowledged: %w",
			w.seed, w.events, w.acked, err)
	}
	got, err := content(s)
	if err != nil {
		return nil, nil, nil, err
	}
	for n := w.acked; n <= w.written; n++ {
		if w.states[n] == got {
			return s, disk, base, nil
		}
	}
	return nil, nil, nil, fmt.Errorf("seed %d, event %d: %d acknowledged, %d begun, and this is another state:\n%s",
		w.seed, w.events, w.acked, w.written, got)
}

// TestEveryCrash crashes at every event of a run of 1,000 batches, and keeps nothing of what was not synced, all of it,
// or any part.
func TestEveryCrash(t *testing.T) {
	for seed := range *crashSeeds {
		w := newWorld(t, seed)
		rng := rand.New(rand.NewPCG(seed, 0x6372617368))
		torn, twice := 0, 0
		w.each(func(faultfs.Event) error {
			for _, keep := range everyKeep {
				s, disk, base, err := w.crash(rng, keep)
				require.NoError(t, err)
				if s.active.upTo < uint64(w.written) {
					torn++
				}
				if rng.IntN(4) == 0 {
					twice++
					require.NoError(t, goOn(rng, s, disk, base))
				}
			}
			return nil
		})
		for w.written < worldBatches {
			require.NoError(t, w.step())
		}
		require.Greater(t, w.events, 3*worldBatches)
		require.Greater(t, torn, 100)
		require.Greater(t, twice, 1000)
		require.NoError(t, w.store.Close())
		got, err := content(w.base.shown)
		require.NoError(t, err)
		require.Equal(t, w.states[worldBatches], got, "a store that was closed has everything behind the journal")
	}
}

// goOn writes some more after a crash, crashes again, and checks that too.
func goOn(rng *rand.Rand, s *Store, disk *faultfs.FS, base *behind) error {
	model := memstore.New()
	if err := s.Scan("", "", func(key string, value []byte) bool {
		return model.Apply([]node.Change{{Key: key, Value: append([]byte{}, value...)}}) == nil
	}); err != nil {
		return err
	}
	for i := range rng.IntN(4) {
		long := strings.Repeat("m", rng.IntN(2000))
		change := []node.Change{put("again", fmt.Sprint(i)), put(fmt.Sprint("more", i), long)}
		makeRoom(s)
		if err := errors.Join(s.Apply(change), model.Apply(change)); err != nil {
			return err
		}
		if s.frozen != nil && rng.IntN(2) == 0 {
			s.flush()
		}
	}
	keep := []faultfs.Keep{faultfs.KeepNothing, faultfs.KeepAll, faultfs.KeepSome}[rng.IntN(3)]
	again, err := reopen(disk.Crash(rng, keep), base.crash(rng, keep))
	if err != nil {
		return fmt.Errorf("the second crash: %w", err)
	}
	want, _ := content(model)
	if got, err := content(again); err != nil || got != want {
		return fmt.Errorf("the second crash (%v): got\n%s\nwant\n%s", err, got, want)
	}
	return nil
}

// TestEveryError lets every event fail, once or for ever. Nothing is acknowledged after that, and the next start has
// all that was acknowledged before.
func TestEveryError(t *testing.T) {
	for seed := range *crashSeeds {
		counting := newWorld(t, seed)
		counting.each(func(faultfs.Event) error { return nil })
		const batches = 60
		for counting.written < batches {
			require.NoError(t, counting.step())
		}
		failures := 0
		for at := 1; at <= counting.events; at++ {
			for _, forEver := range []bool{false, true} {
				w := newWorld(t, seed)
				rng := rand.New(rand.NewPCG(seed, uint64(at)))
				w.each(func(faultfs.Event) error {
					if w.events == at || forEver && w.events > at {
						return errPlanted
					}
					return nil
				})
				var err error
				for w.written < batches && err == nil {
					err = w.step()
				}
				acked := w.acked
				if err != nil {
					failures++
					require.ErrorIs(t, err, errPlanted)
					require.ErrorIs(t, w.store.Apply([]node.Change{put("refused", "")}), errPlanted, "event %d", at)
					got, err := content(w.store)
					require.NoError(t, err)
					require.Equal(t, w.states[acked], got, "readers see what was durable")
				}
				w.disk.Hook, w.base.hook = nil, nil
				for _, keep := range []faultfs.Keep{faultfs.KeepNothing, faultfs.KeepAll, faultfs.KeepSome} {
					_, _, _, err := w.crash(rng, keep)
					require.NoError(t, err, "event %d failed", at)
				}
			}
		}
		require.Greater(t, failures, counting.events, "nearly every failure is noticed while it runs")
	}
}

// TestEveryFullDisk lets the disk be full at every event from which on it can be, for a while: batches are refused,
// nothing of them is written, and it goes on when there is room.
func TestEveryFullDisk(t *testing.T) {
	for seed := range *crashSeeds {
		refusals := 0
		for from := 0; from < 900; from += 9 {
			w := newWorld(t, seed)
			rng := rand.New(rand.NewPCG(seed, uint64(from)))
			w.each(func(e faultfs.Event) error {
				switch {
				case w.events < from || w.events >= from+300:
				case e.Op == faultfs.OpCreate || e.Op == faultfs.OpGrow:
					return fmt.Errorf("planted: %w", journal.ErrNoSpace)
				case e.Op == opLoad:
					return fmt.Errorf("planted: %w", badgerstore.ErrDiskFull)
				}
				return nil
			})
			for tries := 0; w.written < 250 && tries < 4000; tries++ {
				err := w.step()
				if err != nil {
					require.ErrorIs(t, err, badgerstore.ErrRefused)
					refusals++
					w.events++ // time passes.
					w.store.flush()
				}
			}
			require.GreaterOrEqual(t, w.written, 250, "it goes on when there is room: full from event %d on", from)
			w.acked = w.written
			require.NoError(t, w.store.Sync())
			_, _, _, err := w.crash(rng, faultfs.KeepNothing)
			require.NoError(t, err)
		}
		require.Greater(t, refusals, 300)
	}
}
