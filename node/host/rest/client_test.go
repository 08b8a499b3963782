package rest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/slot"
)

// The Go client and the server understand each other, also about paths that need every kind of escaping.
func TestClientAndServer(t *testing.T) {
	s := newSite(t)
	s.core.set(func(f *fakeCore) { f.snapshot = fullSnapshot() })
	c, err := client.New(client.DefaultOptions(s.addr))
	require.NoError(t, err)
	defer c.Close()
	ctx := t.Context()

	paths := []string{"a b/100%/ü?#;+&=/%2F", "...", "x", "€/\"<>`{}|\\^[]", "a:b@c,d$!*'()~_"}
	for _, path := range paths {
		w, err := c.Put(ctx, path, node.Eventual, []byte(path), "text/plain")
		require.NoError(t, err, path)
		require.True(t, w.Created)
		got, err := c.Get(ctx, path, node.DefaultLevel)
		require.NoError(t, err, path)
		require.Equal(t, client.Value{
			Path: path, Body: []byte(path), ContentType: "text/plain", ETag: w.ETag, Timestamp: w.Timestamp,
			Level: node.Eventual, Node: "n 1",
		}, got)
	}
	var listed []string
	for e, err := range c.Entries(ctx, node.ListRequest{Recursive: true, Limit: 2}) {
		require.NoError(t, err)
		listed = append(listed, e.Path)
	}
	require.ElementsMatch(t, paths, listed)

	stored := node.Slot{TS: 9, Candidates: []node.Candidate{{UUID: node.UUID{1}, Origin: 1, Value: []byte("v")},
		{UUID: node.UUID{2}, Origin: 2}},
		Votes: []node.Vote{{Member: 1, UUID: node.UUID{1}}}}
	s.core.set(func(f *fakeCore) {
		f.conflict = []node.ConflictRecord{
			{Path: paths[0], Slot: stored, Bytes: []int{1, 0}, Decision: slot.NewElectorate(nil).Winner(&stored)}}
	})
	conflicts, err := c.Conflicts(ctx, "ü &", 3)
	require.NoError(t, err)
	require.Len(t, conflicts, 1)
	require.Equal(t, "ü & 3", s.core.asked)
	require.NoError(t, s.core.store.Apply([]node.Change{{Key: "r/" + paths[0], Value: slot.Encode(paths[0], &stored)}}))
	candidate, err := c.Candidate(ctx, paths[0], node.UUID{1}.String())
	require.NoError(t, err)
	require.Equal(t, "v", string(candidate.Body))
	_, err = c.Candidate(ctx, paths[0], node.UUID{3}.String())
	require.True(t, client.IsNotFound(err))

	_, err = c.Delete(ctx, "x", node.DefaultLevel)
	require.NoError(t, err)
	_, err = c.Get(ctx, "x", node.DefaultLevel)
	require.True(t, client.IsNotFound(err))
	made, err := c.PutIf(ctx, "x", client.IfAbsent(), []byte("1"), "")
	require.NoError(t, err)
	require.True(t, made.Created)
	_, err = c.PutIf(ctx, "x", client.IfAbsent(), []byte("2"), "")
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.Precondition, e.Code)
	require.Equal(t, api.NotApplied, e.Outcome)
	require.Equal(t, made.ETag, e.ETag, "what is there instead")
	made, err = c.PutIf(ctx, "x", client.IfVersion(made.ETag), []byte("2"), "")
	require.NoError(t, err)
	require.Equal(t, node.Linearizable, made.Level)
	_, err = c.DeleteIf(ctx, "x", client.IfVersion(e.ETag))
	require.Equal(t, api.Precondition, client.CodeOf(err))
	_, err = c.DeleteIf(ctx, "x", client.IfPresent())
	require.NoError(t, err)
	_, err = c.Put(ctx, "x", node.DefaultLevel, make([]byte, 10<<20), "")
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.ValueTooLarge, e.Code, "the reason arrives, although most of the body was never read")

	members, err := c.Members(ctx)
	require.NoError(t, err)
	require.Len(t, members, 4)
	status, err := c.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, "read-only", status.Mode)
	overview, err := c.Cluster(ctx)
	require.NoError(t, err)
	require.Equal(t, status.ID, overview.Node)
	require.NoError(t, c.Live(ctx))
	starting, err := c.Starting(ctx)
	require.NoError(t, err)
	require.Nil(t, starting)
	require.NoError(t, c.Ready(ctx))
	require.NoError(t, c.Join(ctx, []string{"a:1"}))
	s.core.set(func(f *fakeCore) { f.snapshot.Ready = false })
	require.Equal(t, api.NotReady, client.CodeOf(c.Ready(ctx)))
}
