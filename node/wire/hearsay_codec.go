package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/slot"
)

// The messages in which a member is asked whether it has sealed a message that came in its name (node/hearsay):
//
//	confirm-ask   question u64, stamp u64, sum u32       of the envelope in question; both zero: the clock alone
//	confirm-is    question u64, sealed u8, clock u64     clock: the highest timestamp that the sender issued or saw
//
// A member of a version without them drops both as unknown kinds: its messages are not confirmed then, and count as
// lost.

const (
	KindConfirmAsk Kind = 59
	KindConfirmIs  Kind = 60
)

var hearsayRows = []Row{
	{Kind: KindConfirmAsk, Name: "confirm-ask", About: SubjectHearsay, body: of[ConfirmAsk]},
	{Kind: KindConfirmIs, Name: "confirm-is", About: SubjectHearsay, body: of[ConfirmIs]},
}

// ConfirmAsk asks the sender of an envelope whether it has sealed it.
type ConfirmAsk struct {
	Question uint64
	Stamp    Stamp
	Sum      uint32
}

func (m *ConfirmAsk) Room() int { return 20 }

func (m *ConfirmAsk) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Question)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Stamp))
	return binary.LittleEndian.AppendUint32(b, m.Sum)
}

func (m *ConfirmAsk) Decode(body []byte) error {
	r := codec.Read(body)
	m.Question, m.Stamp, m.Sum = r.U64(), Stamp(r.U64()), r.U32()
	return r.End()
}

func (m *ConfirmAsk) Describe() string { return fmt.Sprintf("stamp %d", m.Stamp) }

// ConfirmIs answers.
type ConfirmIs struct {
	Question uint64
	Sealed   bool
	Clock    slot.Timestamp
}

func (m *ConfirmIs) Room() int { return 17 }

func (m *ConfirmIs) Append(b []byte) []byte {
	b = codec.AppendBool(binary.LittleEndian.AppendUint64(b, m.Question), m.Sealed)
	return binary.LittleEndian.AppendUint64(b, uint64(m.Clock))
}

func (m *ConfirmIs) Decode(body []byte) error {
	r := codec.Read(body)
	m.Question, m.Sealed, m.Clock = r.U64(), r.Bool(), slot.ReadTimestamp(r)
	return r.End()
}

func (m *ConfirmIs) Describe() string { return fmt.Sprintf("sealed %t, clock %s", m.Sealed, m.Clock) }
