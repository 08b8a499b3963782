package recorder

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"kvs/node"
	"kvs/node/codec"
)

// Effects are written as marks, one for each effect, that tell whether two effects are the same, and what an effect was
// in short: a recording need not hold twice what a step was given. Each is a byte for the kind and these fields; sum is
// a CRC-32 (IEEE 802.3), u32, of everything else in the effect. It is not CRC-32C, with which messages and records end:
// the CRC of anything together with its own CRC is always the same.
//
//	P persist   id number, changes number, bytes of keys and values number, sum
//	S send      after number, transport u8, to text, bytes number, sum
//	R reply     after number, request number, code u8, outcome u8, sum
//	L log line  level u8, text, sum
//	D decision  path text, rule u8, final u8, sum
//	C changed   log number, first number, paths number, sum
//	E electorate: members number, sum
//	W wake      number
const (
	MarkPersist    = 'P'
	MarkSend       = 'S'
	MarkReply      = 'R'
	MarkLog        = 'L'
	MarkDecision   = 'D'
	MarkChanged    = 'C'
	MarkElectorate = 'E'
	MarkWake       = 'W'
)

// Already is how many effects of each sort there were before a step: a world may gather those of several steps.
type Already struct{ Sends, Replies, Logs, Decisions, Changed int }

// AlreadyIn counts the effects that are there.
func AlreadyIn(e *node.Effects) Already {
	return Already{len(e.Sends), len(e.Replies), len(e.Logs), len(e.Decisions), len(e.Changed)}
}

// AppendMarks appends the marks of the effects of one step: those beyond the ones that were there already.
func AppendMarks(b []byte, e *node.Effects, before Already) []byte {
	if p := &e.Persist; p.ID != 0 {
		b = appendPersistMark(b, p)
	}
	for i := before.Sends; i < len(e.Sends); i++ {
		s := &e.Sends[i]
		b = binary.AppendUvarint(append(b, MarkSend), uint64(s.After))
		b = appendText(append(b, byte(s.Transport)), s.To)
		b = binary.AppendUvarint(b, uint64(len(s.Data)))
		b = appendSum(b, crc32.Checksum(s.Data, crc32.IEEETable))
	}
	for i := before.Replies; i < len(e.Replies); i++ {
		b = appendReplyMark(b, &e.Replies[i])
	}
	for i := before.Logs; i < len(e.Logs); i++ {
		l := &e.Logs[i]
		b = appendText(append(b, MarkLog, byte(l.Level)), l.Msg)
		b = appendSum(b, crc32.Checksum(fmt.Append(nil, l.Attrs...), crc32.IEEETable))
	}
	for i := before.Decisions; i < len(e.Decisions); i++ {
		b = appendDecisionMark(b, &e.Decisions[i])
	}
	for i := before.Changed; i < len(e.Changed); i++ {
		c := &e.Changed[i]
		b = binary.AppendUvarint(append(b, MarkChanged), c.Log)
		b = binary.AppendUvarint(binary.AppendUvarint(b, c.First), uint64(len(c.Paths)))
		at := len(b)
		b = sumUp(appendTexts(binary.AppendUvarint(b, c.Oldest), c.Paths), at)
	}
	if e.Electorate != nil {
		members := e.Electorate.Members()
		b = binary.AppendUvarint(append(b, MarkElectorate), uint64(len(members)))
		at := len(b)
		for _, id := range members {
			b = binary.LittleEndian.AppendUint64(b, uint64(id))
		}
		b = sumUp(b, at)
	}
	return binary.AppendUvarint(append(b, MarkWake), uint64(e.Wake))
}

func appendPersistMark(b []byte, p *node.Persist) []byte {
	sum, size, at := uint32(0), 0, len(b)
	for i := range p.Changes {
		c := &p.Changes[i]
		b = appendText(b, c.Key)
		b = codec.AppendBool(binary.AppendUvarint(b, uint64(len(c.Value))), c.Value == nil)
		sum = crc32.Update(sum, crc32.IEEETable, b[at:])
		sum = crc32.Update(sum, crc32.IEEETable, c.Value)
		size += len(c.Key) + len(c.Value)
		b = b[:at]
	}
	b = binary.AppendUvarint(append(b, MarkPersist), uint64(p.ID))
	b = binary.AppendUvarint(b, uint64(len(p.Changes)))
	return appendSum(binary.AppendUvarint(b, uint64(size)), sum)
}

func appendReplyMark(b []byte, r *node.Reply) []byte {
	v := &r.Record
	b = binary.AppendUvarint(append(b, MarkReply), uint64(r.After))
	b = append(binary.AppendUvarint(b, r.ID), byte(r.Code), byte(r.Outcome))
	at := len(b)
	b = append(b, byte(r.Level))
	b = append(binary.LittleEndian.AppendUint64(b, uint64(v.TS)), v.UUID[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(v.Origin))
	b = binary.AppendUvarint(b, uint64(v.Expires))
	b = codec.AppendBool(codec.AppendBool(codec.AppendBool(b, v.Tombstone), v.Value != nil), r.Since)
	b = appendText(appendText(b, v.ContentType), r.Detail)
	b = binary.AppendUvarint(b, uint64(r.RetryAfter))
	sum := crc32.Update(crc32.ChecksumIEEE(b[at:]), crc32.IEEETable, v.Value)
	return appendSum(b[:at], sum)
}

func appendDecisionMark(b []byte, c *node.ConflictRecord) []byte {
	d := &c.Decision
	b = appendText(append(b, MarkDecision), c.Path)
	b = codec.AppendBool(append(b, byte(d.Rule)), d.Final)
	at := len(b)
	b = append(b, d.Winner[:]...)
	for _, n := range [...]int{d.Index, d.Votes, d.Voters, len(c.Slot.Candidates), len(c.Slot.Votes)} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return sumUp(binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.Seen)), c.Age), at)
}

func appendSum(b []byte, sum uint32) []byte { return binary.LittleEndian.AppendUint32(b, sum) }

// sumUp replaces what was appended since at by its sum. The buffer is used for that because memory of its own would
// cost an allocation each time.
func sumUp(b []byte, at int) []byte { return appendSum(b[:at], crc32.ChecksumIEEE(b[at:])) }

// Mark is one mark, taken apart.
type Mark struct {
	Kind byte
	Text string // in words.
	Raw  []byte // as it is written.
}

// Shape is what a mark says in words, without its sum: number, order, size and recipient of an effect, and not what is
// in it. The zero Mark is no effect.
func (m *Mark) Shape() string {
	if m.Kind == 0 {
		return "nothing"
	}
	text, _, _ := strings.Cut(m.Text, sumWord)
	return text
}

// SameShape reports whether two marks differ in nothing but the sums of effects in which values may be.
func (m *Mark) SameShape(other *Mark) bool {
	if m.Kind != other.Kind || !m.hasValues() || len(m.Raw) != len(other.Raw) {
		return slices.Equal(m.Raw, other.Raw)
	}
	return slices.Equal(m.Raw[:len(m.Raw)-sumBytes], other.Raw[:len(m.Raw)-sumBytes])
}

// sumBytes is how many bytes of a mark are its sum, which comes last.
const sumBytes = 4

// hasValues reports whether values may be in the effect.
func (m *Mark) hasValues() bool {
	switch m.Kind {
	case MarkPersist, MarkSend, MarkReply, MarkLog:
		return true
	}
	return false
}

// sumWord comes before the sum in the words of a mark.
const sumWord = ", sum "

// Marks takes marks apart. Error: they are not as AppendMarks writes them.
func Marks(b []byte) ([]Mark, error) {
	r := &fields{codec.Read(b)}
	var all []Mark
	for r.Len() > 0 && !r.Failed() {
		from := r.Rest()
		m := Mark{Kind: r.U8()}
		m.Text = r.mark(m.Kind)
		m.Raw = from[:len(from)-r.Len()]
		all = append(all, m)
	}
	if r.Failed() {
		return nil, fmt.Errorf("%w: the effects of a step are not as they are written", ErrFormat)
	}
	return all, nil
}

func (r *fields) mark(kind byte) string {
	switch kind {
	case MarkPersist:
		return fmt.Sprintf("persist %d: %d changes, %d bytes, sum %08x", r.number(), r.number(), r.number(), r.U32())
	case MarkSend:
		after, transport, to := r.number(), node.Transport(r.U8()), r.text()
		what := "datagram"
		if transport == node.TransportFrame {
			what = "frame"
		}
		return fmt.Sprintf("%s to %s: %d bytes, sum %08x%s", what, to, r.number(), r.U32(), waits(after))
	case MarkReply:
		after, id, code := r.number(), r.number(), node.Code(r.U8())
		outcome := node.Outcome(r.U8())
		if int(code) >= len(node.Codes()) || outcome > node.OutcomeUnknown {
			r.Fail()
			return ""
		}
		return fmt.Sprintf("reply to request %d: %s, %s, sum %08x%s", id, code, outcome, r.U32(), waits(after))
	case MarkLog:
		level, text := int8(r.U8()), r.text()
		return fmt.Sprintf("log line, level %d: %s, sum %08x", level, text, r.U32())
	case MarkDecision:
		path, rule, final := r.text(), r.U8(), r.Bool()
		return fmt.Sprintf("decision on %q: rule %d, settled %t, sum %08x", path, rule, final, r.U32())
	case MarkChanged:
		return fmt.Sprintf("changed, log %d: from %d on %d paths, sum %08x", r.number(), r.number(), r.number(),
			r.U32())
	case MarkElectorate:
		return fmt.Sprintf("electorate of %d members, sum %08x", r.number(), r.U32())
	case MarkWake:
		return fmt.Sprintf("wake at %s", time.Duration(r.number()))
	}
	r.Fail()
	return ""
}

func waits(after uint64) string {
	if after == 0 {
		return ""
	}
	return fmt.Sprintf(", after persist %d", after)
}
