package batches

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
)

// lister lists the live values of a door.
func (f *fakeDoor) lister(req node.ListRequest) (node.Listing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var paths []string
	for p, r := range f.values {
		if r.Live() && strings.HasPrefix(p, req.Directory) && p > req.After {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	var out node.Listing
	for _, p := range paths {
		if len(out.Entries) == req.Limit {
			out.More, out.Next = true, out.Entries[req.Limit-1].Path
			break
		}
		out.Entries = append(out.Entries, node.Entry{Path: p, Bytes: len(f.values[p].Value)})
	}
	return out, nil
}

func fill(f *fakeDoor, n int) {
	for i := range n {
		f.values[fmt.Sprintf("d/%04d", i)] = node.Record{TS: 1, Value: []byte("abc")}
	}
	f.values["e"] = node.Record{TS: 1}
}

func TestDeleteInPieces(t *testing.T) {
	f := newDoor()
	fill(f, 700)
	req := node.ListRequest{Directory: "d/", Recursive: true, Limit: 300}
	var deleted []int
	for {
		got, err := Delete(t.Context(), f, f.lister, node.Quorum, req)
		require.NoError(t, err)
		require.Empty(t, got.Failed)
		deleted = append(deleted, got.Deleted)
		if !got.More {
			break
		}
		req.After = got.Next
	}
	require.Equal(t, []int{300, 300, 100}, deleted)
	page, err := f.lister(node.ListRequest{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, page.Entries, 1, "what is beside it stays")
}

// It goes past what may not be deleted, and stops at any other failure with the place to begin again.
func TestDeleteStopsAtFailures(t *testing.T) {
	f := newDoor()
	fill(f, 300)
	f.allowed = func(_ access.Right, path string) error {
		if path == "d/0005" {
			return &Refusal{api.NotAllowed, "no"}
		}
		return nil
	}
	f.write = func(r *node.Request) (node.Response, error) {
		if r.Path == "d/0200" {
			return node.Response{}, &Refusal{api.NoQuorum, "alone"}
		}
		return node.Response{}, nil
	}
	req := node.ListRequest{Directory: "d/", Recursive: true, Limit: 1000}
	got, err := Delete(t.Context(), f, f.lister, node.Quorum, req)
	require.NoError(t, err)
	require.True(t, got.More)
	require.Equal(t, "d/0127", got.Next)
	require.Equal(t, 254, got.Deleted)
	require.Len(t, got.Failed, 2)
	require.Equal(t, "d/0005", got.Failed[0].Path)
	require.Equal(t, api.NoQuorum, got.Failed[1].Problem.Code)
}

func TestCount(t *testing.T) {
	f := newDoor()
	fill(f, 25_000)
	got, err := Count(t.Context(), f.lister, node.ListRequest{Directory: "d/", Recursive: true})
	require.NoError(t, err)
	require.Equal(t, api.Count{Directory: "d/", Values: 25_000, Bytes: 75_000}, got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the time is up: it says how far it came.
	got, err = Count(ctx, f.lister, node.ListRequest{Directory: "d/", Recursive: true})
	require.NoError(t, err)
	require.Equal(t, api.Count{Directory: "d/", Values: 10_000, Bytes: 30_000, More: true, Next: "d/18180"}, got)
	_, err = Count(t.Context(), func(node.ListRequest) (node.Listing, error) { return node.Listing{}, errors.New("x") },
		node.ListRequest{})
	require.Error(t, err)
}
