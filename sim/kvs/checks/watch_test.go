package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// What a watcher was shown does not go back, unless it rotted at the member that showed it.
func TestWatchersSeeNoOlderVersion(t *testing.T) {
	w := bare(t)
	c := newWatchCheck(w)
	show := func(n int, log uint64, ts node.Timestamp) []sim.Violation {
		w.TakeViolations()
		c.Observe(&sim.Event{Kind: world.WatchedPath, Replica: w.Replicas[n].Replica, Own: &world.WatchShown{
			Watcher: 1, Log: log, Path: "a", Version: node.Version{TS: ts}, Agreed: true}})
		return w.Violations()
	}
	rots := func(n int, path string) {
		c.Observe(&sim.Event{Kind: sim.EventRotten, Replica: w.Replicas[n].Replica, Key: schema.PrefixRecord + path})
	}
	require.Empty(t, show(1, 7, 9))
	require.Empty(t, show(2, 8, 5), "another log")
	rots(1, "b")
	rots(2, "a")
	requireBroken(t, show(1, 7, 8), promiseWatch, "shows watcher 1 version")
	require.Empty(t, show(1, 7, 9))
	rots(1, "a")
	require.Empty(t, show(1, 7, 8), "a copy of another member comes in its place")
	requireBroken(t, show(1, 7, 6), promiseWatch, "shows watcher 1 version")
}

// The alarm rings for a copy that lacks a path, has one too many, or another version of one.
func TestDiffers(t *testing.T) {
	one, two := node.Version{TS: 1}, node.Version{TS: 2}
	member := map[string]node.Version{"a": one, "b": two}
	require.Empty(t, differs(member, map[string]node.Version{"a": one, "b": two}))
	require.Equal(t, "b", differs(member, map[string]node.Version{"a": one}))
	require.Equal(t, "b", differs(member, map[string]node.Version{"a": one, "b": one}))
	require.Equal(t, "c", differs(member, map[string]node.Version{"a": one, "b": two, "c": one}))
}
