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
	differs := compareListing(e.Replica.Store(), c.w.Of(e.Replica).Electorate, l.Directory, l.Recursive, l.Entries)
	for _, wrong := range []string{l.Wrong, differs} {
		if wrong != "" {
			c.bad(e.Replica.Number, l.Directory, "%s", wrong)
		}
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
		child, _, deeper := strings.Cut(rest, "/")
		switch {
		case !rec.Live():
		case !deeper || recursive:
			return expect(path, rec.Version())
		case path[:len(directory)+len(child)+1] != lastDir:
			lastDir = path[:len(directory)+len(child)+1]
			return expect(lastDir, node.Version{})
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
// but for what a round of a higher ballot has replaced at a voter, and for what rotted on the member's disk. And when
// all is quiet, the copy that a watcher keeps equals what the member shows, with the token that it has come that far.
type watchCheck struct {
	check
	shown map[watchKey]world.WatchShown
}

type watchKey struct {
	watcher, member int
	log             uint64
	path            string
}

func newWatchCheck(w *world.World) *watchCheck {
	return &watchCheck{check{w, promiseWatch, sim.Events(world.WatchedPath, sim.EventRotten)},
		map[watchKey]world.WatchShown{}}
}

// Observe implements sim.Checker.
func (c *watchCheck) Observe(e *sim.Event) {
	if e.Kind == sim.EventRotten { // another member's copy comes in its place.
		maps.DeleteFunc(c.shown, func(k watchKey, _ world.WatchShown) bool {
			return k.member == e.Replica.Number && schema.PrefixRecord+k.path == e.Key
		})
		return
	}
	now := *e.Own.(*world.WatchShown)
	key := watchKey{now.Watcher, e.Replica.Number, now.Log, now.Path}
	before := c.shown[key] // nothing, which is not agreed, at first.
	c.shown[key] = now
	if before.Agreed && now.Version.TS != 0 && now.Version.TS < before.Version.TS {
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
	for _, path := range append(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))...) {
		_, inA := a[path]
		if _, inB := b[path]; inA != inB || a[path] != b[path] {
			return path
		}
	}
	return ""
}
