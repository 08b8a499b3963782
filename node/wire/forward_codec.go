package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/slot"
)

// The messages with which a member has another one, the preferred proposer of a path, run an operation of its client:
//
//	forward    round u64, run u64, first u64, since u64, uuid 16, budget u64 (microseconds), op u8, ttl u64 (ns),
//	           key 16, fingerprint u64, condition u8, any u8, count u32, {version}, path, content type,
//	           value length u32, value
//	forwarded  round u64, run u64, uuid 16, fate u8, clock u64, code u8, outcome u8, since u8, creation-unknown u8,
//	           retry-after u32 (ms), detail length u32, detail, version, origin u64, tombstone u8, expires u64,
//	           content type, value length u32, value
//
// Run is the number that a member has drawn for this start of it. It is in the ballot of its answers to looks (see
// Introduction). Who knows none of a member must not forward to it: versions without these messages would be silent.

const (
	KindForward   Kind = 62
	KindForwarded Kind = 63
)

var forwardRows = []Row{
	{Kind: KindForward, Name: "forward", About: SubjectRounds, Operation: true, body: of[Forward]},
	{Kind: KindForwarded, Name: "forwarded", About: SubjectRounds, Operation: true, body: of[Forwarded]},
}

// ForwardVersionsMax bounds the versions that the condition of a forwarded operation names.
const ForwardVersionsMax = 64

const versionBytes = 8 + 16

// Introduction is the ballot in an answer to a look: it says that the member takes forwarded operations, in this run of
// it. It is no ballot: its timestamp is zero. Versions that know nothing of it do not read it.
func Introduction(run uint64, member slot.ID) slot.Ballot {
	return slot.Ballot{Epoch: run, Member: member}
}

// Introduced reads the run of a member from its answer to a look or a PREPARE; ok: there is one in it.
func Introduced(a *Answer, from slot.ID) (run uint64, ok bool) {
	b := a.Promised
	return b.Epoch, a.OK && b.TS == 0 && b.Epoch != 0 && b.Member == from
}

// Forward asks a member to run an operation.
type Forward struct {
	Round uint64
	Run   uint64         // of the receiver.
	First slot.Timestamp // the operation makes no version below it.
	// the clock of the sender as it forwards. Should the sender run the operation itself, its versions are above.
	Since  slot.Timestamp
	UUID   slot.UUID     // of the version that the operation writes; zero: it is a read.
	Budget time.Duration // what is left of the client's time.
	// without ID, Level and Deadline, which are the receiver's. It shares the message's memory.
	Request contract.Request
}

func (m *Forward) Room() int {
	return 140 + len(m.Request.Path) + len(m.Request.ContentType) + len(m.Request.Value) +
		len(m.Request.Condition.Versions)*versionBytes
}

func (m *Forward) Append(b []byte) []byte {
	r := &m.Request
	for _, v := range [...]uint64{m.Round, m.Run, uint64(m.First), uint64(m.Since)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(b, m.UUID[:]...)
	b = append(binary.LittleEndian.AppendUint64(b, uint64(m.Budget/time.Microsecond)), byte(r.Op))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.TTL))
	b = append(b, r.Key[:]...)
	b = append(binary.LittleEndian.AppendUint64(b, r.Fingerprint), byte(r.Condition.Kind))
	b = codec.AppendBool(b, r.Condition.Any)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Condition.Versions)))
	for _, v := range r.Condition.Versions {
		b = slot.AppendVersion(b, v)
	}
	b = codec.AppendString(codec.AppendString(b, r.Path), r.ContentType)
	return appendValue(b, r.Value)
}

func (m *Forward) Decode(body []byte) error {
	in, r := codec.Read(body), &m.Request
	m.Round, m.Run = in.U64(), in.U64()
	m.First, m.Since = slot.ReadTimestamp(in), slot.ReadTimestamp(in)
	m.UUID = slot.ReadUUID(in)
	budget := in.U64()
	r.Op, r.Level = contract.OpKind(in.U8()), contract.Linearizable
	ttl := in.U64()
	r.Key, r.Fingerprint = slot.ReadUUID(in), in.U64()
	r.Condition.Kind, r.Condition.Any = contract.ConditionKind(in.U8()), in.Bool()
	for range in.Count(ForwardVersionsMax, versionBytes) {
		r.Condition.Versions = append(r.Condition.Versions, slot.ReadVersion(in))
	}
	r.Path, r.ContentType = string(in.Take(int(in.U16()))), string(in.Take(int(in.U16())))
	r.Value = readValue(in)
	m.Budget, r.TTL = time.Duration(budget)*time.Microsecond, time.Duration(ttl)
	in.FailIf(budget > uint64(maxBudget/time.Microsecond) || ttl > math.MaxInt64 || !m.sound())
	return in.End()
}

// maxBudget bounds the time that a client may give an operation, as far as it travels.
const maxBudget = 24 * time.Hour

// sound reports whether a decoded operation is one that a client may ask for.
func (m *Forward) sound() bool {
	r := &m.Request
	switch r.Op {
	case contract.OpGet:
		if !m.UUID.IsZero() || r.Condition.Kind != contract.Unconditional || len(r.Value) > 0 {
			return false
		}
	case contract.OpPut, contract.OpDelete:
		if m.UUID.IsZero() || m.Since == 0 || m.First == 0 || m.First > m.Since {
			return false
		}
	default:
		return false
	}
	return slot.CheckPath(r.Path) == nil && r.Condition.Kind <= contract.IfNoneMatch &&
		len(r.Value) <= slot.ValueBytesHardMax && len(r.ContentType) <= slot.ContentTypeBytesMax
}

func (m *Forward) Describe() string {
	return fmt.Sprintf("round %d: %s %s since %s, no version below %s", m.Round, m.Request.Op,
		detailOfPath(m.Request.Path), m.Since, m.First)
}

// Fate is what became of a forwarded operation.
type Fate uint8

const (
	FateAnswered Fate = iota // it has run: the response is its result.
	FateDeclined             // it was not run, and will not be.
	FateUnknown              // this run of the member knows nothing of it: a former one may have run it.
)

var fateWords = [...]string{"answered", "declined", "unknown"}

// Forwarded answers a Forward.
type Forwarded struct {
	Round uint64
	Run   uint64 // of the sender, as it is now.
	UUID  slot.UUID
	Fate  Fate
	Clock slot.Timestamp // of the sender.
	// without ID and Level. Of a put, the record has no value: the member that forwarded it has that.
	Response contract.Response
}

func (m *Forwarded) Room() int {
	r := &m.Response
	return 110 + len(r.Detail) + len(r.Record.ContentType) + len(r.Record.Value)
}

func (m *Forwarded) Append(b []byte) []byte {
	r, rec := &m.Response, &m.Response.Record
	b = binary.LittleEndian.AppendUint64(b, m.Round)
	b = append(binary.LittleEndian.AppendUint64(b, m.Run), m.UUID[:]...)
	b = binary.LittleEndian.AppendUint64(append(b, byte(m.Fate)), uint64(m.Clock))
	b = codec.AppendBool(append(b, byte(r.Code), byte(r.Outcome)), r.Since)
	b = codec.AppendBool(b, r.CreationUnknown)
	b = binary.LittleEndian.AppendUint32(b, uint32(r.RetryAfter/time.Millisecond))
	b = appendValue(b, []byte(r.Detail))
	b = slot.AppendVersion(b, rec.Version())
	b = codec.AppendBool(binary.LittleEndian.AppendUint64(b, uint64(rec.Origin)), rec.Tombstone)
	b = binary.LittleEndian.AppendUint64(b, uint64(rec.Expires))
	return appendValue(codec.AppendString(b, rec.ContentType), rec.Value)
}

func (m *Forwarded) Decode(body []byte) error {
	in, r := codec.Read(body), &m.Response
	m.Round, m.Run, m.UUID = in.U64(), in.U64(), slot.ReadUUID(in)
	m.Fate, m.Clock = Fate(in.U8()), slot.ReadTimestamp(in)
	r.Code, r.Outcome, r.Since = contract.Code(in.U8()), contract.Outcome(in.U8()), in.Bool()
	r.CreationUnknown = in.Bool()
	r.RetryAfter = time.Duration(in.U32()) * time.Millisecond
	r.Detail = string(readValue(in))
	v := slot.ReadVersion(in)
	r.Record = slot.Record{TS: v.TS, UUID: v.UUID, Origin: slot.ID(in.U64()), Tombstone: in.Bool()}
	r.Record.Expires = int64(in.U64())
	r.Record.ContentType = string(in.Take(int(in.U16())))
	r.Record.Value = readValue(in)
	in.FailIf(int(m.Fate) >= len(fateWords) || !r.Code.Known() || r.Outcome > contract.OutcomeUnknown)
	return in.End()
}

func (m *Forwarded) Describe() string {
	if m.Fate != FateAnswered {
		return fmt.Sprintf("round %d: %s", m.Round, fateWords[m.Fate])
	}
	return fmt.Sprintf("round %d: %s", m.Round, m.Response.Code)
}

func appendValue(b, value []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(value))), value...)
}

func readValue(in *codec.Reader) []byte {
	if size := int(in.U32()); size > 0 {
		return in.Take(size)
	}
	return nil
}
