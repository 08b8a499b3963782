package checks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kvs/node"
	"kvs/node/schema"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// listingCheck compares listings with a second implementation that scans the whole store.
type listingCheck struct{ check }

func newListingCheck(w *world.World) *listingCheck {
	return &listingCheck{check{w, promiseListing, sim.Events(world.ListShown)}}
}

// Observe implements sim.Checker.
func (c *listingCheck) Observe(e *sim.Event) {
	l := e.Own.(*world.ShownList)
	if l.Wrong != "" {
		c.bad(e.Replica.Number, l.Directory, "%s", l.Wrong)
	}
	if detail := compareListing(e.Replica.Store(), c.w.Of(e.Replica).Electorate, l.Directory, l.Recursive,
		l.Entries); detail != "" {
		c.bad(e.Replica.Number, l.Directory, "%s", detail)
	}
}

// compareListing describes how a listing differs from the store; empty: it does not.
func compareListing(store node.Reader, electorate *node.Electorate, directory string, recursive bool,
	got []node.Entry) string {
	i, lastDir, detail := 0, "", ""
	var slot node.Slot
	expect := func(path string, v node.Version) bool {
		if i == len(got) || got[i].Path != path || got[i].Version != v ||
			got[i].Directory != strings.HasSuffix(path, "/") {
			detail = fmt.Sprintf("entry %d should be %q", i, path)
			if i < len(got) {
				detail += fmt.Sprintf(" of version %s, and is %q of version %s", v.ETag(), got[i].Path,
					got[i].Version.ETag())
			}
			return false
		}
		i++
		return true
	}
	err := store.Scan(schema.PrefixRecord+directory, "", func(key string, value []byte) bool {
		path, _ := world.CutRecordPrefix(key)
		rest, below := strings.CutPrefix(path, directory)
		if !below || slot.Decode(path, value) != nil {
			return true
		}
		rec := electorate.Visible(&slot)
		if !rec.Live() {
			return true
		}
		child, _, deeper := strings.Cut(rest, "/")
		if !deeper || recursive {
			return expect(path, rec.Version())
		}
		if dir := path[:len(directory)+len(child)+1]; dir != lastDir {
			lastDir = dir
			return expect(dir, node.Version{})
		}
		return true
	})
	switch {
	case err != nil:
		return err.Error()
	case detail == "" && i < len(got):
		return fmt.Sprintf("entry %d, %q, should not be there", i, got[i].Path)
	}
	return detail
}

// watchCheck checks what members show to watchers: within one log of a member, the versions of a path do not go back,
// except for what a voter has accepted and a round of a higher ballot has replaced; and when all is quiet, the copy
// that a watcher keeps equals what the member shows, with the token that the watcher has come that far with.
type watchCheck struct {
	check
	shown map[watchKey]world.WatchShown
}

type watchKey struct {
	watcher int
	log     uint64
	path    string
}

func newWatchCheck(w *world.World) *watchCheck {
	return &watchCheck{check{w, promiseWatch, sim.Events(world.WatchedPath)}, map[watchKey]world.WatchShown{}}
}

// Observe implements sim.Checker.
func (c *watchCheck) Observe(e *sim.Event) {
	now := *e.Own.(*world.WatchShown)
	key := watchKey{now.Watcher, now.Log, now.Path}
	before, again := c.shown[key]
	c.shown[key] = now
	if again && before.Agreed && now.Version.TS != 0 && now.Version.TS < before.Version.TS {
		c.bad(e.Replica.Number, now.Path, "shows watcher %d version %s after %s", now.Watcher, now.Version.ETag(),
			before.Version.ETag())
	}
}

// Finish implements sim.Checker.
func (c *watchCheck) Finish() {
	for _, w := range c.w.Watchers {
		for n := 1; n <= c.w.Nodes(); n++ { // where it is, and by a hand-over to each of the others.
			at := w.Clone()
			want, ok := at.Want(&c.w.Replicas[n])
			if !ok || !at.CatchUp(n) {
				continue
			}
			if detail := differs(want, at.Copy); detail != "" {
				c.bad(n, detail, "a watcher of %q that is up to date has %s and not %s", at.Target,
					at.Copy[detail].ETag(), want[detail].ETag())
			}
		}
	}
}

// differs is the first path with different versions; empty: there is none.
func differs(a, b map[string]node.Version) string {
	for _, path := range slices.Sorted(maps.Keys(a)) {
		if a[path] != b[path] {
			return path
		}
	}
	for _, path := range slices.Sorted(maps.Keys(b)) {
		if _, both := a[path]; !both {
			return path
		}
	}
	return ""
}
