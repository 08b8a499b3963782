package wire

import (
	"encoding/binary"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/merkle"
	"kvs/node/slot"
)

// The messages of comparisons:
//
//	tree-ask     session u64, level u8, digest u64 of all the asker holds, count, {node u32}
//	tree-answer  session u64, level u8, digest u64 of all the answerer holds, count, {node u32, sums of its children
//	             16 x u64}
//	leaf-ask     session u64, count, {leaf u32}
//	leaf-answer  session u64, leaves u32 (how many of those asked are answered), count, {path, version}
//	sync-pull    count, {path}
//
// Nodes and leaves are in rising order.

const (
	// 5 and 6 were comparisons page by page; 12 to 15 are kept for comparisons.
	KindSyncPull   Kind = 7
	KindTreeAsk    Kind = 8
	KindTreeAnswer Kind = 9
	KindLeafAsk    Kind = 10
	KindLeafAnswer Kind = 11
)

var comparisonRows = []Row{
	{Kind: KindSyncPull, Name: "sync-pull", About: SubjectComparison, body: of[SyncPull]},
	{Kind: KindTreeAsk, Name: "tree-ask", About: SubjectComparison, body: of[TreeAsk]},
	{Kind: KindTreeAnswer, Name: "tree-answer", About: SubjectComparison, body: of[TreeAnswer]},
	{Kind: KindLeafAsk, Name: "leaf-ask", About: SubjectComparison, body: of[LeafAsk]},
	{Kind: KindLeafAnswer, Name: "leaf-answer", About: SubjectComparison, body: of[LeafAnswer]},
}

// Bounds of what one message carries.
const (
	TreeNodesMax = 64
	leavesMax    = 64
	SyncPullMax  = contract.SyncKeysMax
	syncKeyMin   = 2 + 1 + 24

	// leafKeysHardMax bounds what is read; one leaf alone may hold more than SyncKeysMax.
	leafKeysHardMax = 1 << 18
)

// HeldVersion is one path's version on a member: the timestamp of its slot, and the slot's sum in place of a UUID.
type HeldVersion struct {
	Path string
	slot.Version
}

func appendHeldVersions(b []byte, paths []HeldVersion) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(paths)))
	for i := range paths {
		b = slot.AppendVersion(codec.AppendString(b, paths[i].Path), paths[i].Version)
	}
	return b
}

func readHeldVersions(r *codec.Reader, itemsMax int) []HeldVersion {
	count := r.Count(itemsMax, syncKeyMin)
	out := make([]HeldVersion, 0, count)
	for range count {
		out = append(out, HeldVersion{Path: slot.ReadPath(r), Version: slot.ReadVersion(r)})
	}
	return out
}

func appendPaths(b []byte, paths []string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(paths)))
	for _, p := range paths {
		b = codec.AppendString(b, p)
	}
	return b
}

func readPaths(r *codec.Reader, pathsMax int) []string {
	count := r.Count(pathsMax, 3)
	paths := make([]string, 0, count)
	for range count {
		paths = append(paths, slot.ReadPath(r))
	}
	return paths
}

func appendNodes(b []byte, nodes []uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(nodes)))
	for _, node := range nodes {
		b = binary.LittleEndian.AppendUint32(b, node)
	}
	return b
}

// readNodes reads rising numbers below limit.
func readNodes(r *codec.Reader, countMax int, limit uint32) []uint32 {
	count := r.Count(countMax, 4)
	out := make([]uint32, 0, count)
	for range count {
		node := r.U32()
		if k := len(out); node >= limit || k > 0 && out[k-1] >= node {
			r.Fail()
		}
		out = append(out, node)
	}
	return out
}

// readTreeLevel reads a level above the leaves.
func readTreeLevel(r *codec.Reader) int {
	level := int(r.U8())
	if level >= merkle.Leaves {
		r.Fail()
		return 0
	}
	return level
}

// TreeAsk asks for the sums below nodes of one level.
type TreeAsk struct {
	Session uint64
	Level   int
	Digest  uint64
	Nodes   []uint32
}

func (m *TreeAsk) Room() int { return 21 + 4*len(m.Nodes) }

func (m *TreeAsk) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Session)
	b = append(b, byte(m.Level))
	b = binary.LittleEndian.AppendUint64(b, m.Digest)
	return appendNodes(b, m.Nodes)
}

func (m *TreeAsk) Decode(body []byte) error {
	r := codec.Read(body)
	m.Session, m.Level, m.Digest = r.U64(), readTreeLevel(r), r.U64()
	m.Nodes = readNodes(r, TreeNodesMax, merkle.Nodes(m.Level))
	return r.End()
}

func (m *TreeAsk) Describe() string { return "" }

// TreeAnswer carries the sums; no nodes: all is equal.
type TreeAnswer struct {
	Session  uint64
	Level    int
	Digest   uint64
	Nodes    []uint32
	Children [][merkle.FanOut]uint64 // of each node.
}

func (m *TreeAnswer) Room() int { return 21 + len(m.Nodes)*(4+8*merkle.FanOut) }

func (m *TreeAnswer) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Session)
	b = append(b, byte(m.Level))
	b = binary.LittleEndian.AppendUint64(b, m.Digest)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Nodes)))
	for i, node := range m.Nodes {
		b = binary.LittleEndian.AppendUint32(b, node)
		for _, sum := range m.Children[i] {
			b = binary.LittleEndian.AppendUint64(b, sum)
		}
	}
	return b
}

func (m *TreeAnswer) Decode(body []byte) error {
	r := codec.Read(body)
	m.Session, m.Level, m.Digest = r.U64(), readTreeLevel(r), r.U64()
	for range r.Count(TreeNodesMax, 4+8*merkle.FanOut) {
		m.Nodes = append(m.Nodes, r.U32())
		var sums [merkle.FanOut]uint64
		for i := range sums {
			sums[i] = r.U64()
		}
		m.Children = append(m.Children, sums)
	}
	return r.End()
}

func (m *TreeAnswer) Describe() string { return "" }

// LeafAsk asks for the versions in leaves.
type LeafAsk struct {
	Session uint64
	Leaves  []uint32
}

func (m *LeafAsk) Room() int { return 12 + 4*len(m.Leaves) }

func (m *LeafAsk) Append(b []byte) []byte {
	return appendNodes(binary.LittleEndian.AppendUint64(b, m.Session), m.Leaves)
}

func (m *LeafAsk) Decode(body []byte) error {
	r := codec.Read(body)
	m.Session, m.Leaves = r.U64(), readNodes(r, leavesMax, merkle.LeafCount)
	return r.End()
}

func (m *LeafAsk) Describe() string { return "" }

// LeafAnswer carries the versions in the first of the requested leaves.
type LeafAnswer struct {
	Session uint64
	Leaves  int
	Keys    []HeldVersion
}

func (m *LeafAnswer) Room() int { return 16 + len(m.Keys)*64 }

func (m *LeafAnswer) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Session)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Leaves))
	return appendHeldVersions(b, m.Keys)
}

func (m *LeafAnswer) Decode(body []byte) error {
	r := codec.Read(body)
	m.Session, m.Leaves = r.U64(), int(r.U32())
	r.FailIf(m.Leaves < 1 || m.Leaves > leavesMax)
	m.Keys = readHeldVersions(r, leafKeysHardMax)
	return r.End()
}

func (m *LeafAnswer) Describe() string { return detailOfVersions(m.Keys) }

// SyncPull asks for records.
type SyncPull struct{ Paths []string }

func (m *SyncPull) Room() int { return 4 + len(m.Paths)*32 }

func (m *SyncPull) Append(b []byte) []byte { return appendPaths(b, m.Paths) }

func (m *SyncPull) Decode(body []byte) error {
	r := codec.Read(body)
	m.Paths = readPaths(r, SyncPullMax)
	return r.End()
}

func (m *SyncPull) Describe() string { return detailOfPaths(m.Paths) }
