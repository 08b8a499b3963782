package node

import (
	"encoding/binary"

	"kvs/node/merkle"
)

// The messages of comparisons:
//
//	tree-ask     session u64, level u8, digest u64 of all the asker holds, count, {node u32}
//	tree-answer  session u64, level u8, digest u64 of all the answerer holds, count, {node u32, sums of its children 16 x u64}
//	leaf-ask     session u64, count, {leaf u32}
//	leaf-answer  session u64, leaves u32 (how many of those asked are answered), count, {path, version}
//	sync-pull    count, {path}
//
// Nodes and leaves are in rising order.
const (
	treeNodesMax = 64
	leavesMax    = 64
)

type treeAsk struct {
	session uint64
	level   int
	digest  uint64
	nodes   []uint32
}

func (n *Node) encodeTreeAsk(m *treeAsk) []byte {
	b := n.beginEnvelope(msgTreeAsk, 21+4*len(m.nodes))
	b = binary.LittleEndian.AppendUint64(b, m.session)
	b = append(b, byte(m.level))
	b = binary.LittleEndian.AppendUint64(b, m.digest)
	return sealEnvelope(appendNodes(b, m.nodes))
}

func appendNodes(b []byte, nodes []uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(nodes)))
	for _, node := range nodes {
		b = binary.LittleEndian.AppendUint32(b, node)
	}
	return b
}

// nodes reads rising numbers below limit.
func (r *wireReader) nodes(countMax int, limit uint32) []uint32 {
	count := r.count(countMax, 4)
	out := make([]uint32, 0, count)
	for range count {
		node := r.u32()
		if k := len(out); node >= limit || k > 0 && out[k-1] >= node {
			r.bad = true
		}
		out = append(out, node)
	}
	return out
}

// treeLevel reads a level above the leaves.
func (r *wireReader) treeLevel() int {
	level := int(r.u8())
	if level >= merkle.Leaves {
		r.bad = true
		return 0
	}
	return level
}

func decodeTreeAsk(body []byte) (m treeAsk, err error) {
	r := wireReader{b: body}
	m.session, m.level, m.digest = r.u64(), r.treeLevel(), r.u64()
	m.nodes = r.nodes(treeNodesMax, merkle.Nodes(m.level))
	return m, r.end()
}

type treeAnswer struct {
	session  uint64
	level    int
	digest   uint64
	nodes    []uint32
	children [][merkle.FanOut]uint64 // of each node.
}

func (n *Node) encodeTreeAnswer(m *treeAnswer) []byte {
	b := n.beginEnvelope(msgTreeAnswer, 21+len(m.nodes)*(4+8*merkle.FanOut))
	b = binary.LittleEndian.AppendUint64(b, m.session)
	b = append(b, byte(m.level))
	b = binary.LittleEndian.AppendUint64(b, m.digest)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.nodes)))
	for i, node := range m.nodes {
		b = binary.LittleEndian.AppendUint32(b, node)
		for _, sum := range m.children[i] {
			b = binary.LittleEndian.AppendUint64(b, sum)
		}
	}
	return sealEnvelope(b)
}

func decodeTreeAnswer(body []byte) (m treeAnswer, err error) {
	r := wireReader{b: body}
	m.session, m.level, m.digest = r.u64(), r.treeLevel(), r.u64()
	for range r.count(treeNodesMax, 4+8*merkle.FanOut) {
		m.nodes = append(m.nodes, r.u32())
		var sums [merkle.FanOut]uint64
		for i := range sums {
			sums[i] = r.u64()
		}
		m.children = append(m.children, sums)
	}
	return m, r.end()
}

func (n *Node) encodeLeafAsk(session uint64, leaves []uint32) []byte {
	b := n.beginEnvelope(msgLeafAsk, 12+4*len(leaves))
	return sealEnvelope(appendNodes(binary.LittleEndian.AppendUint64(b, session), leaves))
}

func decodeLeafAsk(body []byte) (session uint64, leaves []uint32, err error) {
	r := wireReader{b: body}
	session = r.u64()
	leaves = r.nodes(leavesMax, merkle.LeafCount)
	return session, leaves, r.end()
}

type leafAnswer struct {
	session uint64
	leaves  int
	keys    []heldVersion
}

func (n *Node) encodeLeafAnswer(m *leafAnswer) []byte {
	b := n.beginEnvelope(msgLeafAnswer, 16+len(m.keys)*64)
	b = binary.LittleEndian.AppendUint64(b, m.session)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.leaves))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.keys)))
	for i := range m.keys {
		b = appendVersion(appendString(b, m.keys[i].path), m.keys[i].Version)
	}
	return sealEnvelope(b)
}

func decodeLeafAnswer(body []byte) (m leafAnswer, err error) {
	r := wireReader{b: body}
	m.session, m.leaves = r.u64(), int(r.u32())
	count := r.count(leafKeysHardMax, syncKeyMin)
	r.bad = r.bad || m.leaves < 1 || m.leaves > leavesMax
	for range count {
		m.keys = append(m.keys, heldVersion{path: r.path(), Version: r.version()})
	}
	return m, r.end()
}

// leafKeysHardMax bounds what is read; one leaf alone may hold more than syncKeysMax.
const leafKeysHardMax = 1 << 18
