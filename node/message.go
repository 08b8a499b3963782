package node

import "encoding/binary"

// The bodies of the messages between members. Strings are a 16-bit length and bytes; versions are 8 bytes of timestamp and
// 16 of uuid; counts are 32 bits.
//
//	replicate      seq u64, count, {path, slot length u32, stored slot (slot_encoding.go)}
//	replicate-ack  seq u64
//	store          operation u64, epoch u64, path, slot length u32, stored slot
//	stored         operation u64, epoch u64
//	fetch          operation u64, epoch u64, path
//	fetched        operation u64, epoch u64, path, slot length u32 (0: nothing is held), stored slot
//
// A range holds the paths p with from <= p, and p < to unless to is empty.

// Bounds of what one message carries.
const (
	replicateEntriesMax = 256
	syncKeysMax         = 2048
	syncPullMax         = syncKeysMax
	replicateEntryMin   = 2 + 1 + 4 + slotBytesMin
	syncKeyMin          = 2 + 1 + 24
)

// entry is a stored slot on its way to a peer.
type entry struct {
	path   string
	record []byte // encoded; shared and read-only.
}

func (e *entry) wireBytes() int { return 2 + len(e.path) + 4 + len(e.record) }

// replicate carries records. Seq zero asks for no acknowledgement.
type replicate struct {
	seq     uint64
	entries []entry
}

func (n *Node) encodeReplicate(m *replicate) []byte {
	size := 12
	for i := range m.entries {
		size += m.entries[i].wireBytes()
	}
	b := n.beginEnvelope(msgReplicate, size)
	b = binary.LittleEndian.AppendUint64(b, m.seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.entries)))
	for i := range m.entries {
		b = appendString(b, m.entries[i].path)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(m.entries[i].record)))
		b = append(b, m.entries[i].record...)
	}
	return sealEnvelope(b)
}

// decodeReplicate's records share body's memory and are not checked yet.
func decodeReplicate(body []byte) (m replicate, err error) {
	r := wireReader{b: body}
	m.seq = r.u64()
	count := r.count(replicateEntriesMax, replicateEntryMin)
	m.entries = make([]entry, 0, count)
	for range count {
		e := entry{path: r.path()}
		e.record = r.take(int(r.u32()))
		m.entries = append(m.entries, e)
	}
	return m, r.end()
}

func (n *Node) encodeReplicateAck(seq uint64) []byte {
	b := n.beginEnvelope(msgReplicateAck, 8)
	return sealEnvelope(binary.LittleEndian.AppendUint64(b, seq))
}

func decodeReplicateAck(body []byte) (seq uint64, err error) {
	r := wireReader{b: body}
	seq = r.u64()
	return seq, r.end()
}

// keyRange is the paths p with from <= p, and p < to unless to is empty.
type keyRange struct{ from, to string }

func (k keyRange) holds(path string) bool { return path >= k.from && (k.to == "" || path < k.to) }

// rangeSum tells apart, all but certainly, two different sets of versions.
type rangeSum struct {
	keys uint32
	hash uint64
}

// add takes in the next path in order.
func (s *rangeSum) add(path string, v Version) {
	h := s.hash
	if s.keys == 0 {
		h = 14695981039346656037
	}
	for i := range len(path) {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	h = (h ^ uint64(v.TS)) * 1099511628211
	h ^= h >> 29
	h = (h ^ binary.LittleEndian.Uint64(v.UUID[:8])) * 1099511628211
	h ^= h >> 32
	h = (h ^ binary.LittleEndian.Uint64(v.UUID[8:])) * 1099511628211
	s.hash = h ^ h>>31
	s.keys++
}

// heldVersion is one path's version on a member: the timestamp of its slot, and the slot's sum in place of a UUID.
type heldVersion struct {
	path string
	Version
}

func (n *Node) encodeSyncPull(paths []string) []byte {
	b := n.beginEnvelope(msgSyncPull, 4+len(paths)*32)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(paths)))
	for _, p := range paths {
		b = appendString(b, p)
	}
	return sealEnvelope(b)
}

func decodeSyncPull(body []byte) (paths []string, err error) {
	r := wireReader{b: body}
	count := r.count(syncPullMax, 3)
	paths = make([]string, 0, count)
	for range count {
		paths = append(paths, r.path())
	}
	return paths, r.end()
}

// storeMessage is a slot on behalf of one quorum operation: what is to be stored, or what is held.
type storeMessage struct {
	op    uint64
	epoch uint64
	entry
}

func (n *Node) encodeStore(m *storeMessage) []byte   { return n.encodeStoreAs(msgStore, m) }
func (n *Node) encodeFetched(m *storeMessage) []byte { return n.encodeStoreAs(msgFetched, m) }

func (n *Node) encodeStoreAs(kind msgKind, m *storeMessage) []byte {
	b := n.beginEnvelope(kind, 16+m.wireBytes())
	b = binary.LittleEndian.AppendUint64(b, m.op)
	b = binary.LittleEndian.AppendUint64(b, m.epoch)
	b = appendString(b, m.path)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.record)))
	return sealEnvelope(append(b, m.record...))
}

// decodeStore's record shares body's memory and is not checked yet.
func decodeStore(body []byte) (m storeMessage, err error) {
	m, err = decodeFetched(body)
	if err == nil && m.record == nil {
		err = ErrBadMessage
	}
	return m, err
}

func decodeFetched(body []byte) (m storeMessage, err error) {
	r := wireReader{b: body}
	m.op, m.epoch = r.u64(), r.u64()
	m.path = r.path()
	if size := int(r.u32()); size > 0 {
		m.record = r.take(size)
	}
	return m, r.end()
}

func (n *Node) encodeStored(op, epoch uint64) []byte {
	b := n.beginEnvelope(msgStored, 16)
	b = binary.LittleEndian.AppendUint64(b, op)
	return sealEnvelope(binary.LittleEndian.AppendUint64(b, epoch))
}

func decodeStored(body []byte) (op, epoch uint64, err error) {
	r := wireReader{b: body}
	op, epoch = r.u64(), r.u64()
	return op, epoch, r.end()
}

// fetchMessage asks for a slot on behalf of one quorum operation.
type fetchMessage struct {
	op    uint64
	epoch uint64
	path  string
}

func (n *Node) encodeFetch(m *fetchMessage) []byte {
	b := n.beginEnvelope(msgFetch, 18+len(m.path))
	b = binary.LittleEndian.AppendUint64(b, m.op)
	b = binary.LittleEndian.AppendUint64(b, m.epoch)
	return sealEnvelope(appendString(b, m.path))
}

func decodeFetch(body []byte) (m fetchMessage, err error) {
	r := wireReader{b: body}
	m.op, m.epoch, m.path = r.u64(), r.u64(), r.path()
	return m, r.end()
}
