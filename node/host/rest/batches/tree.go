package batches

import (
	"context"

	"kvs/node"
	"kvs/node/api"
)

// List returns one page of what the sender may list.
type List func(node.ListRequest) (node.Listing, error)

// countEntriesMax bounds what one request counts.
const countEntriesMax = 100_000

// Count counts what req lists, from req.After on; req.Limit is not looked at.
func Count(ctx context.Context, list List, req node.ListRequest) (api.Count, error) {
	out := api.Count{Directory: req.Directory}
	req.Limit = node.ListLimitMax
	for {
		page, err := list(req)
		if err != nil {
			return out, err
		}
		for i := range page.Entries {
			if page.Entries[i].Directory {
				out.Directories++
				continue
			}
			out.Values++
			out.Bytes += int64(page.Entries[i].Bytes)
		}
		out.More, out.Next = page.More, page.Next
		if !page.More || out.Values+out.Directories >= countEntriesMax || ctx.Err() != nil {
			return out, nil
		}
		req.After = page.Next
	}
}

// Delete deletes the values of one page of req, which is recursive, each on its own at a level. It goes on past what
// the sender may not delete, and stops at any other failure: Next is then before it, so that the same page can be tried
// again.
func Delete(ctx context.Context, door Door, list List, level node.Level, req node.ListRequest) (api.Deletion, error) {
	out := api.Deletion{Directory: req.Directory, Failed: []api.BatchResult{}}
	page, err := list(req)
	if err != nil {
		return out, err
	}
	done := req.After
	for entries := page.Entries; len(entries) > 0; {
		n := min(len(entries), api.BatchOperationsMax)
		ops := make([]api.BatchOperation, n)
		for i := range ops {
			ops[i] = api.BatchOperation{Op: api.BatchDelete, Path: entries[i].Path}
		}
		results := Run(ctx, door, Limits{Level: level}, ops)
		out.Deleted += n - results.Failed
		stop := false
		for i := range results.Results {
			if p := results.Results[i].Problem; p != nil {
				out.Failed = append(out.Failed, results.Results[i])
				stop = stop || p.Code != api.NotAllowed
			}
		}
		if stop {
			out.More, out.Next = true, done
			return out, nil
		}
		done, entries = entries[n-1].Path, entries[n:]
	}
	out.More, out.Next = page.More, page.Next
	return out, nil
}
