package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/slot"
)

// The messages that carry records from member to member. Strings are a 16-bit length and bytes; versions are 8 bytes of
// timestamp and 16 of uuid; counts are 32 bits.
//
//	replicate      seq u64, count, {path, slot length u32, stored slot (node/slot)}
//	replicate-ack  seq u64

const (
	KindReplicate    Kind = 3
	KindReplicateAck Kind = 4
)

var recordRows = []Row{
	{Kind: KindReplicate, Name: "replicate", About: SubjectRecords, Operation: true, body: of[Replicate]},
	{Kind: KindReplicateAck, Name: "replicate-ack", About: SubjectRecords, body: of[ReplicateAck]},
}

// Bounds of what one message carries.
const (
	ReplicateEntriesMax = 256
	replicateEntryMin   = 2 + 1 + 4 + slot.BytesMin
)

// Entry is a stored slot on its way to a peer.
type Entry struct {
	Path   string
	Record []byte // encoded; shared and read-only.
}

// WireBytes is what the entry takes in a message.
func (e *Entry) WireBytes() int { return 2 + len(e.Path) + 4 + len(e.Record) }

func roomOfEntries(entries []Entry) (bytes int) {
	for i := range entries {
		bytes += entries[i].WireBytes()
	}
	return bytes
}

func appendEntries(b []byte, entries []Entry) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)))
	for i := range entries {
		b = codec.AppendString(b, entries[i].Path)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(entries[i].Record)))
		b = append(b, entries[i].Record...)
	}
	return b
}

// readEntries reads records that share the message's memory and are not checked yet.
func readEntries(r *codec.Reader, entriesMax, entryMin int) []Entry {
	return readEntriesInto(nil, r, entriesMax, entryMin)
}

// readEntriesInto is readEntries into memory that is used again.
func readEntriesInto(entries []Entry, r *codec.Reader, entriesMax, entryMin int) []Entry {
	count := r.Count(entriesMax, entryMin)
	if clear(entries); count > cap(entries) || entries == nil {
		entries = make([]Entry, 0, count)
	}
	entries = entries[:0]
	for range count {
		e := Entry{Path: slot.ReadPath(r)}
		e.Record = r.Take(int(r.U32()))
		entries = append(entries, e)
	}
	return entries
}

// Replicate carries records. Seq zero asks for no acknowledgement.
type Replicate struct {
	Seq     uint64
	Entries []Entry
}

func (m *Replicate) Room() int { return 12 + roomOfEntries(m.Entries) }

func (m *Replicate) Append(b []byte) []byte {
	return appendEntries(binary.LittleEndian.AppendUint64(b, m.Seq), m.Entries)
}

// Decode's records share body's memory and are not checked yet. The memory of Entries is used again.
func (m *Replicate) Decode(body []byte) error {
	r := codec.Read(body)
	m.Seq, m.Entries = r.U64(), readEntriesInto(m.Entries, r, ReplicateEntriesMax, replicateEntryMin)
	return r.End()
}

func (m *Replicate) Describe() string {
	return fmt.Sprintf("batch %d: %s", m.Seq, detailOfEntries(m.Entries))
}

// ReplicateAck says that the records of a batch are durable.
type ReplicateAck struct{ Seq uint64 }

func (m *ReplicateAck) Room() int { return 8 }

func (m *ReplicateAck) Append(b []byte) []byte { return binary.LittleEndian.AppendUint64(b, m.Seq) }

func (m *ReplicateAck) Decode(body []byte) error {
	r := codec.Read(body)
	m.Seq = r.U64()
	return r.End()
}

func (m *ReplicateAck) Describe() string { return fmt.Sprintf("batch %d", m.Seq) }
