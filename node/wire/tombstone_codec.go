package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/slot"
)

// The messages about the end of tombstones. Integers are little-endian.
//
//	collect-ask     round u64, roster u64, count u32, {path, version}
//	collect-answer  round u64, roster u64, UpTo u64, fence u64, count u32, {held u8}     in the order of the question
//	collected       fence u64, count u32, {member u64, stamp u64} sorted by member, count u32, {path, version}
//
// The roster is a sum over the IDs of all members that have not left. UpTo is the last stamp before the answer: every
// frame of its sender up to it is too old for members that drop a tombstone acknowledged here. The fence is at or above
// every version, promise and ballot the sender has seen.

const (
	// 33 to 35 are reserved for the collection of tombstones.
	KindCollectAsk    Kind = 30
	KindCollectAnswer Kind = 31
	KindCollected     Kind = 32
)

var tombstoneRows = []Row{
	{Kind: KindCollectAsk, Name: "collect-ask", About: SubjectTombstones, body: of[CollectAsk]},
	{Kind: KindCollectAnswer, Name: "collect-answer", About: SubjectTombstones, body: of[CollectAnswer]},
	{Kind: KindCollected, Name: "collected", About: SubjectTombstones, Lasts: true, body: of[Collected]},
}

// Bounds of what one message carries.
const (
	CollectMax = 512  // tombstones in one round.
	FloorsMax  = 4096 // members with a floor.
	floorBytes = 16
)

// Floor is the highest stamp of a member up to which its frames are refused.
type Floor struct {
	Member slot.ID
	Stamp  Stamp
}

func AppendFloors(b []byte, floors []Floor) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(floors)))
	for _, f := range floors {
		b = binary.LittleEndian.AppendUint64(b, uint64(f.Member))
		b = binary.LittleEndian.AppendUint64(b, uint64(f.Stamp))
	}
	return b
}

func ReadFloors(r *codec.Reader) []Floor {
	count := r.Count(FloorsMax, floorBytes)
	out := make([]Floor, 0, count)
	for range count {
		f := Floor{Member: slot.ID(r.U64()), Stamp: Stamp(r.U64())}
		if k := len(out); k > 0 && out[k-1].Member >= f.Member {
			r.Fail()
		}
		out = append(out, f)
	}
	return out
}

// CollectAsk asks a member which of these slots it holds.
type CollectAsk struct {
	Round  uint64
	Roster uint64
	Paths  []HeldVersion
}

func (m *CollectAsk) Room() int { return 20 + len(m.Paths)*64 }

func (m *CollectAsk) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Round)
	b = binary.LittleEndian.AppendUint64(b, m.Roster)
	return appendHeldVersions(b, m.Paths)
}

func (m *CollectAsk) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round, m.Roster = r.U64(), r.U64()
	m.Paths = readHeldVersions(r, CollectMax)
	return r.End()
}

func (m *CollectAsk) Describe() string {
	return fmt.Sprintf("round %d: %s", m.Round, detailOfVersions(m.Paths))
}

// CollectAnswer says which of the slots its sender holds.
type CollectAnswer struct {
	Round  uint64
	Roster uint64
	UpTo   Stamp
	Fence  slot.Timestamp
	Held   []bool
}

func (m *CollectAnswer) Room() int { return 36 + len(m.Held) }

func (m *CollectAnswer) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Round)
	b = binary.LittleEndian.AppendUint64(b, m.Roster)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.UpTo))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Fence))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Held)))
	for _, h := range m.Held {
		b = codec.AppendBool(b, h)
	}
	return b
}

func (m *CollectAnswer) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round, m.Roster, m.UpTo, m.Fence = r.U64(), r.U64(), Stamp(r.U64()), slot.ReadTimestamp(r)
	count := r.Count(CollectMax, 1)
	m.Held = make([]bool, 0, count)
	for range count {
		m.Held = append(m.Held, r.Bool())
	}
	return r.End()
}

func (m *CollectAnswer) Describe() string {
	return fmt.Sprintf("round %d: stamps up to %d, fence %s", m.Round, m.UpTo, m.Fence)
}

// Collected says that all members have acknowledged these slots, so that a member which holds one drops it.
type Collected struct {
	Fence  slot.Timestamp
	Floors []Floor
	Paths  []HeldVersion
}

func (m *Collected) Room() int { return 16 + len(m.Floors)*floorBytes + len(m.Paths)*64 }

func (m *Collected) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Fence))
	b = AppendFloors(b, m.Floors)
	return appendHeldVersions(b, m.Paths)
}

func (m *Collected) Decode(body []byte) error {
	r := codec.Read(body)
	m.Fence = slot.ReadTimestamp(r)
	m.Floors = ReadFloors(r)
	m.Paths = readHeldVersions(r, CollectMax)
	return r.End()
}

func (m *Collected) Describe() string {
	return fmt.Sprintf("fence %s: %s", m.Fence, detailOfVersions(m.Paths))
}
