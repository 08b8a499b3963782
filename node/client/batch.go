package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/api/decode"
	"kvs/node/slot"
)

// Batch sends up to api.BatchOperationsMax operations at once, and returns a result for each, in their order. A batch
// is not atomic: each operation succeeds or fails alone, and those of different paths run at the same time. An error
// means that there are no results; its Outcome says whether operations may have happened. A batch is tried again after
// an unknown outcome only if each of its writes has an idempotency key.
func (c *Client) Batch(ctx context.Context, ops []api.BatchOperation) ([]api.BatchResult, error) {
	name := fmt.Sprintf("batch of %d", len(ops))
	body, err := json.Marshal(ops)
	if err != nil {
		return nil, refusedHere("POST "+name, true, api.BadBody, err)
	}
	r := &request{method: http.MethodPost, target: api.PathBatch, name: name, harmless: true, body: body,
		contentType: api.ContentTypeJSON, bytesMax: documentBytesMax}
	for i := range ops {
		if ops[i].Op != api.BatchGet {
			r.write, r.harmless = true, r.harmless && ops[i].IdempotencyKey != ""
		}
	}
	ans, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	var doc api.BatchResults
	if err := decode.JSON(ans.body, &doc); err != nil || len(doc.Results) != len(ops) {
		e := &Error{Operation: r.operation(), Status: ans.status, Code: Unreachable, Attempts: 1, Err: err,
			Detail: fmt.Sprintf("the answer has %d results for %d operations", len(doc.Results), len(ops))}
		if r.write {
			e.Outcome = api.Unknown
		}
		return nil, e
	}
	return doc.Results, nil
}

// ResultError is the error of one operation of a batch; nil: it succeeded.
func ResultError(r *api.BatchResult) error {
	if r.Problem == nil {
		return nil
	}
	p := r.Problem
	return &Error{Operation: r.Op + " " + r.Path, Status: r.Status, Code: p.Code, Detail: p.Detail, ETag: r.ETag,
		Outcome: p.Outcome, Retryable: p.Retryable, Attempts: 1}
}

// Count counts what is below a directory: its direct children, or with recursive all values at any depth.
func (c *Client) Count(ctx context.Context, dir string, recursive bool) (api.Count, error) {
	total := api.Count{Directory: dir}
	req := node.ListRequest{Directory: dir, Recursive: recursive}
	if err := slot.CheckDirectory(dir); err != nil {
		return total, refusedHere("GET "+dir, false, api.BadPath, err)
	}
	for {
		r := &request{method: http.MethodGet, name: dir, bytesMax: documentBytesMax,
			target: listTarget(req, url.Values{"count": {"true"}})}
		part, err := document[api.Count](ctx, c, r)
		if err != nil {
			return total, err
		}
		total.Values += part.Values
		total.Directories += part.Directories
		total.Bytes += part.Bytes
		if !part.More {
			return total, nil
		}
		if part.Next <= req.After {
			return total, goesRound(dir, req.After, part.Next)
		}
		req.After = part.Next
	}
}

// DeleteBelow deletes all values below a directory, one by one, in requests of bounded size. After each of them it
// calls progress, if that is not nil, with the sum so far. It deletes what the asked member lists: values that have not
// reached that member yet stay. What the sender may not delete is in Failed and does not stop it; another failure does,
// and is the error. Running it again goes on with what is left.
func (c *Client) DeleteBelow(ctx context.Context, dir string, level node.Level, progress func(api.Deletion)) (
	api.Deletion, error) {
	total := api.Deletion{Directory: dir}
	if err := slot.CheckDirectory(dir); err != nil {
		return total, refusedHere("DELETE "+dir, true, api.BadPath, err)
	}
	req := node.ListRequest{Directory: dir, Recursive: true}
	for {
		query := url.Values{"confirm": {api.ConfirmDirectory(dir)}}
		if level != node.DefaultLevel {
			query.Set("consistency", level.String())
		}
		r := &request{method: http.MethodDelete, name: api.ConfirmDirectory(dir), write: true,
			bytesMax: documentBytesMax, target: listTarget(req, query)}
		part, err := document[api.Deletion](ctx, c, r)
		if err != nil {
			return total, err
		}
		total.Deleted += part.Deleted
		for i := range part.Failed {
			if p := part.Failed[i].Problem; p != nil && p.Code != api.NotAllowed {
				return total, ResultError(&part.Failed[i])
			}
		}
		total.Failed = append(total.Failed, part.Failed...)
		total.More, total.Next = part.More, part.Next
		if progress != nil {
			progress(total)
		}
		if !part.More {
			return total, nil
		}
		if part.Next <= req.After {
			return total, goesRound(dir, req.After, part.Next)
		}
		req.After = part.Next
	}
}

func goesRound(dir, after, next string) error {
	return fmt.Errorf("%q: the page after %q ends at %q: the server goes round in circles", dir, after, next)
}
