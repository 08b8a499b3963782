package store

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/journal"
	"kvs/node/host/journal/faultfs"
)

var updateAtlas = flag.Bool("update", false, "write docs/reference/disk-faults.md anew")

const atlasPage = "../../../docs/reference/disk-faults.md"

const atlasBatches = 90

// where says in words what is about to happen.
func where(e faultfs.Event) string {
	file := "a segment"
	if e.Name == "MARK" {
		file = "the mark"
	}
	switch e.Op {
	case faultfs.OpWrite:
		return "a write to " + file
	case faultfs.OpSync:
		return "the sync of " + file
	case faultfs.OpCreate:
		return "the making of " + file
	case faultfs.OpGrow:
		return "the middle of making " + file
	case faultfs.OpRename:
		return "the new name of a segment that is used again"
	case faultfs.OpRemove:
		return "the removal of a segment"
	case faultfs.OpNames:
		return "the sync of the folder"
	case opLoad:
		return "a batch for Badger"
	case opFlush:
		return "the sync of Badger"
	}
	panic("kvs: broken invariant: an event without words: " + e.Op)
}

// tally counts by rows, each of which has some columns.
type tally map[string][]int

func (c tally) add(row string, columns, column int) {
	if c[row] == nil {
		c[row] = make([]int, columns)
	}
	c[row][column]++
}

func (c tally) table(b *strings.Builder, head ...string) {
	rows := make([]string, 0, len(c))
	for row := range c {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row)
		for _, n := range c[row] {
			fmt.Fprintf(b, " %d |", n)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

func atlasWorld(t *testing.T) *world { return newWorld(t, 1) }

func (w *world) runAtlas() (err error) {
	for w.written < atlasBatches && err == nil {
		err = w.step()
	}
	return err
}

// atlasOfCrashes crashes before every event.
func atlasOfCrashes(t *testing.T) tally {
	out := tally{}
	w := atlasWorld(t)
	rng := rand.New(rand.NewPCG(1, 2))
	w.each(func(e faultfs.Event) error {
		for _, keep := range everyKeep {
			s, _, _, err := w.crash(rng, keep)
			require.NoError(t, err)
			got, err := content(s)
			require.NoError(t, err)
			column := 0 // exactly what was acknowledged.
			if got != w.states[w.acked] {
				column = 1
			}
			out.add(where(e), 3, column)
		}
		return nil
	})
	require.NoError(t, w.runAtlas())
	return out
}

// atlasOfErrors lets each event fail, once and for ever.
func atlasOfErrors(t *testing.T) tally {
	out := tally{}
	counting := atlasWorld(t)
	counting.each(func(faultfs.Event) error { return nil })
	require.NoError(t, counting.runAtlas())
	for at := 1; at <= counting.events; at++ {
		for i, forEver := range []bool{false, true} {
			w := atlasWorld(t)
			row := ""
			w.each(func(e faultfs.Event) error {
				if w.events == at {
					row = where(e)
				}
				if w.events == at || forEver && w.events > at {
					return errPlanted
				}
				return nil
			})
			err := w.runAtlas()
			if err == nil {
				err = w.store.Apply([]node.Change{put("one", "more")})
			}
			column := 2 * i
			if err == nil {
				column++
			}
			out.add(row, 4, column)
		}
	}
	return out
}

// atlasOfFullDisks lets every making of a file, and every batch for Badger, meet a full disk.
func atlasOfFullDisks(t *testing.T) tally {
	out := tally{}
	counting := atlasWorld(t)
	counting.each(func(faultfs.Event) error { return nil })
	require.NoError(t, counting.runAtlas())
	for at := 1; at <= counting.events; at++ {
		w := atlasWorld(t)
		row := ""
		w.each(func(e faultfs.Event) error {
			if w.events != at {
				return nil
			}
			switch e.Op {
			case faultfs.OpCreate, faultfs.OpGrow:
				row = where(e)
				return fmt.Errorf("planted: %w", journal.ErrNoSpace)
			case opLoad:
				row = where(e)
				return fmt.Errorf("planted: %w", badgerstore.ErrDiskFull)
			}
			return nil
		})
		refused := false
		for w.written < atlasBatches {
			if err := w.step(); err != nil {
				require.ErrorIs(t, err, badgerstore.ErrRefused)
				refused = true
			}
			w.store.flush()
		}
		if row != "" {
			column := 1
			if refused {
				column = 0
			}
			out.add(row, 2, column)
		}
	}
	return out
}

// atlasOfRot inverts one bit of each file that a killed process, or a loss of power, has left.
func atlasOfRot(t *testing.T) tally {
	out := tally{}
	w := atlasWorld(t)
	require.NoError(t, w.runAtlas())
	for w.store.frozen == nil && w.store.active.bytes < 4000 { // so that the journal holds a good deal.
		require.NoError(t, w.step())
	}
	for range 6 { // and the mark has not been synced for a while.
		require.NoError(t, w.write())
		require.NoError(t, w.store.Sync())
		w.acked = w.written
	}
	rng := rand.New(rand.NewPCG(1, 3))
	for _, after := range []struct {
		what string
		keep faultfs.Keep
	}{{"after kill -9", faultfs.KeepAll}, {"after a loss of power", faultfs.KeepNothing}} {
		names, err := w.disk.List()
		require.NoError(t, err)
		for _, name := range names {
			kind := "the segments"
			if name == "MARK" {
				kind = "the mark"
			}
			for at := 0; at < 8*w.disk.Bytes(name); at += 61 {
				disk, base := w.disk.Crash(rng, after.keep), w.base.crash(rng, after.keep)
				disk.Flip(name, at)
				column := 2 // unnoticed.
				s, err := reopen(disk, base)
				if errors.Is(err, journal.ErrDamaged) {
					column = 0
				} else {
					require.NoError(t, err)
					got, err := content(s)
					require.NoError(t, err)
					switch {
					case got == w.states[w.acked]:
						column = 1
					case !slices.Contains(w.states, got):
						require.Fail(t, "half a batch, or rot that shows", "%s, bit %d", name, at)
					}
				}
				out.add(kind+", "+after.what, 3, column)
			}
		}
	}
	return out
}

const atlasHead = `# Faults of the disk

What the store of a node loses when the disk fails it, by counting. A test makes this page:
` + "`go test ./node/host/store -run TestAtlas -update`" + `. Journal and tables in memory are those of
production, over a folder in memory with the faults of a disk; a stand-in for Badger promises what
` + "`node/host/badgerstore`" + ` promises. ` + "`TestPowerLoss`" + ` there holds Badger to that. The run has
%d batches of one to six changes, with a segment of 8 KiB and a table of 6 KiB, so that everything happens
often. ` + "`make disk RUNS=n`" + ` crashes and fails n longer runs. ` + "`TestFileSystemShutDown`" + ` lets the
power fail under a real process on a real ext4, where it can mount one.

## A crash

A crash comes before each event of the run, and keeps nothing of what was not synced, all of it, or any part:
each sector of 512 bytes as it was at any moment since its last sync, and the changes of names up to any moment.
Then the store is opened. *The last batches too*: batches that were not acknowledged yet are there, whole.
*Lost*: an acknowledged batch is missing, or a part of a batch is there.

`

// TestAtlas holds docs/reference/disk-faults.md to what happens.
func TestAtlas(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, atlasHead, atlasBatches)
	atlasOfCrashes(t).table(&b, "a crash before", "what was acknowledged", "the last batches too", "lost")
	b.WriteString(`## An error

Each event fails, once, or from then on for ever. *Writes end*: the next batch is refused, and so are all
others; readers see what was durable, and the node stops with the reason. *It goes on*: nothing depended on it,
or the run was over. In no case is a batch acknowledged that the next start does not have.

`)
	atlasOfErrors(t).table(&b, "what fails", "once: writes end", "it goes on", "for ever: writes end", "it goes on")
	b.WriteString(`## A full disk

Each event that needs room finds none, once. A segment is full of blocks before it is used, so a write to it
needs no room.

`)
	atlasOfFullDisks(t).table(&b, "no room for", "a batch was refused, and taken later", "nothing was refused")
	b.WriteString(`## Rot

Every 61st bit of each file is inverted, one at a time, after the process was killed and after a loss of power
that kept nothing of what was not synced. *No effect*: the bit is in what Badger has already, in a slot of the
mark that does not count, or in no use. *Unnoticed*: acknowledged batches are missing, and the start does not
say so. That is the end of the journal after a loss of power: the mark was synced up to a second before it, and
no later record says that the rotten one was on the disk. It looks like a torn end.

`)
	rot := atlasOfRot(t)
	rot.table(&b, "a bit of", "found at the start", "no effect", "unnoticed")
	require.Zero(t, rot["the segments, after kill -9"][2])
	page := strings.TrimRight(b.String(), "\n") + "\n"
	if *updateAtlas {
		require.NoError(t, os.WriteFile(atlasPage, []byte(page), 0o644))
	}
	want, err := os.ReadFile(atlasPage)
	require.NoError(t, err)
	require.Equal(t, string(want), page, "run this test with -update, and look at what has changed")
}
