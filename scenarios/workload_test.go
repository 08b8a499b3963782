package scenarios

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/slot"
)

func generate(w Workload, nodes, client, n int) []Op {
	g := NewGenerator(rand.New(rand.NewPCG(1, uint64(client))), w, nodes, client)
	out := make([]Op, n)
	for i := range out {
		out[i] = g.Next(0)
	}
	return out
}

func TestGeneratorKeepsItsBounds(t *testing.T) {
	w := defaultWorkload()
	w.Keys = 100
	paths := Paths(w.Keys)
	for _, op := range generate(w, 5, 3, 2000) {
		require.GreaterOrEqual(t, op.Think, w.Think)
		require.LessOrEqual(t, op.Think, w.ThinkMax)
		require.GreaterOrEqual(t, op.Node, 1)
		require.LessOrEqual(t, op.Node, 5)
		if op.Kind == OpList {
			require.NoError(t, slot.CheckDirectory(op.Path))
		} else {
			require.Contains(t, paths, op.Path)
		}
		if op.Kind == OpPut {
			require.GreaterOrEqual(t, len(op.Value), w.Value)
			require.LessOrEqual(t, len(op.Value), w.ValueMax)
		} else {
			require.Nil(t, op.Value)
		}
	}
}

func TestGeneratorFollowsTheWeights(t *testing.T) {
	w := defaultWorkload()
	w.Get, w.Put, w.Delete, w.List = 5, 3, 0, 2
	counts := map[OpKind]int{}
	recursive, depths := 0, map[int]int{}
	for _, op := range generate(w, 3, 1, 10_000) {
		counts[op.Kind]++
		if op.Kind == OpList {
			depths[strings.Count(op.Path, "/")]++
			if op.Recursive {
				recursive++
			}
		}
	}
	require.InDelta(t, 5000, counts[OpGet], 300)
	require.InDelta(t, 3000, counts[OpPut], 300)
	require.Zero(t, counts[OpDelete])
	require.InDelta(t, 2000, counts[OpList], 300)
	require.InDelta(t, 1000, recursive, 150)
	require.Len(t, depths, 3, "the root, directories in it, and directories in those")
}

func TestGeneratorHasHotKeys(t *testing.T) {
	w := defaultWorkload()
	w.Keys, w.Hot, w.List = 40, 500_000, 0
	hot := Paths(w.Keys)[:HotKeys(w.Keys)]
	require.Len(t, hot, 4)
	counts, onHot := map[string]int{}, 0
	for _, op := range generate(w, 3, 1, 10_000) {
		counts[op.Path]++
		if slices.Contains(hot, op.Path) {
			onHot++
		}
	}
	require.Len(t, counts, 40, "every key is used")
	require.InDelta(t, 5500, onHot, 300, "half of all, and a tenth of the rest")
	require.Equal(t, 1, HotKeys(3))
}

func TestGeneratorAttaches(t *testing.T) {
	for attach, want := range map[Attach]struct{ reads, writes []int }{
		AttachAny:   {[]int{1, 2, 3}, []int{1, 2, 3}},
		AttachOne:   {[]int{1}, []int{1}},
		AttachOwn:   {[]int{2}, []int{2}},
		AttachApart: {[]int{2, 3}, []int{1}},
	} {
		w := defaultWorkload()
		w.Attach = attach
		reads, writes := map[int]bool{}, map[int]bool{}
		for _, op := range generate(w, 3, 5, 500) {
			if op.Kind == OpGet || op.Kind == OpList {
				reads[op.Node] = true
			} else {
				writes[op.Node] = true
			}
		}
		require.Equal(t, want.reads, sorted(reads), attach)
		require.Equal(t, want.writes, sorted(writes), attach)
		for _, op := range generate(w, 1, 5, 100) {
			require.Equal(t, 1, op.Node, "a cluster of one")
		}
	}
}

func sorted(set map[int]bool) []int {
	var out []int
	for n := range set {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func TestValuesAreUnique(t *testing.T) {
	w := defaultWorkload()
	w.Value, w.ValueMax = 1, 9
	seen, labels := map[string]bool{}, map[string]bool{}
	for client := 1; client <= 12; client++ {
		for _, op := range generate(w, 3, client, 1000) {
			if op.Kind != OpPut {
				continue
			}
			require.False(t, seen[string(op.Value)], "%s", op.Value)
			require.False(t, labels[Label(op.Value)], "%s", op.Value)
			seen[string(op.Value)], labels[Label(op.Value)] = true, true
		}
	}
	require.Greater(t, len(seen), 3000)
	require.True(t, labels["c12.1"])
}

func TestGeneratorIsDeterministic(t *testing.T) {
	require.Equal(t, generate(defaultWorkload(), 3, 2, 500), generate(defaultWorkload(), 3, 2, 500))
	require.NotEqual(t, generate(defaultWorkload(), 3, 2, 500), generate(defaultWorkload(), 3, 3, 500))
	require.Panics(t, func() { NewGenerator(rand.New(rand.NewPCG(1, 2)), Workload{}, 3, 1) })
}

func TestPaths(t *testing.T) {
	require.Equal(t, []string{"a", "a-", "a0", "b", "a/a", "a/a-"}, Paths(6))
	paths := Paths(400)
	seen, deepest := map[string]bool{}, 0
	for _, p := range paths {
		require.NoError(t, slot.CheckPath(p))
		require.False(t, seen[p], p)
		seen[p] = true
		deepest = max(deepest, strings.Count(p, "/"))
	}
	require.Equal(t, 4, deepest)
	require.True(t, seen["a/a/a"] && seen["a/a"] && seen["a"], "a path is a value and a directory")
	require.NoError(t, slot.CheckPath(Paths(KeysMax)[KeysMax-1]))
}

// A mixed workload keeps the levels apart by directory, but for one in which all meet; compare-and-sets are
// linearizable, and values of all levels end.
func TestMixedWorkload(t *testing.T) {
	w := defaultWorkload()
	w.Keys, w.CAS, w.Level, w.Mixed, w.TTL, w.TTLMax = 40, 30, node.Linearizable, true, time.Second, 2*time.Second
	seen := map[string]map[node.Level]int{}
	ending := map[string]int{}
	for _, op := range generate(w, 5, 3, 4000) {
		if op.Kind == OpList {
			continue
		}
		dir := op.Path[:2]
		if seen[dir] == nil {
			seen[dir] = map[node.Level]int{}
		}
		seen[dir][op.Level]++
		if op.TTL > 0 {
			require.True(t, op.TTL >= w.TTL && op.TTL <= w.TTLMax)
			ending[dir]++
		}
		require.True(t, op.Kind != OpCAS || op.Level == node.Linearizable)
	}
	require.Len(t, seen, 4)
	require.Len(t, seen[EventualDir], 1)
	require.Positive(t, seen[EventualDir][node.Eventual])
	require.Len(t, seen[QuorumDir], 1)
	require.Positive(t, seen[QuorumDir][node.Quorum])
	require.Len(t, seen[LinearizableDir], 1)
	require.Positive(t, seen[LinearizableDir][node.Linearizable])
	require.Len(t, seen[MixedDir], 3)
	for _, dir := range mixedDirs {
		require.Positive(t, ending[dir], dir)
	}
	require.Equal(t, LinearizableDir, w.LinearizablePrefix())
	w.Level, w.CAS = node.Quorum, 0
	require.ErrorContains(t, w.check(), "mixed")
}

// The label of a value is what stands before the dots at its end, however many there are.
func TestLabels(t *testing.T) {
	for _, label := range []string{"", "c1.1", "a..b", "...c"} {
		for dots := range 4*len(padding) + 3 {
			require.Equal(t, label, Label([]byte(label+strings.Repeat(".", dots))))
		}
	}
}
