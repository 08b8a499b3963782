package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/schema"
	"kvs/node/slot"
)

// The messages of rounds. A question is {round u64, epoch u64, path, ballot}; an answer repeats the round.
//
//	prepare    question
//	look       question, the ballot zero
//	accept     question, stored slot that holds nothing but the record under that ballot
//	accept-direct
//	           question, version followed u64 (0: a prepare came before), stored slot as in accept, but its promise is
//	           a higher ballot of the same proposer, which the voter promises as it accepts
//	promised   round u64, epoch u64, ok u8, ballot, slot length u32 (0: nothing is held), stored slot
//	accepted   round u64, epoch u64, ok u8, ballot
//
// The path of an answer is that of the question, which the proposer knows. The ballot of a refusal is the one that
// stands against the question. The ballot of a yes to a prepare or an accept is the one that the voter has promised; it
// is zero when the voter does not know accept-direct, as in versions before it. Such a voter must not be sent one: it
// would be silent. The ballot of a yes to a look is an Introduction, or zero.

const (
	KindPrepare  Kind = 42
	KindLook     Kind = 43
	KindPromised Kind = 44
	KindAccept   Kind = 45
	KindAccepted Kind = 46
	// KindAcceptDirect came later: see the comment on answers.
	KindAcceptDirect Kind = 61
)

var roundRows = []Row{
	{Kind: KindPrepare, Name: "prepare", About: SubjectRounds, Operation: true, body: of[Question]},
	{Kind: KindLook, Name: "look", About: SubjectRounds, Operation: true, body: of[Question]},
	{Kind: KindPromised, Name: "promised", About: SubjectRounds, Operation: true, body: of[Promised]},
	{Kind: KindAccept, Name: "accept", About: SubjectRounds, Operation: true, body: of[Accept]},
	{Kind: KindAccepted, Name: "accepted", About: SubjectRounds, Operation: true, body: of[Accepted]},
	{Kind: KindAcceptDirect, Name: "accept-direct", About: SubjectRounds, Operation: true, body: of[AcceptDirect]},
}

// Question asks the voters for a promise, or, with a ballot of zero, for what they hold.
type Question struct {
	Round  uint64
	Epoch  uint64
	Path   string
	Ballot slot.Ballot
}

func (q *Question) Room() int { return 16 + 2 + len(q.Path) + slot.BallotBytes }

func (q *Question) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, q.Round)
	b = binary.LittleEndian.AppendUint64(b, q.Epoch)
	return slot.AppendBallot(codec.AppendString(b, q.Path), q.Ballot)
}

func (q *Question) read(r *codec.Reader) {
	q.Round, q.Epoch = r.U64(), r.U64()
	q.Path = readRoundPath(r, q.Epoch)
	q.Ballot = slot.ReadBallot(r)
}

func (q *Question) Decode(body []byte) error {
	r := codec.Read(body)
	q.read(r)
	return r.End()
}

func (q *Question) Describe() string {
	if q.Ballot.IsZero() {
		return fmt.Sprintf("round %d, epoch %d: %s", q.Round, q.Epoch, detailOfPath(q.Path))
	}
	return fmt.Sprintf("round %d: %s under ballot %s", q.Round, detailOfPath(q.Path), q.Ballot)
}

// Accept asks the voters to accept a record under a ballot.
type Accept struct {
	Question
	Consensus *slot.Consensus // nothing but the record under the question's ballot.
}

func (m *Accept) Room() int {
	return m.Question.Room() + slot.BytesMin + len(m.Consensus.Record.Value)
}

func (m *Accept) Append(b []byte) []byte {
	stored := slot.Slot{Consensus: m.Consensus}
	return append(m.Question.Append(b), slot.Encode(m.Path, &stored)...)
}

func (m *Accept) Decode(body []byte) error {
	r := codec.Read(body)
	m.read(r)
	m.readRecord(r)
	if r.Failed() || m.Consensus.Promised != m.Ballot {
		return codec.ErrBadMessage
	}
	return nil
}

// readRecord reads the record, whatever promise is beside it.
func (m *Accept) readRecord(r *codec.Reader) {
	if r.Failed() {
		return
	}
	stored, err := slot.Decode(m.Path, r.Rest())
	c := stored.Consensus
	r.FailIf(err != nil || stored.TS != 0 || !c.Accepted() || c.Ballot != m.Ballot || c.Weak || c.Blind)
	m.Consensus = c
}

func (m *Accept) Describe() string {
	rec := &m.Consensus.Record
	return fmt.Sprintf("round %d: %s under ballot %s", m.Round, detailOfVersion(m.Path, rec.Version(), rec.Tombstone),
		m.Ballot)
}

// AcceptDirect asks the voters to accept a record under a ballot, and to promise the ballot beside it.
type AcceptDirect struct {
	Accept
	// the version that the record follows, as far as the proposer knows: no prepare has asked for what there is. Zero:
	// a prepare came before.
	Seen slot.Timestamp
}

func (m *AcceptDirect) Room() int { return 8 + m.Accept.Room() }

func (m *AcceptDirect) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(m.Question.Append(b), uint64(m.Seen))
	stored := slot.Slot{Consensus: m.Consensus}
	return append(b, slot.Encode(m.Path, &stored)...)
}

func (m *AcceptDirect) Decode(body []byte) error {
	r := codec.Read(body)
	m.read(r)
	m.Seen = slot.ReadTimestamp(r)
	m.readRecord(r)
	if r.Failed() || !m.Consensus.Promised.Follows(m.Ballot) {
		return codec.ErrBadMessage
	}
	return nil
}

func (m *AcceptDirect) Describe() string {
	return fmt.Sprintf("%s, then %s", m.Accept.Describe(), m.Consensus.Promised)
}

// Answer is a voter's answer to a question.
type Answer struct {
	Round    uint64
	Epoch    uint64
	OK       bool
	Promised slot.Ballot // of a refusal: the one that stands against the question. Of a yes: see the layouts.
}

func (a *Answer) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, a.Round)
	b = binary.LittleEndian.AppendUint64(b, a.Epoch)
	return slot.AppendBallot(codec.AppendBool(b, a.OK), a.Promised)
}

func (a *Answer) read(r *codec.Reader) {
	a.Round, a.Epoch = r.U64(), r.U64()
	a.OK, a.Promised = r.Bool(), slot.ReadBallot(r)
}

const answerBytes = 17 + slot.BallotBytes

// Promised answers a prepare or a look.
type Promised struct {
	Answer
	Record []byte // what the voter holds; nil: nothing. It shares the message's memory, and is not checked yet.
}

func (m *Promised) Room() int { return answerBytes + 4 + len(m.Record) }

func (m *Promised) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(m.Answer.append(b), uint32(len(m.Record)))
	return append(b, m.Record...)
}

func (m *Promised) Decode(body []byte) error {
	r := codec.Read(body)
	m.read(r)
	if size := int(r.U32()); size > 0 {
		m.Record = r.Take(size)
	}
	return r.End()
}

func (m *Promised) Describe() string {
	switch {
	case !m.OK:
		return m.detailOfRefusal()
	case m.Record == nil:
		return fmt.Sprintf("round %d: holds nothing", m.Round)
	}
	// the record can be decoded only with the path, which is not in the message.
	return fmt.Sprintf("round %d: holds %d bytes", m.Round, len(m.Record))
}

// Accepted answers an accept of either kind.
type Accepted struct{ Answer }

func (m *Accepted) Room() int { return answerBytes }

func (m *Accepted) Append(b []byte) []byte { return m.Answer.append(b) }

func (m *Accepted) Decode(body []byte) error {
	r := codec.Read(body)
	m.read(r)
	return r.End()
}

func (m *Accepted) Describe() string {
	if !m.OK {
		return m.detailOfRefusal()
	}
	return fmt.Sprintf("round %d", m.Round)
}

func (a *Answer) detailOfRefusal() string {
	return fmt.Sprintf("round %d: refused, ballot %s was promised", a.Round, a.Promised)
}

// readRoundPath reads the path of a round: one that a client may name, or the register of the next configuration.
func readRoundPath(r *codec.Reader, epoch uint64) string {
	p := string(r.Take(int(r.U16())))
	if !r.Failed() && slot.CheckPath(p) != nil && p != schema.ConfigPath(epoch) {
		r.Fail()
	}
	return p
}
