package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/slot"
)

// The messages about epochs and catching up:
//
//	epoch, passed-ask, passed-is, adopted-ask, adopted-is   epoch u64
//	word-ask, word, word-back   attempt u64
//	catch-range   round u64, epoch u64, from, to, keys u32, hash u64
//	catch-keys    round u64, from, to, equal u8, count, {path, version}
//	catch-pull    round u64, count, {path}
//	catch-slots   round u64, count, {path, slot length u32 (0: nothing is held any more), stored slot}
//
// A range holds the paths p with from <= p, and p < to unless to is empty.

const (
	KindEpoch      Kind = 47
	KindPassedAsk  Kind = 48
	KindPassedIs   Kind = 49
	KindCatchRange Kind = 50
	KindCatchKeys  Kind = 51
	KindCatchPull  Kind = 52
	KindCatchSlots Kind = 53
	KindAdoptedAsk Kind = 54
	KindAdoptedIs  Kind = 55
	KindWordAsk    Kind = 56
	KindWord       Kind = 57
	KindWordBack   Kind = 58
)

var epochRows = []Row{
	{Kind: KindEpoch, Name: "epoch", About: SubjectConfiguration, body: of[Epoch]},
	{Kind: KindPassedAsk, Name: "passed-ask", About: SubjectConfiguration, body: of[Epoch]},
	{Kind: KindPassedIs, Name: "passed-is", About: SubjectConfiguration, Lasts: true, body: of[Epoch]},
	{Kind: KindCatchRange, Name: "catch-range", About: SubjectConfiguration, body: of[CatchRange]},
	{Kind: KindCatchKeys, Name: "catch-keys", About: SubjectConfiguration, body: of[CatchKeys]},
	{Kind: KindCatchPull, Name: "catch-pull", About: SubjectConfiguration, body: of[CatchPull]},
	{Kind: KindCatchSlots, Name: "catch-slots", About: SubjectConfiguration, body: of[CatchSlots]},
	{Kind: KindAdoptedAsk, Name: "adopted-ask", About: SubjectConfiguration, body: of[Epoch]},
	{Kind: KindAdoptedIs, Name: "adopted-is", About: SubjectConfiguration, Lasts: true, body: of[Epoch]},
	{Kind: KindWordAsk, Name: "word-ask", About: SubjectConfiguration, body: of[Word]},
	{Kind: KindWord, Name: "word", About: SubjectConfiguration, body: of[Word]},
	{Kind: KindWordBack, Name: "word-back", About: SubjectConfiguration, body: of[Word]},
}

// Bounds of what one message carries.
const (
	CatchUpKeysMax = 2048
	CatchUpPullMax = 256
)

// Epoch names an epoch: the kind tells what is asked or answered about it.
type Epoch struct{ Epoch uint64 }

func (m *Epoch) Room() int { return 8 }

func (m *Epoch) Append(b []byte) []byte { return binary.LittleEndian.AppendUint64(b, m.Epoch) }

func (m *Epoch) Decode(body []byte) error {
	r := codec.Read(body)
	m.Epoch = r.U64()
	return r.End()
}

func (m *Epoch) Describe() string { return fmt.Sprintf("epoch %d", m.Epoch) }

// Word is about the word that a member gives one founder of the cluster.
type Word struct{ Attempt uint64 }

func (m *Word) Room() int { return 8 }

func (m *Word) Append(b []byte) []byte { return binary.LittleEndian.AppendUint64(b, m.Attempt) }

func (m *Word) Decode(body []byte) error {
	r := codec.Read(body)
	m.Attempt = r.U64()
	return r.End()
}

func (m *Word) Describe() string { return "" }

// KeyRange is the paths p with from <= p, and p < to unless to is empty.
type KeyRange struct{ From, To string }

func (k KeyRange) Holds(path string) bool { return path >= k.From && (k.To == "" || path < k.To) }

// RangeSum is a hash of a set of versions: different sets have different sums with near certainty.
type RangeSum struct {
	Keys uint32
	Hash uint64
}

// Add takes in the next path in order.
func (s *RangeSum) Add(path string, v slot.Version) {
	h := s.Hash
	if s.Keys == 0 {
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
	s.Hash = h ^ h>>31
	s.Keys++
}

// CatchRange asks a voter of the epoch before what it holds in a range.
type CatchRange struct {
	Round uint64
	Epoch uint64
	KeyRange
	Sum RangeSum
}

func (m *CatchRange) Room() int { return 32 + len(m.From) + len(m.To) }

func (m *CatchRange) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Round)
	b = binary.LittleEndian.AppendUint64(b, m.Epoch)
	b = codec.AppendString(codec.AppendString(b, m.From), m.To)
	b = binary.LittleEndian.AppendUint32(b, m.Sum.Keys)
	return binary.LittleEndian.AppendUint64(b, m.Sum.Hash)
}

func (m *CatchRange) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round, m.Epoch = r.U64(), r.U64()
	m.From, m.To = slot.ReadBound(r), slot.ReadBound(r)
	m.Sum = RangeSum{Keys: r.U32(), Hash: r.U64()}
	return r.End()
}

func (m *CatchRange) Describe() string {
	return fmt.Sprintf("round %d, epoch %d: %d paths from %q to %q", m.Round, m.Epoch, m.Sum.Keys, detailOfPath(m.From),
		detailOfPath(m.To))
}

// CatchKeys carries the versions in a range, or that they are the same.
type CatchKeys struct {
	Round uint64
	KeyRange
	Equal bool // the asked range is the same here: keys is empty.
	Keys  []HeldVersion
}

func (m *CatchKeys) Room() int { return 17 + len(m.From) + len(m.To) + len(m.Keys)*64 }

func (m *CatchKeys) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Round)
	b = codec.AppendString(codec.AppendString(b, m.From), m.To)
	return appendHeldVersions(codec.AppendBool(b, m.Equal), m.Keys)
}

func (m *CatchKeys) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round = r.U64()
	m.From, m.To = slot.ReadBound(r), slot.ReadBound(r)
	m.Equal = r.Bool()
	m.Keys = readHeldVersions(r, CatchUpKeysMax)
	r.FailIf(m.Equal && len(m.Keys) > 0 || m.To != "" && m.To <= m.From)
	return r.End()
}

func (m *CatchKeys) Describe() string {
	return fmt.Sprintf("round %d: %s", m.Round, detailOfVersions(m.Keys))
}

// CatchPull asks for slots.
type CatchPull struct {
	Round uint64
	Paths []string
}

func (m *CatchPull) Room() int { return 12 + len(m.Paths)*32 }

func (m *CatchPull) Append(b []byte) []byte {
	return appendPaths(binary.LittleEndian.AppendUint64(b, m.Round), m.Paths)
}

func (m *CatchPull) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round, m.Paths = r.U64(), readPaths(r, CatchUpPullMax)
	return r.End()
}

func (m *CatchPull) Describe() string {
	return fmt.Sprintf("round %d: %s", m.Round, detailOfPaths(m.Paths))
}

// CatchSlots brings slots; an empty record: nothing is held any more.
type CatchSlots struct {
	Round   uint64
	Entries []Entry
}

func (m *CatchSlots) Room() int { return 12 + roomOfEntries(m.Entries) }

func (m *CatchSlots) Append(b []byte) []byte {
	return appendEntries(binary.LittleEndian.AppendUint64(b, m.Round), m.Entries)
}

// Decode's records share body's memory and are not checked yet.
func (m *CatchSlots) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round, m.Entries = r.U64(), readEntries(r, CatchUpPullMax, 2+1+4)
	return r.End()
}

func (m *CatchSlots) Describe() string {
	return fmt.Sprintf("round %d: %s", m.Round, detailOfEntries(m.Entries))
}
