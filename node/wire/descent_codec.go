package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/slot"
)

// The messages with which a proposer whose ACCEPT was overtaken learns what the record that it finds has come from:
//
//	descent    round u64, path, ballot: of a record that the receiver has proposed; the lowest ballot of interest
//	descended  round u64, ballot, count u8, {first ballot, ballot before}; none: it does not know
//
// Members of older versions drop the question, and the proposer goes on without an answer after a while.

const (
	KindDescent   Kind = 64
	KindDescended Kind = 65
)

var descentRows = []Row{
	{Kind: KindDescent, Name: "descent", About: SubjectRounds, Operation: true, body: of[Descent]},
	{Kind: KindDescended, Name: "descended", About: SubjectRounds, Operation: true, body: of[Descended]},
}

// StretchesMax bounds how many stretches an answer has.
const StretchesMax = 32

// Descent asks a proposer for the record of another member from which its record under a ballot has come.
type Descent struct {
	Round  uint64
	Path   string
	Ballot slot.Ballot
	Above  slot.Ballot // what records under lower ballots have come from is of no interest.
}

func (m *Descent) Room() int { return 8 + 2 + len(m.Path) + 2*slot.BallotBytes }

func (m *Descent) Append(b []byte) []byte {
	b = codec.AppendString(binary.LittleEndian.AppendUint64(b, m.Round), m.Path)
	return slot.AppendBallot(slot.AppendBallot(b, m.Ballot), m.Above)
}

func (m *Descent) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round, m.Path = r.U64(), string(r.Take(int(r.U16())))
	m.Ballot, m.Above = slot.ReadBallot(r), slot.ReadBallot(r)
	r.FailIf(slot.CheckPath(m.Path) != nil || m.Ballot.IsZero())
	return r.End()
}

func (m *Descent) Describe() string {
	return fmt.Sprintf("round %d: %s under ballot %s", m.Round, detailOfPath(m.Path), m.Ballot)
}

// Stretch is ballots of one proposer in a row, each of whose records follows the one before it.
type Stretch struct {
	From slot.Ballot // the first one.
	// that of the record which it follows, of another member. Without a member: there was none, nor one whose tombstone
	// was collected above this timestamp.
	Before slot.Ballot
}

// Descended answers a Descent.
type Descended struct {
	Round  uint64
	Ballot slot.Ballot // that of the question.
	// the stretch which that ballot is in, and those before it of the same member, the last one first. None: the member
	// does not know.
	Stretches []Stretch
}

func (m *Descended) Room() int { return 9 + slot.BallotBytes + len(m.Stretches)*2*slot.BallotBytes }

func (m *Descended) Append(b []byte) []byte {
	b = slot.AppendBallot(binary.LittleEndian.AppendUint64(b, m.Round), m.Ballot)
	b = append(b, byte(len(m.Stretches)))
	for _, s := range m.Stretches {
		b = slot.AppendBallot(slot.AppendBallot(b, s.From), s.Before)
	}
	return b
}

func (m *Descended) Decode(body []byte) error {
	r := codec.Read(body)
	m.Round, m.Ballot = r.U64(), slot.ReadBallot(r)
	upTo := m.Ballot
	for i := range int(r.U8()) {
		s := Stretch{From: slot.ReadBallot(r), Before: slot.ReadBallot(r)}
		r.FailIf(i == StretchesMax || s.From.Member != m.Ballot.Member || s.Before.Compare(s.From) >= 0)
		r.FailIf(s.From.Compare(upTo) > 0 || i > 0 && s.From == upTo)
		if r.Failed() {
			break
		}
		upTo = s.From
		m.Stretches = append(m.Stretches, s)
	}
	r.FailIf(m.Ballot.IsZero())
	return r.End()
}

func (m *Descended) Describe() string {
	if len(m.Stretches) == 0 {
		return fmt.Sprintf("round %d: not known", m.Round)
	}
	return fmt.Sprintf("round %d: %s and those since %s follow %s", m.Round, m.Ballot, m.Stretches[0].From,
		m.Stretches[0].Before)
}
