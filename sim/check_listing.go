package sim

import (
	"fmt"
	"strings"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
)

// listLimits are the page sizes that clients ask for: small ones cut directories in the middle.
var listLimits = [...]int{1, 2, 3, 7, 100}

// list is a client's listing, page by page, beside the loop as in production. The pages together are compared with a second
// implementation that walks through the whole store.
func (w *world) list(r *replica, op *scenarios.Op) answer {
	limit := listLimits[w.clientRNG.IntN(len(listLimits))]
	req := node.ListRequest{Directory: op.Path, Recursive: op.Recursive, Limit: limit}
	var got []node.Entry
	for {
		page, err := r.view.List(req)
		if err != nil {
			return answer{status: linearize.Fail, err: err.Error()}
		}
		got = append(got, page.Entries...)
		if len(page.Entries) > limit || page.More && len(page.Entries) == 0 {
			w.violate(Violation{Promise: promiseListing, Node: r.number, Path: op.Path,
				Detail: fmt.Sprintf("a page for at most %d has %d entries, more to come: %t", limit, len(page.Entries), page.More)})
			break
		}
		if !page.More {
			break
		}
		req.After = page.Entries[len(page.Entries)-1].Path
	}
	if detail := compareListing(r.disk.store, r.electorate, op.Path, op.Recursive, got); detail != "" {
		w.violate(Violation{Promise: promiseListing, Node: r.number, Path: op.Path, Detail: detail})
	}
	w.trace.word(uint64(len(got)))
	return answer{status: linearize.OK}
}

// compareListing says how a listing differs from what is in the store, or nothing.
func compareListing(store node.Reader, electorate *node.Electorate, directory string, recursive bool, got []node.Entry) string {
	i, lastDir, detail := 0, "", ""
	var slot node.Slot
	expect := func(path string, v node.Version) bool {
		if i == len(got) || got[i].Path != path || got[i].Version != v || got[i].Directory != strings.HasSuffix(path, "/") {
			detail = fmt.Sprintf("entry %d should be %q", i, path)
			if i < len(got) {
				detail += fmt.Sprintf(" of version %s, and is %q of version %s", v.ETag(), got[i].Path, got[i].Version.ETag())
			}
			return false
		}
		i++
		return true
	}
	err := store.Scan(recordPrefix, "", func(key string, value []byte) bool {
		path, _ := cutRecordPrefix(key)
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
		if dir := directory + child + "/"; dir != lastDir {
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
