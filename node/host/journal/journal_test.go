package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/host/journal"
	"kvs/node/host/journal/faultfs"
)

var errPlanted = errors.New("planted failure")

func small() journal.Options { return journal.Options{SegmentBytes: 8 << 10, SparesMax: 2} }

func create(t testing.TB, dir journal.FS) *journal.Journal {
	t.Helper()
	j, err := journal.Create(dir, small(), journal.Identity{1, 2, 3})
	require.NoError(t, err)
	return j
}

// open returns a journal and what it held, with the sequence numbers.
func open(t testing.TB, dir journal.FS) (*journal.Journal, []string) {
	t.Helper()
	j, held, err := tryOpen(dir)
	require.NoError(t, err)
	return j, held
}

func tryOpen(dir journal.FS) (*journal.Journal, []string, error) {
	held := []string{}
	j, err := journal.Open(dir, small(), func(seq uint64, content []byte) error {
		held = append(held, fmt.Sprintf("%d %s", seq, content))
		return nil
	})
	return j, held, err
}

func add(t testing.TB, j *journal.Journal, content string) uint64 {
	t.Helper()
	seq, err := j.Append(func(b []byte) []byte { return append(b, content...) })
	require.NoError(t, err)
	return seq
}

func sync(t testing.TB, j *journal.Journal) {
	t.Helper()
	_, err := j.Sync()
	require.NoError(t, err)
}

// folders are the folder in memory and a real one: both do the same.
func folders(t *testing.T) map[string]journal.FS {
	real, err := journal.Folder(t.TempDir() + "/journal")
	require.NoError(t, err)
	return map[string]journal.FS{"memory": faultfs.New(), "disk": real}
}

func TestRecordsComeBack(t *testing.T) {
	for name, dir := range folders(t) {
		t.Run(name, func(t *testing.T) {
			j := create(t, dir)
			var want []string
			for i := 1; i <= 300; i++ {
				content := strings.Repeat("x", i*7%200)
				require.Equal(t, uint64(i), add(t, j, content))
				want = append(want, fmt.Sprintf("%d %s", i, content))
				if i%3 == 0 {
					sync(t, j)
				}
			}
			require.Greater(t, j.State().UsedBytes, int64(4*8<<10))
			require.NoError(t, j.Close())
			j, held := open(t, dir)
			require.Equal(t, want, held)
			require.Equal(t, journal.State{Appended: 300, Durable: 300, UsedBytes: j.State().UsedBytes}, j.State())

			require.NoError(t, j.Release(250, true))
			require.Equal(t, uint64(301), add(t, j, "after"))
			sync(t, j)
			require.NoError(t, j.Close())
			j, held = open(t, dir)
			require.Equal(t, append(want[250:], "301 after"), held)
			require.NoError(t, j.Close())
		})
	}
}

// A journal that is written to for ever stays as large as what it has to keep, and makes no new files.
func TestSegmentsAreUsedAgain(t *testing.T) {
	dir := faultfs.New()
	j := create(t, dir)
	created := 0
	dir.Hook = func(e faultfs.Event) error {
		if e.Op == faultfs.OpCreate {
			created++
		}
		return nil
	}
	for i := range 2000 {
		seq := add(t, j, strings.Repeat("y", 500))
		sync(t, j)
		if i%4 == 0 {
			require.NoError(t, j.Prepare())
		}
		if i%20 == 0 {
			require.NoError(t, j.Release(seq, true))
		}
	}
	require.LessOrEqual(t, created, 5)
	names, err := dir.List()
	require.NoError(t, err)
	require.LessOrEqual(t, len(names), 6, names)
	seq := j.State().Durable
	require.NoError(t, j.Release(seq, false)) // the disk is short of room.
	require.NoError(t, j.Close())
	j, held := open(t, dir)
	require.Empty(t, held)
	require.Equal(t, seq+1, add(t, j, "goes on"))
}

// A record that is larger than a segment has one of its own, which is not kept.
func TestLargeRecord(t *testing.T) {
	dir := faultfs.New()
	j := create(t, dir)
	add(t, j, "small")
	require.NoError(t, j.Prepare())
	large := strings.Repeat("l", 50_000)
	add(t, j, large)
	add(t, j, "small again")
	sync(t, j)
	require.NoError(t, j.Close())
	j, held := open(t, dir)
	require.Equal(t, []string{"1 small", "2 " + large, "3 small again"}, held)
	add(t, j, "more")
	sync(t, j)
	require.NoError(t, j.Release(3, true))
	require.LessOrEqual(t, j.State().UsedBytes+j.State().SpareBytes, int64(5*8<<10))
	_, err := j.Append(func(b []byte) []byte { return append(b, make([]byte, journal.ContentBytesMax)...) })
	require.ErrorContains(t, err, "at most")
}

// What was not synced before a crash may be there or not, but only from its beginning on without a hole.
func TestTornEnds(t *testing.T) {
	lengths := map[int]bool{}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := faultfs.New()
		j := create(t, dir)
		content := func(i int) string { return strings.Repeat(string(rune('a'+i)), 100+i*130) }
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprintf("%d %s", add(t, j, content(i)), content(i)))
			if i == 4 {
				sync(t, j)
			}
		}
		crashed := dir.Crash(rng, faultfs.KeepSome)
		j, held := open(t, crashed)
		require.GreaterOrEqual(t, len(held), 5)
		require.Equal(t, want[:len(held)], held)
		lengths[len(held)] = true

		// It goes on, and neither what was cut off comes back, nor is what follows taken for damage.
		first := add(t, j, "more")
		more := []string{fmt.Sprintf("%d more", first), fmt.Sprintf("%d still more", add(t, j, "still more"))}
		sync(t, j)
		again, both := open(t, crashed.Crash(rng, faultfs.KeepNothing))
		require.Equal(t, slices.Concat(held, more), both)
		require.NoError(t, again.Close())

		// Nor when nothing is left of what was before it.
		require.NoError(t, j.Release(first, true))
		again, rest := open(t, crashed.Crash(rng, faultfs.KeepNothing))
		require.Equal(t, more[1:], rest, "seed %d", seed)
		require.NoError(t, again.Close())
	}
	require.Greater(t, len(lengths), 2, "the crashes tear at different places")
}

// Wherever a bit of an acknowledged record rots, or of what tells where the journal ends, it is found, or it does no
// harm.
func TestAnyBit(t *testing.T) {
	dir := faultfs.New()
	j := create(t, dir)
	var want []string
	for i := range 30 {
		content := strings.Repeat("z", 20+i)
		want = append(want, fmt.Sprintf("%d %s", add(t, j, content), content))
		if i%2 == 1 || i > 20 {
			sync(t, j)
		}
	}
	names, err := dir.List()
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 1))
	found := map[string]int{}
	for _, name := range names {
		for at := 0; at < 8*dir.Bytes(name); at += 37 {
			rotten := dir.Crash(rng, faultfs.KeepAll)
			rotten.Flip(name, at)
			_, held, err := tryOpen(rotten)
			if err != nil {
				require.ErrorIs(t, err, journal.ErrDamaged)
				found[name]++
				continue
			}
			require.Equal(t, want, held, "bit %d of %s", at, name)
		}
	}
	require.Greater(t, found["0000000000000001.segment"], 100)
	require.Zero(t, found["MARK"], "the other slot counts")
}

func TestDamage(t *testing.T) {
	fill := func() *faultfs.FS {
		dir := faultfs.New()
		j := create(t, dir)
		for range 60 {
			add(t, j, strings.Repeat("d", 400))
			sync(t, j)
		}
		return dir
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for name, damage := range map[string]func(dir *faultfs.FS){
		"mark gone":           func(dir *faultfs.FS) { require.NoError(t, dir.Remove("MARK")) },
		"both slots":          func(dir *faultfs.FS) { dir.Flip("MARK", 100); dir.Flip("MARK", 8*4096+100) },
		"first segment gone":  func(dir *faultfs.FS) { require.NoError(t, dir.Remove("0000000000000001.segment")) },
		"second segment gone": func(dir *faultfs.FS) { require.NoError(t, dir.Remove("0000000000000002.segment")) },
		"last segment gone":   func(dir *faultfs.FS) { require.NoError(t, dir.Remove("0000000000000004.segment")) },
		"segment emptied": func(dir *faultfs.FS) {
			_, err := dir.Create("0000000000000002.segment", 8<<10)
			require.NoError(t, err)
		},
		"segment cut off": func(dir *faultfs.FS) {
			_, err := dir.Create("0000000000000004.segment", 512)
			require.NoError(t, err)
		},
		"segments swapped": func(dir *faultfs.FS) {
			require.NoError(t, dir.Rename("0000000000000001.segment", "x"))
			require.NoError(t, dir.Rename("0000000000000002.segment", "0000000000000001.segment"))
			require.NoError(t, dir.Rename("x", "0000000000000002.segment"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fill()
			require.NoError(t, dir.Sync())
			whole := dir.Crash(rng, faultfs.KeepAll)
			_, held := open(t, whole)
			require.Len(t, held, 60)
			damage(dir)
			_, _, err := tryOpen(dir)
			require.ErrorIs(t, err, journal.ErrDamaged)
			salvaged := 0
			require.NoError(t, journal.Salvage(dir, func(uint64, []byte) error { salvaged++; return nil }))
			if name == "mark gone" || name == "both slots" {
				require.Zero(t, salvaged)
			} else {
				require.GreaterOrEqual(t, salvaged, 20)
				require.Less(t, salvaged, 60)
			}
		})
	}
}

// After a loss of power the mark may be old. A record that says that an earlier one was on disk still proves the
// damage.
func TestDamageWithAnOldMark(t *testing.T) {
	dir := faultfs.New()
	j := create(t, dir)
	for range 5 {
		add(t, j, strings.Repeat("e", 300))
		sync(t, j)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	lost := dir.Crash(rng, faultfs.KeepNothing) // the mark still says zero, the records were synced.
	_, held := open(t, lost.Crash(rng, faultfs.KeepAll))
	require.Len(t, held, 5)
	lost.Flip("0000000000000001.segment", 8*400)
	_, _, err := tryOpen(lost)
	require.ErrorIs(t, err, journal.ErrDamaged)
}

// The files of another journal count for nothing.
func TestForeignSegments(t *testing.T) {
	dir, other := faultfs.New(), faultfs.New()
	add(t, create(t, dir), "mine")
	j, err := journal.Create(other, small(), journal.Identity{9})
	require.NoError(t, err)
	add(t, j, "theirs")
	f, err := other.Open("0000000000000001.segment")
	require.NoError(t, err)
	content := make([]byte, 512)
	_, err = f.ReadAt(content, 0)
	require.NoError(t, err)
	mine, err := dir.Open("0000000000000001.segment")
	require.NoError(t, err)
	_, err = mine.WriteAt(content, 1024)
	require.NoError(t, err)
	_, held := open(t, dir)
	require.Equal(t, []string{"1 mine"}, held)
}

// A full disk refuses a new segment, and nothing else has changed: later it goes on.
func TestNoSpace(t *testing.T) {
	dir := faultfs.New()
	j := create(t, dir)
	full := false
	dir.Hook = func(e faultfs.Event) error {
		if full && (e.Op == faultfs.OpCreate || e.Op == faultfs.OpGrow) {
			return fmt.Errorf("%w: planted", journal.ErrNoSpace)
		}
		return nil
	}
	var want []string
	for i := range 200 {
		full = i%50 > 10
		content := fmt.Sprint("record ", i, strings.Repeat(".", 300))
		seq, err := j.Append(func(b []byte) []byte { return append(b, content...) })
		if err != nil {
			require.ErrorIs(t, err, journal.ErrNoSpace)
			continue
		}
		want = append(want, fmt.Sprintf("%d %s", seq, content))
		sync(t, j)
	}
	require.Less(t, len(want), 190)
	require.Greater(t, len(want), 60)
	full = false
	require.NoError(t, j.Close())
	_, held := open(t, dir)
	require.Equal(t, want, held)
}

// After a sync that failed nobody says that anything is durable.
func TestSyncFails(t *testing.T) {
	dir := faultfs.New()
	j := create(t, dir)
	add(t, j, "one")
	sync(t, j)
	dir.Hook = func(e faultfs.Event) error {
		if e.Op == faultfs.OpSync {
			return errPlanted
		}
		return nil
	}
	add(t, j, "two")
	durable, err := j.Sync()
	require.ErrorIs(t, err, errPlanted)
	require.Equal(t, uint64(1), durable)
	require.ErrorIs(t, j.Close(), errPlanted, "the mark's")
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00"), 0)
	f.Fuzz(func(t *testing.T, junk []byte, at int) {
		dir := faultfs.New()
		j := create(t, dir)
		add(t, j, "one")
		add(t, j, "two")
		sync(t, j)
		s, err := dir.Open("0000000000000001.segment")
		require.NoError(t, err)
		if at < 0 || at > 4096 || len(junk) > 4096 {
			return
		}
		_, err = s.WriteAt(junk, int64(at))
		require.NoError(t, err)
		_, held, err := tryOpen(dir)
		if err != nil {
			require.ErrorIs(t, err, journal.ErrDamaged)
			return
		}
		require.Equal(t, []string{"1 one", "2 two"}, held)
	})
}
