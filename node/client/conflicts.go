package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

// Conflicts returns the last decisions that the answering member knows, newest first, about paths that begin with
// prefix. A limit of zero leaves their number to the server. Each member keeps its own list: ask several, with a Client
// each, to compare.
func (c *Client) Conflicts(ctx context.Context, prefix string, limit int) ([]api.Conflict, error) {
	query := url.Values{}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	target := "/conflicts"
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	doc, err := document[api.Conflicts](ctx, c,
		&request{method: http.MethodGet, name: "/conflicts", target: target, bytesMax: documentBytesMax})
	return doc.Conflicts, err
}

// Candidate reads a write that took part in a conflict under path, the winner or one that lost. IsNotFound recognises
// the error for a write that the answering member does not keep, or that was a deletion.
func (c *Client) Candidate(ctx context.Context, path, uuid string) (Value, error) {
	r := &request{
		method: http.MethodGet, name: "/conflicts/" + path, target: "/conflicts/" + escape(path) + "?uuid=" +
			url.QueryEscape(uuid),
		bytesMax: slot.ValueBytesHardMax,
	}
	if err := slot.CheckPath(path); err != nil {
		return Value{}, refusedHere(r.operation(), false, api.BadPath, err)
	}
	ans, err := c.do(ctx, r)
	if err != nil {
		return Value{}, err
	}
	return Value{
		Path: path, Body: ans.body, ContentType: ans.header.Get("Content-Type"), ETag: ans.etag(),
		Timestamp: ans.header.Get(api.HeaderTimestamp), Level: node.Eventual, Node: ans.node(),
	}, nil
}
