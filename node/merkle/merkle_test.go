package merkle_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/merkle"
)

// naive computes every sum from the items each time.
type naive map[string]uint64 // path -> item hash.

func (n naive) sum(level int, node uint32) (sum uint64) {
	for path, item := range n {
		if merkle.Leaf(merkle.Hash(path))>>(4*(merkle.Leaves-level)) == node {
			sum += item
		}
	}
	return sum
}

func TestTreeIsTheNaiveOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var tree merkle.Tree
	all := naive{}
	for range 2000 {
		path := fmt.Sprint(rng.IntN(300))
		h := merkle.Hash(path)
		item := uint64(0)
		if rng.IntN(3) > 0 {
			item = merkle.Item(h, rng.Uint64(), 2, 3)
		}
		tree.Add(merkle.Leaf(h), item-all[path])
		all[path] = item
	}
	require.Equal(t, all.sum(0, 0), tree.Root())
	for level := range merkle.Leaves {
		for range 200 {
			node := rng.Uint32N(merkle.Nodes(level))
			for i, sum := range tree.Children(level, node) {
				require.Equal(t, all.sum(level+1, node*merkle.FanOut+uint32(i)), sum)
			}
		}
	}
}

func TestEmptyAgain(t *testing.T) {
	var tree, empty merkle.Tree
	require.Zero(t, tree.Root())
	require.Zero(t, tree.Children(3, 4095))
	h := merkle.Hash("a")
	item := merkle.Item(h, 1, 2, 3)
	tree.Add(merkle.Leaf(h), item)
	require.NotZero(t, tree.Root())
	tree.Add(merkle.Leaf(h), -item)
	for level := range merkle.Leaves {
		require.Equal(t, empty.Children(level, 0), tree.Children(level, 0))
	}
}

// Neighbouring paths spread over the leaves, and every word of an item counts.
func TestHashes(t *testing.T) {
	leaves := map[uint32]bool{}
	for i := range 4096 {
		leaves[merkle.Leaf(merkle.Hash(fmt.Sprintf("users/%d", i)))] = true
	}
	require.Greater(t, len(leaves), 3800, "about 3970 of 4096 are expected to be alone")
	h := merkle.Hash("p")
	items := map[uint64]bool{merkle.Item(h, 1, 2, 3): true, merkle.Item(h, 2, 2, 3): true,
		merkle.Item(h, 1, 3, 3): true,
		merkle.Item(h, 1, 2, 4): true, merkle.Item(h, 2, 1, 3): true, merkle.Item(merkle.Hash("q"), 1, 2, 3): true}
	require.Len(t, items, 6)
}

func BenchmarkAdd(b *testing.B) {
	var tree merkle.Tree
	for i := range b.N {
		tree.Add(uint32(i*40503)%merkle.LeafCount, uint64(i))
	}
}
