package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/api/decode"
	"kvs/node/slot"
)

// Value is the result of a Get.
type Value struct {
	Path        string
	Body        []byte
	ContentType string
	ETag        string     // the opaque version, without quotes.
	Timestamp   string     // hybrid timestamp of the version.
	Level       node.Level // at which it was read.
	Node        string     // that answered.
}

// Written is the result of a Put or Delete.
type Written struct {
	Path      string
	Created   bool   // a Put: there was no value before.
	ETag      string // of a Put.
	Timestamp string
	Level     node.Level
	Node      string
}

// Get reads the value at path. With node.DefaultLevel the member's configuration chooses the level. IsNotFound
// recognises the error for a path without a value.
func (c *Client) Get(ctx context.Context, path string, level node.Level) (Value, error) {
	r := &request{method: http.MethodGet, name: path, bytesMax: slot.ValueBytesHardMax}
	ans, err := c.doPath(ctx, r, path, level)
	if err != nil {
		return Value{}, err
	}
	return Value{
		Path: path, Body: ans.body, ContentType: ans.header.Get("Content-Type"), ETag: ans.etag(),
		Timestamp: ans.header.Get(api.HeaderTimestamp), Level: ans.level(), Node: ans.node(),
	}, nil
}

// Put writes a value. Without a contentType it is kept as application/octet-stream. The body is only read, and not used
// after Put has returned.
func (c *Client) Put(ctx context.Context, path string, level node.Level, body []byte, contentType string) (
	Written, error) {
	r := &request{method: http.MethodPut, name: path, write: true, body: body, contentType: contentType,
		bytesMax: documentBytesMax}
	return c.write(ctx, r, path, level)
}

// Delete removes the value at path. It succeeds also when there is none.
func (c *Client) Delete(ctx context.Context, path string, level node.Level) (Written, error) {
	r := &request{method: http.MethodDelete, name: path, write: true, bytesMax: documentBytesMax}
	return c.write(ctx, r, path, level)
}

func (c *Client) write(ctx context.Context, r *request, path string, level node.Level) (Written, error) {
	ans, err := c.doPath(ctx, r, path, level)
	if err != nil {
		return Written{}, err
	}
	return Written{
		Path: path, Created: ans.status == http.StatusCreated, ETag: ans.etag(),
		Timestamp: ans.header.Get(api.HeaderTimestamp),
		Level:     ans.level(), Node: ans.node(),
	}, nil
}

func (c *Client) doPath(ctx context.Context, r *request, path string, level node.Level) (*answer, error) {
	if err := slot.CheckPath(path); err != nil {
		return nil, refusedHere(r.operation(), r.write, api.BadPath, err)
	}
	r.target = "/kv/" + escape(path)
	if level != node.DefaultLevel {
		r.target += "?consistency=" + url.QueryEscape(level.String())
	}
	return c.do(ctx, r)
}

// escape percent-encodes a path segment by segment.
func escape(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}

// List reads one page of a directory. A Limit of zero leaves the number of entries to the server.
func (c *Client) List(ctx context.Context, req node.ListRequest) (api.Listing, error) {
	r := &request{method: http.MethodGet, name: req.Directory, bytesMax: documentBytesMax}
	if req.Directory == "" {
		r.name = "/"
	}
	if err := slot.CheckDirectory(req.Directory); err != nil {
		return api.Listing{}, refusedHere(r.operation(), false, api.BadPath, err)
	}
	r.target = listTarget(req, url.Values{})
	return document[api.Listing](ctx, c, r)
}

// listTarget is what asks for req, with what query has already.
func listTarget(req node.ListRequest, query url.Values) string {
	if req.Recursive {
		query.Set("recursive", "true")
	}
	if req.Values {
		query.Set("values", "true")
	}
	if req.Limit != 0 {
		query.Set("limit", strconv.Itoa(req.Limit))
	}
	if req.After != "" {
		query.Set("after", req.After)
	}
	target := "/kv/" + escape(req.Directory)
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return target
}

// Entries walks through all pages of a directory, from req.After on; req.Limit is the size of a page. It ends with the
// first error. The pages may come from different members and are not one snapshot.
func (c *Client) Entries(ctx context.Context, req node.ListRequest) iter.Seq2[api.Entry, error] {
	return func(yield func(api.Entry, error) bool) {
		for {
			page, err := c.List(ctx, req)
			if err != nil {
				yield(api.Entry{}, err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if !page.More {
				return
			}
			if page.Next <= req.After {
				yield(api.Entry{}, fmt.Errorf("list %q: the page after %q ends at %q: the server goes round in circles",
					req.Directory, req.After, page.Next))
				return
			}
			req.After = page.Next
		}
	}
}

// document asks for JSON.
func document[T any](ctx context.Context, c *Client, r *request) (T, error) {
	var doc T
	ans, err := c.do(ctx, r)
	if err != nil {
		return doc, err
	}
	if err := decode.JSON(ans.body, &doc); err != nil {
		return doc, &Error{
			Operation: r.operation(), Status: ans.status, Code: Unreachable, Attempts: 1, Err: err,
			Detail: "the answer is not the JSON that this client expects: " + err.Error(),
		}
	}
	return doc, nil
}
