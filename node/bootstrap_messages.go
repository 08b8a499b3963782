package node

import "encoding/binary"

// The messages of a bootstrap. Strings, counts and slots are as in message.go.
//
//	hello      standing u8 (1 ready, 2 serving, 3 pulling, 4 empty), answer u8 (1: tell me yours)
//	plan-ask   seq u64
//	plan       ready u8, keys u64, bytes u64, count, {bound u64}      not ready: so far, no bounds yet
//	page-ask   seq u64, lo u64, hi u64, from, bytes u32
//	page       seq u64, next, scanned u32, count, {path, slot length u32, stored slot}
//
// lo, hi and bounds are timestamps (bootPlan); from and next are edges of key ranges, a next that is empty is the end of the band;
// scanned is how many bytes the server looked at.

// pageEntriesMax bounds a page beside its bytes.
const pageEntriesMax = 1024

// hello says how a member stands.
type hello struct {
	standing standing
	answer   bool
}

func (n *Node) encodeHello(m *hello) []byte {
	b := append(n.beginEnvelope(msgHello, 2), byte(m.standing), 0)
	if m.answer {
		b[len(b)-1] = 1
	}
	return sealEnvelope(b)
}

func decodeHello(body []byte) (m hello, err error) {
	r := wireReader{b: body}
	m.standing = standing(r.u8())
	answer := r.u8()
	m.answer = answer == 1
	r.bad = r.bad || answer > 1 || m.standing == standingUnknown || m.standing >= standingEnd
	return m, r.end()
}

func (n *Node) encodePlanAsk(seq uint64) []byte {
	b := n.beginEnvelope(msgPlanAsk, 8)
	return sealEnvelope(binary.LittleEndian.AppendUint64(b, seq))
}

func decodePlanAsk(body []byte) (seq uint64, err error) {
	r := wireReader{b: body}
	seq = r.u64()
	return seq, r.end()
}

// planMessage is a plan, or what a survey has found so far.
type planMessage struct {
	ready bool
	bootPlan
}

func (n *Node) encodePlan(m *planMessage) []byte {
	b := append(n.beginEnvelope(msgPlan, 21+8*len(m.bounds)), 0)
	if m.ready {
		b[len(b)-1] = 1
	}
	return sealEnvelope(appendPlan(b, &m.bootPlan))
}

func decodePlan(body []byte) (m planMessage, err error) {
	r := wireReader{b: body}
	ready := r.u8()
	m.ready, m.bootPlan = ready == 1, r.plan()
	r.bad = r.bad || ready > 1 || m.ready != (len(m.bounds) > 0) || m.ready && !m.valid()
	return m, r.end()
}

type pageAsk struct {
	seq      uint64
	lo, hi   Timestamp
	from     string
	bytesMax uint32
}

func (n *Node) encodePageAsk(m *pageAsk) []byte {
	b := n.beginEnvelope(msgPageAsk, 30+len(m.from))
	b = binary.LittleEndian.AppendUint64(b, m.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.lo))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.hi))
	b = appendString(b, m.from)
	return sealEnvelope(binary.LittleEndian.AppendUint32(b, m.bytesMax))
}

func decodePageAsk(body []byte) (m pageAsk, err error) {
	r := wireReader{b: body}
	m.seq = r.u64()
	m.lo, m.hi = Timestamp(r.u64()), Timestamp(r.u64())
	m.from = r.bound()
	m.bytesMax = r.u32()
	return m, r.end()
}

type page struct {
	seq     uint64
	next    string
	scanned uint32
	entries []entry
}

func (n *Node) encodePage(m *page) []byte {
	size := 18 + len(m.next)
	for i := range m.entries {
		size += m.entries[i].wireBytes()
	}
	b := n.beginEnvelope(msgPage, size)
	b = binary.LittleEndian.AppendUint64(b, m.seq)
	b = appendString(b, m.next)
	b = binary.LittleEndian.AppendUint32(b, m.scanned)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.entries)))
	for i := range m.entries {
		b = appendString(b, m.entries[i].path)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(m.entries[i].record)))
		b = append(b, m.entries[i].record...)
	}
	return sealEnvelope(b)
}

// decodePage's records share body's memory and are not checked yet.
func decodePage(body []byte) (m page, err error) {
	r := wireReader{b: body}
	m.seq = r.u64()
	m.next = r.bound()
	m.scanned = r.u32()
	count := r.count(pageEntriesMax, replicateEntryMin)
	m.entries = make([]entry, 0, count)
	for range count {
		e := entry{path: r.path()}
		e.record = r.take(int(r.u32()))
		m.entries = append(m.entries, e)
	}
	return m, r.end()
}
