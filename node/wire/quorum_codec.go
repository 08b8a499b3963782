package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/slot"
)

// The messages of quorum operations:
//
//	store    operation u64, epoch u64, path, slot length u32, stored slot
//	stored   operation u64, epoch u64
//	covered  operation u64, epoch u64, timestamp u64
//	fetch    operation u64, epoch u64, path
//	fetched  operation u64, epoch u64, path, slot length u32 (0: nothing is held), stored slot

const (
	// 16 to 19 were the same without an epoch.
	KindStore   Kind = 20
	KindStored  Kind = 21
	KindFetch   Kind = 22
	KindFetched Kind = 23
	KindCovered Kind = 24
)

var quorumRows = []Row{
	{Kind: KindStore, Name: "store", About: SubjectQuorum, Operation: true, body: of[Store]},
	{Kind: KindStored, Name: "stored", About: SubjectQuorum, Operation: true, body: of[Stored]},
	{Kind: KindFetch, Name: "fetch", About: SubjectQuorum, Operation: true, body: of[Fetch]},
	{Kind: KindFetched, Name: "fetched", About: SubjectQuorum, Operation: true, body: of[Fetched]},
	{Kind: KindCovered, Name: "covered", About: SubjectQuorum, Operation: true, body: of[Covered]},
}

// Store is a slot that is to be stored on behalf of one quorum operation.
type Store struct {
	Op    uint64
	Epoch uint64
	Entry
}

func (m *Store) Room() int { return 16 + m.WireBytes() }

func (m *Store) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Op)
	b = binary.LittleEndian.AppendUint64(b, m.Epoch)
	b = codec.AppendString(b, m.Path)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Record)))
	return append(b, m.Record...)
}

// Decode's record shares body's memory and is not checked yet.
func (m *Store) Decode(body []byte) error {
	err := (*Fetched)(m).Decode(body)
	if err == nil && m.Record == nil {
		err = codec.ErrBadMessage
	}
	return err
}

func (m *Store) Describe() string {
	return fmt.Sprintf("operation %d, epoch %d: %s", m.Op, m.Epoch, detailOfSlot(m.Path, m.Record))
}

// Fetched is what a member holds, on behalf of one quorum operation; a nil record: nothing.
type Fetched Store

func (m *Fetched) Room() int { return (*Store)(m).Room() }

func (m *Fetched) Append(b []byte) []byte { return (*Store)(m).Append(b) }

// Decode's record shares body's memory and is not checked yet.
func (m *Fetched) Decode(body []byte) error {
	r := codec.Read(body)
	m.Op, m.Epoch = r.U64(), r.U64()
	m.Path = slot.ReadPath(r)
	if size := int(r.U32()); size > 0 {
		m.Record = r.Take(size)
	}
	return r.End()
}

func (m *Fetched) Describe() string { return (*Store)(m).Describe() }

// Stored says that a slot is durable, and is the highest version that is held.
type Stored struct {
	Op    uint64
	Epoch uint64
}

func (m *Stored) Room() int { return 16 }

func (m *Stored) Append(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, m.Op), m.Epoch)
}

func (m *Stored) Decode(body []byte) error {
	r := codec.Read(body)
	m.Op, m.Epoch = r.U64(), r.U64()
	return r.End()
}

func (m *Stored) Describe() string {
	return fmt.Sprintf("operation %d, epoch %d", m.Op, m.Epoch)
}

// Covered says that something is durable whose version is above that of the slot which was to be stored. A member that
// does not know this kind of message asks again, and counts the other voters.
type Covered struct {
	Op    uint64
	Epoch uint64
	Above slot.Timestamp // of that version.
}

func (m *Covered) Room() int { return 24 }

func (m *Covered) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Op)
	b = binary.LittleEndian.AppendUint64(b, m.Epoch)
	return binary.LittleEndian.AppendUint64(b, uint64(m.Above))
}

func (m *Covered) Decode(body []byte) error {
	r := codec.Read(body)
	m.Op, m.Epoch, m.Above = r.U64(), r.U64(), slot.Timestamp(r.U64())
	return r.End()
}

func (m *Covered) Describe() string {
	return fmt.Sprintf("operation %d, epoch %d: version %v is above", m.Op, m.Epoch, m.Above)
}

// Fetch asks for a slot on behalf of one quorum operation.
type Fetch struct {
	Op    uint64
	Epoch uint64
	Path  string
}

func (m *Fetch) Room() int { return 18 + len(m.Path) }

func (m *Fetch) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Op)
	b = binary.LittleEndian.AppendUint64(b, m.Epoch)
	return codec.AppendString(b, m.Path)
}

func (m *Fetch) Decode(body []byte) error {
	r := codec.Read(body)
	m.Op, m.Epoch, m.Path = r.U64(), r.U64(), slot.ReadPath(r)
	return r.End()
}

func (m *Fetch) Describe() string {
	return fmt.Sprintf("operation %d, epoch %d: %s", m.Op, m.Epoch, detailOfPath(m.Path))
}
