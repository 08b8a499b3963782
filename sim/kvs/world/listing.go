package world

import (
	"fmt"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
)

// listLimits are the page sizes of clients: small ones cut directories in the middle.
var listLimits = [...]int{1, 2, 3, 7, 100}

// ShownList is the content of ListShown: all pages of a listing together, and what is wrong with one of them, if
// anything.
type ShownList struct {
	Directory string
	Recursive bool
	Entries   []node.Entry
	Wrong     string
}

// list is a client's listing, page by page, beside the loop as in production.
func (w *World) list(r *Replica, op *scenarios.Op) sim.Answer {
	limit := listLimits[w.ClientRand().IntN(len(listLimits))]
	req := node.ListRequest{Directory: op.Path, Recursive: op.Recursive, Limit: limit}
	got := &w.listed
	*got = ShownList{Directory: op.Path, Recursive: op.Recursive, Entries: got.Entries[:0]}
	for {
		page, err := r.View.List(req)
		if err != nil {
			return sim.Answer{Status: linearize.Fail, Err: err.Error()}
		}
		got.Entries = append(got.Entries, page.Entries...)
		if len(page.Entries) > limit || page.More && page.Next <= req.After {
			got.Wrong = fmt.Sprintf("a page for at most %d has %d entries, more to come: %t", limit,
				len(page.Entries), page.More)
			break
		}
		if !page.More {
			break
		}
		req.After = page.Next
	}
	w.Tell(ListShown, r.Replica, got)
	w.Hash().Word(uint64(len(got.Entries)))
	return sim.Answer{Status: linearize.OK}
}
