package checks

import (
	"fmt"
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
