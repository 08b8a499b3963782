package node

import "encoding/binary"

// The messages about the end of tombstones, see gc.go. Integers are little-endian, versions and strings as in message.go.
//
//	gone-ask     round u64, roster u64, count u32, {path, version}
//	gone-answer  round u64, roster u64, upTo u64, fence u64, count u32, {held u8}     in the order of the question
//	gone-word    fence u64, count u32, {member u64, stamp u64} sorted by member, count u32, {path, version}
//
// The roster is a sum over the IDs of all members that have not left. upTo is the last stamp before the answer: every frame of its
// sender up to it is too old for whoever drops what is acknowledged here. The fence is at or above every version, promise and
// ballot the sender has seen.

// goneAsk asks who holds these slots.
type goneAsk struct {
	round  uint64
	roster uint64
	paths  []heldVersion
}

type goneAnswer struct {
	round  uint64
	roster uint64
	upTo   Stamp
	fence  Timestamp
	held   []bool
}

// gone says that all members have acknowledged these slots.
type gone struct {
	fence  Timestamp
	floors []floor
	paths  []heldVersion
}

func appendHeldVersions(b []byte, paths []heldVersion) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(paths)))
	for i := range paths {
		b = appendVersion(appendString(b, paths[i].path), paths[i].Version)
	}
	return b
}

func (r *wireReader) heldVersions(itemsMax int) []heldVersion {
	count := r.count(itemsMax, syncKeyMin)
	out := make([]heldVersion, 0, count)
	for range count {
		out = append(out, heldVersion{path: r.path(), Version: r.version()})
	}
	return out
}

func (n *Node) encodeGone(m *goneAsk) []byte {
	b := n.beginEnvelope(msgGoneAsk, 20+len(m.paths)*64)
	b = binary.LittleEndian.AppendUint64(b, m.round)
	b = binary.LittleEndian.AppendUint64(b, m.roster)
	return sealEnvelope(appendHeldVersions(b, m.paths))
}

func decodeGoneAsk(body []byte) (m goneAsk, err error) {
	r := wireReader{b: body}
	m.round, m.roster = r.u64(), r.u64()
	m.paths = r.heldVersions(collectMax)
	return m, r.end()
}

func (n *Node) encodeGoneAnswer(m *goneAnswer) []byte {
	b := n.beginEnvelope(msgGoneAnswer, 36+len(m.held))
	b = binary.LittleEndian.AppendUint64(b, m.round)
	b = binary.LittleEndian.AppendUint64(b, m.roster)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.upTo))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.fence))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.held)))
	for _, h := range m.held {
		if h {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return sealEnvelope(b)
}

func decodeGoneAnswer(body []byte) (m goneAnswer, err error) {
	r := wireReader{b: body}
	m.round, m.roster, m.upTo, m.fence = r.u64(), r.u64(), Stamp(r.u64()), Timestamp(r.u64())
	count := r.count(collectMax, 1)
	m.held = make([]bool, 0, count)
	for range count {
		h := r.u8()
		r.bad = r.bad || h > 1
		m.held = append(m.held, h == 1)
	}
	r.bad = r.bad || m.fence == ^Timestamp(0)
	return m, r.end()
}

func (n *Node) encodeGoneWord(m *gone) []byte {
	b := n.beginEnvelope(msgGoneWord, 16+len(m.floors)*floorBytes+len(m.paths)*64)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.fence))
	b = appendFloors(b, m.floors)
	return sealEnvelope(appendHeldVersions(b, m.paths))
}

func decodeGoneWord(body []byte) (m gone, err error) {
	r := wireReader{b: body}
	m.fence = Timestamp(r.u64())
	m.floors = r.floors()
	m.paths = r.heldVersions(collectMax)
	r.bad = r.bad || m.fence == ^Timestamp(0)
	return m, r.end()
}
