// Package merkle is an incremental hash tree over a set of versioned paths: two holders of such sets find what differs
// by walking down from the root, at a cost that grows with the difference and not with the sets (Merkle, "A Digital
// Signature Based on a Conventional Encryption Function", 1987; used between replicas as in DeCandia et al., "Dynamo",
// 2007, section 4.7).
//
// A path belongs to the leaf of the top 16 bits of its hash. The sum of a node is the sum, modulo 2^64, of the hashes
// of all items below it, so it does not depend on the order of changes, and a change costs one addition a level. Equal
// sums mean equal sets with near certainty; the hash does not protect against deliberate collisions.
//
// It stores no items: the owner of the tree lists the items of a leaf. It is not safe for concurrent use. Begin with
// Tree.
package merkle

// Shape of the tree: level 0 is the root, level Leaves the leaves.
const (
	FanOut    = 16
	Leaves    = 4
	LeafCount = 1 << 16

	pageLeaves = FanOut * FanOut
)

// Tree holds the sums. The zero Tree is that of the empty set; untouched parts take almost no memory.
type Tree struct {
	root  uint64
	upper [2][]uint64 // levels 1 and 2.
	pages [LeafCount / pageLeaves]*page
	room  []leaves `image:"-"` // for the next ones: many share one allocation.
}

// leaves are the sums of neighbouring leaves.
type leaves = [FanOut]uint64

// page holds the sums below a node of level 2: its children, and their children, which are leaves.
type page struct {
	sums   [FanOut]uint64
	leaves [FanOut]*leaves
}

// Hash spreads a path over 64 bits: FNV-1a, then the finalizer of SplitMix64, which FNV's upper bits need.
func Hash(path string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(path) {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	return mix(h)
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Leaf is the leaf of a path with that hash.
func Leaf(hash uint64) uint32 { return uint32(hash >> 48) }

// Item is the hash of one version of a path: a, b and c distinguish it from the other versions of the path.
func Item(pathHash, a, b, c uint64) uint64 {
	h := mix(pathHash + 0x9e3779b97f4a7c15)
	for _, w := range [...]uint64{a, b, c} {
		h = mix((h ^ w) * 0x9e3779b97f4a7c15)
	}
	return h
}

// Add changes the sum of a leaf, and of all above it, by delta: the new item's hash minus the old one's.
func (t *Tree) Add(leaf uint32, delta uint64) {
	if t.upper[0] == nil {
		t.upper = [2][]uint64{make([]uint64, 16), make([]uint64, 256)}
	}
	p := t.pages[leaf/pageLeaves]
	if p == nil {
		p = new(page)
		t.pages[leaf/pageLeaves] = p
	}
	third := leaf / FanOut % FanOut
	at := p.leaves[third]
	if at == nil {
		at = t.newLeaves()
		p.leaves[third] = at
	}
	t.root += delta
	t.upper[0][leaf>>12] += delta
	t.upper[1][leaf>>8] += delta
	p.sums[third] += delta
	at[leaf%FanOut] += delta
}

func (t *Tree) newLeaves() *leaves {
	const together = 8
	if len(t.room) == 0 {
		t.room = make([]leaves, together)
	}
	fresh := &t.room[0]
	t.room = t.room[1:]
	return fresh
}

// Root is the sum over everything.
func (t *Tree) Root() uint64 { return t.root }

// Children are the sums of the nodes below a node of a level above the leaves.
func (t *Tree) Children(level int, node uint32) (sums [FanOut]uint64) {
	switch {
	case t.upper[0] == nil:
	case level == 0 || level == 1:
		copy(sums[:], t.upper[level][node*FanOut:])
	case level == 2:
		if p := t.pages[node]; p != nil {
			sums = p.sums
		}
	default:
		if p := t.pages[node/FanOut]; p != nil && p.leaves[node%FanOut] != nil {
			sums = *p.leaves[node%FanOut]
		}
	}
	return sums
}

// Nodes is how many nodes a level has.
func Nodes(level int) uint32 { return 1 << (4 * level) }
