package node

import (
	"encoding/binary"
	"fmt"
)

// The messages about epochs and catching up:
//
//	epoch, passed-ask, passed-is, adopted-ask, adopted-is   epoch u64
//	word-ask, word, word-back   attempt u64 (founding.go)
//	catch-range   round u64, epoch u64, from, to, keys u32, hash u64
//	catch-keys    round u64, from, to, equal u8, count, {path, version}
//	catch-pull    round u64, count, {path}
//	catch-slots   round u64, count, {path, slot length u32 (0: nothing is held any more), stored slot}

func (n *Node) encodeEpoch(kind msgKind, epoch uint64) []byte {
	return sealEnvelope(binary.LittleEndian.AppendUint64(n.beginEnvelope(kind, 8), epoch))
}

func decodeEpoch(body []byte) (epoch uint64, err error) {
	r := wireReader{b: body}
	epoch = r.u64()
	return epoch, r.end()
}

func (n *Node) encodeWord(kind msgKind, attempt uint64) []byte { return n.encodeEpoch(kind, attempt) }

func decodeWord(body []byte) (attempt uint64, err error) { return decodeEpoch(body) }

type catchRange struct {
	round uint64
	epoch uint64
	keyRange
	sum rangeSum
}

func (n *Node) encodeCatchRange(m *catchRange) []byte {
	b := n.beginEnvelope(msgCatchRange, 32+len(m.from)+len(m.to))
	b = binary.LittleEndian.AppendUint64(b, m.round)
	b = binary.LittleEndian.AppendUint64(b, m.epoch)
	b = appendString(appendString(b, m.from), m.to)
	b = binary.LittleEndian.AppendUint32(b, m.sum.keys)
	return sealEnvelope(binary.LittleEndian.AppendUint64(b, m.sum.hash))
}

func decodeCatchRange(body []byte) (m catchRange, err error) {
	r := wireReader{b: body}
	m.round, m.epoch = r.u64(), r.u64()
	m.from, m.to = r.bound(), r.bound()
	m.sum = rangeSum{keys: r.u32(), hash: r.u64()}
	return m, r.end()
}

type catchKeys struct {
	round uint64
	keyRange
	equal bool // the asked range is the same here: keys is empty.
	keys  []heldVersion
}

func (n *Node) encodeCatchKeys(m *catchKeys) []byte {
	b := n.beginEnvelope(msgCatchKeys, 17+len(m.from)+len(m.to)+len(m.keys)*64)
	b = binary.LittleEndian.AppendUint64(b, m.round)
	b = appendString(appendString(b, m.from), m.to)
	if m.equal {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.keys)))
	for i := range m.keys {
		b = appendVersion(appendString(b, m.keys[i].path), m.keys[i].Version)
	}
	return sealEnvelope(b)
}

func decodeCatchKeys(body []byte) (m catchKeys, err error) {
	r := wireReader{b: body}
	m.round = r.u64()
	m.from, m.to = r.bound(), r.bound()
	equal := r.u8()
	m.equal = equal == 1
	count := r.count(catchUpKeysMax, 2+1+24)
	r.bad = r.bad || equal > 1 || m.equal && count > 0 || m.to != "" && m.to <= m.from
	for range count {
		m.keys = append(m.keys, heldVersion{path: r.path(), Version: r.version()})
	}
	return m, r.end()
}

func (n *Node) encodeCatchPull(round uint64, paths []string) []byte {
	b := n.beginEnvelope(msgCatchPull, 12+len(paths)*32)
	b = binary.LittleEndian.AppendUint64(b, round)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(paths)))
	for _, p := range paths {
		b = appendString(b, p)
	}
	return sealEnvelope(b)
}

func decodeCatchPull(body []byte) (round uint64, paths []string, err error) {
	r := wireReader{b: body}
	round = r.u64()
	for range r.count(catchUpPullMax, 3) {
		paths = append(paths, r.path())
	}
	return round, paths, r.end()
}

func (n *Node) encodeCatchSlots(m *replicate) []byte {
	size := 12
	for i := range m.entries {
		size += m.entries[i].wireBytes()
	}
	b := n.beginEnvelope(msgCatchSlots, size)
	b = binary.LittleEndian.AppendUint64(b, m.seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.entries)))
	for i := range m.entries {
		b = appendString(b, m.entries[i].path)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(m.entries[i].record)))
		b = append(b, m.entries[i].record...)
	}
	return sealEnvelope(b)
}

// decodeCatchSlots' records share body's memory and are not checked yet.
func decodeCatchSlots(body []byte) (m replicate, err error) {
	r := wireReader{b: body}
	m.seq = r.u64()
	for range r.count(catchUpPullMax, 2+1+4) {
		e := entry{path: r.path()}
		e.record = r.take(int(r.u32()))
		m.entries = append(m.entries, e)
	}
	return m, r.end()
}

// The record m/passed: format u8, epoch u64, sealed like the other facts.
func encodePassed(epoch uint64) []byte {
	return sealMeta(keyPassed, binary.LittleEndian.AppendUint64([]byte{metaFormat}, epoch))
}

func (n *Node) recoverPassed() error {
	r, err := n.readMeta(keyPassed)
	if err != nil || r == nil {
		return err
	}
	n.passed = r.u64()
	if r.end() != nil {
		return fmt.Errorf("recover %s: impossible content: %w", keyPassed, ErrCorrupt)
	}
	return nil
}
