package wire

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/slot"
)

// The messages of a bootstrap. Strings, counts and slots are as in records_codec.go.
//
//	hello      standing u8 (1 ready, 2 serving, 3 pulling, 4 empty), asks u64 (0: nothing; else: tell me yours,
//	           and repeat this), answers u64 (0: no question; else: what is repeated)
//	plan-ask   seq u64
//	plan       ready u8, keys u64, bytes u64, count, {bound u64}      not ready: so far, no bounds yet
//	page-ask   seq u64, lo u64, hi u64, from, bytes u32
//	page       seq u64, next, scanned u32, count, {path, slot length u32, stored slot}
//
// lo, hi and bounds are timestamps (Bands); from and next are edges of key ranges, a next that is empty is the end of
// the band; scanned is how many bytes the server read.

const (
	// 24 was a hello without the number of the question that it answers.
	KindPlanAsk Kind = 25
	KindPlan    Kind = 26
	KindPageAsk Kind = 27
	KindPage    Kind = 28
	KindHello   Kind = 29
)

var bootstrapRows = []Row{
	{Kind: KindHello, Name: "hello", About: SubjectBootstrap, body: of[Hello]},
	{Kind: KindPlanAsk, Name: "plan-ask", About: SubjectBootstrap, body: of[PlanAsk]},
	{Kind: KindPlan, Name: "plan", About: SubjectBootstrap, body: of[Plan]},
	{Kind: KindPageAsk, Name: "page-ask", About: SubjectBootstrap, body: of[PageAsk]},
	{Kind: KindPage, Name: "page", About: SubjectBootstrap, body: of[Page]},
}

// PageEntriesMax bounds a page beside its bytes.
const PageEntriesMax = 1024

// Standing is the progress of a member's bootstrap, as its hellos report it.
type Standing uint8

const (
	StandingUnknown Standing = iota
	StandingReady            // in step, and serves.
	StandingServing          // it serves although its data is incomplete: rule 3.
	StandingPulling          // it does not serve, and has some data.
	StandingEmpty            // it does not serve, and has no data.
	standingEnd
)

var standingNames = [...]string{"unknown", "ready", "serving", "pulling", "empty"}

// String is for people who look at a recorded run.
func (s Standing) String() string { return standingNames[s] }

// Serves reports whether such a member can serve clients and newcomers.
func (s Standing) Serves() bool { return s == StandingReady || s == StandingServing }

// Absent reports whether such a member lacks so much that a comparison would only slow down its bootstrap.
func (s Standing) Absent() bool { return s == StandingPulling || s == StandingEmpty }

// Bands says what there is to pull: about how much, and the bands. Band i holds the slots whose timestamp is at least
// bounds[i] and below bounds[i-1]; bounds fall, and the last one is zero. The upper end of band 0 is open: new writes
// come by replication as well.
type Bands struct {
	Keys, Bytes uint64
	Bounds      []slot.Timestamp
}

// bootBandsMax bounds a plan.
const bootBandsMax = 16

// Band returns the timestamps of a band: lo <= ts, and ts < hi unless hi is zero.
func (p *Bands) Band(i int) (lo, hi slot.Timestamp) {
	if i > 0 {
		hi = p.Bounds[i-1]
	}
	return p.Bounds[i], hi
}

// Valid reports whether the bounds fall and end with zero.
func (p *Bands) Valid() bool {
	for i := 1; i < len(p.Bounds); i++ {
		if p.Bounds[i] >= p.Bounds[i-1] {
			return false
		}
	}
	return len(p.Bounds) > 0 && p.Bounds[len(p.Bounds)-1] == 0
}

func AppendBands(b []byte, p *Bands) []byte {
	b = binary.LittleEndian.AppendUint64(b, p.Keys)
	b = binary.LittleEndian.AppendUint64(b, p.Bytes)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Bounds)))
	for _, ts := range p.Bounds {
		b = binary.LittleEndian.AppendUint64(b, uint64(ts))
	}
	return b
}

func ReadBands(r *codec.Reader) (p Bands) {
	p.Keys, p.Bytes = r.U64(), r.U64()
	for range r.Count(bootBandsMax, 8) {
		p.Bounds = append(p.Bounds, slot.ReadTimestamp(r))
	}
	return p
}

// Hello carries the standing of a member.
type Hello struct {
	Standing Standing
	Asks     uint64 // the number of a question for the receiver's standing; zero: it asks nothing.
	Answers  uint64 // the number of the question that it answers; zero: none.
}

func (m *Hello) Room() int { return 17 }

func (m *Hello) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, byte(m.Standing)), m.Asks)
	return binary.LittleEndian.AppendUint64(b, m.Answers)
}

func (m *Hello) Decode(body []byte) error {
	r := codec.Read(body)
	m.Standing, m.Asks, m.Answers = Standing(r.U8()), r.U64(), r.U64()
	r.FailIf(m.Standing == StandingUnknown || m.Standing >= standingEnd)
	return r.End()
}

func (m *Hello) Describe() string { return m.Standing.String() }

// PlanAsk asks for a plan.
type PlanAsk struct{ Seq uint64 }

func (m *PlanAsk) Room() int { return 8 }

func (m *PlanAsk) Append(b []byte) []byte { return binary.LittleEndian.AppendUint64(b, m.Seq) }

func (m *PlanAsk) Decode(body []byte) error {
	r := codec.Read(body)
	m.Seq = r.U64()
	return r.End()
}

func (m *PlanAsk) Describe() string { return "" }

// Plan is a plan, or what a survey has found so far.
type Plan struct {
	Ready bool
	Bands
}

func (m *Plan) Room() int { return 21 + 8*len(m.Bounds) }

func (m *Plan) Append(b []byte) []byte {
	return AppendBands(codec.AppendBool(b, m.Ready), &m.Bands)
}

func (m *Plan) Decode(body []byte) error {
	r := codec.Read(body)
	m.Ready, m.Bands = r.Bool(), ReadBands(r)
	r.FailIf(m.Ready != (len(m.Bounds) > 0) || m.Ready && !m.Valid())
	return r.End()
}

func (m *Plan) Describe() string { return "" }

// PageAsk asks for the records of a band from some path on.
type PageAsk struct {
	Seq      uint64
	Lo, Hi   slot.Timestamp
	From     string
	BytesMax uint32
}

func (m *PageAsk) Room() int { return 30 + len(m.From) }

func (m *PageAsk) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Lo))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Hi))
	return binary.LittleEndian.AppendUint32(codec.AppendString(b, m.From), m.BytesMax)
}

func (m *PageAsk) Decode(body []byte) error {
	r := codec.Read(body)
	m.Seq = r.U64()
	m.Lo, m.Hi = slot.ReadTimestamp(r), slot.ReadTimestamp(r)
	m.From = slot.ReadBound(r)
	m.BytesMax = r.U32()
	return r.End()
}

func (m *PageAsk) Describe() string { return "" }

// Page is some of the records of a band.
type Page struct {
	Seq     uint64
	Next    string
	Scanned uint32
	Entries []Entry
}

func (m *Page) Room() int { return 18 + len(m.Next) + roomOfEntries(m.Entries) }

func (m *Page) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.Seq)
	b = codec.AppendString(b, m.Next)
	b = binary.LittleEndian.AppendUint32(b, m.Scanned)
	return appendEntries(b, m.Entries)
}

// Decode's records share body's memory and are not checked yet.
func (m *Page) Decode(body []byte) error {
	r := codec.Read(body)
	m.Seq, m.Next, m.Scanned = r.U64(), slot.ReadBound(r), r.U32()
	m.Entries = readEntries(r, PageEntriesMax, replicateEntryMin)
	return r.End()
}

func (m *Page) Describe() string {
	return fmt.Sprintf("page %d: %s", m.Seq, detailOfEntries(m.Entries))
}
