package wire

import (
	"encoding/binary"
	"fmt"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
)

// A pulse opens the body of every gossip datagram, before the bytes of node/swim: a member's report about itself,
// without a message of its own. Integers are little-endian.
//
//	0      pulse format, 1; a datagram with another one is dropped and counted
//	1      mode of the sender; unknown ones are kept as they are, and are not ModeNormal
//	2-9    wall clock of the sender, milliseconds since the Unix epoch, signed
//	10-17  stamp: the sender's monotonic clock, in nanoseconds from a point that only the sender knows, another one
//	       for each receiver; zero: the receiver is no member
//	18-25  echo: the stamp that the sender heard last from the one it writes to; zero: none
//	26-29  held: how long ago that was, in microseconds
//	30-37  digest of what the sender holds; zero: unknown
//
// From stamp, echo and held the receiver computes the round trip without a wall clock; half of it bounds the error of
// the offset between the two wall clocks. That is the exchange of NTP (RFC 5905 section 8) with one difference: the
// sender's wall clock at the receipt is not sent. The offset is taken on the way back alone, so that a step of the
// receiver's clock between question and answer does not matter.
const (
	pulseFormat = 1
	PulseBytes  = 1 + 1 + 8 + 8 + 8 + 4 + 8
)

const (
	KindGossip      Kind = 1
	KindMemberTable Kind = 2
)

var memberRows = []Row{
	{Kind: KindGossip, Name: "gossip", About: SubjectMembers, body: of[Gossip]},
	{Kind: KindMemberTable, Name: "member-table", About: SubjectMembers, body: of[MemberTable]},
}

// Pulse is a member's report about itself.
type Pulse struct {
	Mode   contract.Mode
	Wall   int64
	Stamp  uint64
	Echo   uint64
	Held   time.Duration // in whole microseconds.
	Digest uint64
}

// Gossip is a datagram: a pulse, and the bytes of node/swim, which share the message's memory.
type Gossip struct {
	Pulse
	Swim []byte
}

func (m *Gossip) Room() int { return PulseBytes + len(m.Swim) }

func (m *Gossip) Append(b []byte) []byte {
	b = append(b, pulseFormat, byte(m.Mode))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Wall))
	b = binary.LittleEndian.AppendUint64(b, m.Stamp)
	b = binary.LittleEndian.AppendUint64(b, m.Echo)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Held/time.Microsecond))
	b = binary.LittleEndian.AppendUint64(b, m.Digest)
	return append(b, m.Swim...)
}

func (m *Gossip) Decode(body []byte) error {
	r := codec.Read(body)
	format := r.U8()
	m.Mode, m.Wall, m.Stamp, m.Echo = contract.Mode(r.U8()), int64(r.U64()), r.U64(), r.U64()
	m.Held = time.Duration(r.U32()) * time.Microsecond
	m.Digest = r.U64()
	switch {
	case r.Failed():
		return fmt.Errorf("%w: a pulse of %d bytes", codec.ErrBadMessage, len(body))
	case format != pulseFormat:
		return fmt.Errorf("%w: pulse format %d", codec.ErrBadMessage, format)
	}
	m.Swim = r.Rest()
	return nil
}

func (m *Gossip) Describe() string { return "" }

// MemberTable is a full state exchange of node/swim, in its own encoding, which shares the message's memory.
type MemberTable struct{ Swim []byte }

func (m *MemberTable) Room() int { return len(m.Swim) }

func (m *MemberTable) Append(b []byte) []byte { return append(b, m.Swim...) }

func (m *MemberTable) Decode(body []byte) error {
	m.Swim = body
	return nil
}

func (m *MemberTable) Describe() string { return "" }
