package swim

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The encoding, version 1. u64 is little-endian, varint is LEB128 in its shortest form, text is a varint length and
// bytes.
//
//	datagram   version u8 = 1
//	           kind    u8         1 ping, 2 ping-req, 3 ack, 4 nack
//	           sender  u64        ID
//	           target  u64        ID: who is asked (ping), whom to ask (ping-req), who lives (ack), who is
//	                              silent (nack)
//	           seq     varint     chosen by who asks, repeated by who answers
//	           count   u8         entries that follow: rumours
//	probe      as a datagram, but over a stream and of kind 5 ping or 6 ack: for want of datagrams
//	line       as a datagram with one entry, over a stream: 10 ask (the entry is the sender's own, target
//	           is whose line is wanted),
//	           11 answer (the entry is that line)
//	stream     version u8 = 1
//	           kind    u8         8 push-pull request, 9 push-pull response
//	           seq     varint     chosen by who asks, repeated by who answers
//	           sender  entry
//	           count   varint     entries that follow: all the other members the sender knows
//	entry      id          u64     not zero
//	           state       u8      0 alive, 1 suspect, 2 dead, 3 left, 4 removed
//	           born        varint
//	           incarnation varint  at most 2^62
//	           accuser     u64     only when suspect: ID of a member that suspects it
//	           gone        varint  only when left or removed: milliseconds since the Unix epoch, not zero
//	           name        text    at most 255 bytes
//	           addr        text    1 to 255 bytes
//
// A message of another version, of an unknown kind, or with bytes to spare is malformed and changes nothing: newer
// members send this version until all members understand theirs. Kind 7 is free.
const (
	wireVersion = 1

	kindPing    = 1
	kindPingReq = 2
	kindAck     = 3
	kindNack    = 4

	kindStreamPing = 5
	kindStreamAck  = 6

	kindRequest  = 8
	kindResponse = 9

	kindAsk    = 10 // newer than kinds 1 to 9; older members drop both.
	kindAnswer = 11

	textBytesMax        = 255
	incarnationMax      = 1 << 62
	membersHardMax      = 16384 // entries in one message, whatever the MembersMax of its sender.
	entryBytesMin       = 8 + 1 + 1 + 1 + 1 + 1 + 1
	entryBytesMax       = 8 + 1 + 10 + 9 + 10 + 2*(2+textBytesMax)
	datagramHeaderBytes = 1 + 1 + 8 + 8 + 10 + 1
	datagramEntriesMax  = 255
)

// ErrMalformed is wrapped by every error of Datagram and Stream.
var ErrMalformed = errors.New("malformed membership message")

// rumour is one claim about a member. Its name and addr borrow the message in which they came.
type rumour struct {
	id          ID
	state       State
	born        uint64
	incarnation uint64
	accuser     ID     // of a suspect.
	goneAt      uint64 // of a member that is gone.
	name, addr  []byte
}

func (r *rumour) member() Member {
	return Member{ID: r.id, Name: string(r.name), Addr: string(r.addr), Born: r.born, Incarnation: r.incarnation,
		State: r.state, GoneAt: r.goneAt}
}

// packet is a decoded datagram or stream message. Its rumours are reused from message to message.
type packet struct {
	kind    byte
	sender  ID
	target  ID // datagrams only.
	seq     uint64
	self    rumour // stream only: the sender's own entry.
	rumours []rumour
}

func appendDatagramHeader(b []byte, kind byte, sender, target ID, seq uint64) []byte {
	b = append(b, wireVersion, kind)
	b = binary.LittleEndian.AppendUint64(b, uint64(sender))
	b = binary.LittleEndian.AppendUint64(b, uint64(target))
	return binary.AppendUvarint(b, seq)
}

func appendStreamHeader(b []byte, kind byte, seq uint64) []byte {
	return binary.AppendUvarint(append(b, wireVersion, kind), seq)
}

func appendEntry(b []byte, m *Member, accuser ID) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(m.ID))
	b = append(b, byte(m.State))
	b = binary.AppendUvarint(b, m.Born)
	b = binary.AppendUvarint(b, m.Incarnation)
	if m.State == Suspect {
		b = binary.LittleEndian.AppendUint64(b, uint64(accuser))
	}
	if m.State.Gone() {
		b = binary.AppendUvarint(b, m.GoneAt)
	}
	b = append(binary.AppendUvarint(b, uint64(len(m.Name))), m.Name...)
	return append(binary.AppendUvarint(b, uint64(len(m.Addr))), m.Addr...)
}

// decodeDatagram reads all of data into p, or fails.
func (p *packet) decodeDatagram(data []byte) error { return p.decodeProbe(data, kindPing, kindNack) }

// decodeStreamProbe reads a probe that came over a stream.
func (p *packet) decodeStreamProbe(data []byte) error {
	return p.decodeProbe(data, kindStreamPing, kindStreamAck)
}

// Deaths are the members that a probe calls dead by the way: none, if data is no probe. It is for those who look at
// messages from outside.
func Deaths(data []byte) (out []Member) {
	r := reader{b: data}
	r.kind(kindPing, kindStreamAck)
	r.id()
	r.id()
	r.uvarint()
	for range r.u8() {
		if told := r.entry(); told.state == Dead {
			out = append(out, told.member())
		}
	}
	if r.why != "" || len(r.b) > 0 {
		return nil
	}
	return out
}

// decodeLine reads a question or an answer about one member.
func (p *packet) decodeLine(data []byte) error {
	if err := p.decodeProbe(data, kindAsk, kindAnswer); err != nil {
		return err
	}
	if len(p.rumours) != 1 {
		return fmt.Errorf("%w: %d lines, want one", ErrMalformed, len(p.rumours))
	}
	return nil
}

func (p *packet) decodeProbe(data []byte, least, most byte) error {
	r := reader{b: data}
	p.kind = r.kind(least, most)
	p.sender, p.target = r.id(), r.id()
	p.seq = r.uvarint()
	p.readEntries(&r, int(r.u8()))
	return r.end()
}

// decodeStream reads all of data into p, or fails.
func (p *packet) decodeStream(data []byte) error {
	r := reader{b: data}
	p.kind = r.kind(kindRequest, kindResponse)
	p.seq = r.uvarint()
	p.self = r.entry()
	p.sender, p.target = p.self.id, 0
	count := r.uvarint()
	if count > membersHardMax {
		r.fail("too many entries")
		count = 0
	}
	p.readEntries(&r, int(count))
	return r.end()
}

func (p *packet) readEntries(r *reader, count int) {
	p.rumours = p.rumours[:0]
	if count*entryBytesMin > len(r.b) {
		r.fail("fewer entries than announced") // checked before memory is allocated for them.
		return
	}
	for range count {
		p.rumours = append(p.rumours, r.entry())
	}
}

// reader reads the fields of a message. After the first failure it returns zeros.
type reader struct {
	b   []byte
	why string // empty: nothing is wrong.
}

func (r *reader) fail(why string) {
	if r.why == "" {
		r.why = why
	}
	r.b = nil
}

func (r *reader) end() error {
	if len(r.b) > 0 {
		r.fail("bytes after the end")
	}
	if r.why != "" {
		return fmt.Errorf("%w: %s", ErrMalformed, r.why)
	}
	return nil
}

// take returns the next n bytes, borrowed.
func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("cut short")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) kind(least, most byte) byte {
	if r.u8() != wireVersion {
		r.fail("unknown version")
	}
	k := r.u8()
	if k < least || k > most {
		r.fail("unknown kind")
	}
	return k
}

func (r *reader) id() ID {
	b := r.take(8)
	if b == nil {
		return 0
	}
	id := ID(binary.LittleEndian.Uint64(b))
	if id == 0 {
		r.fail("member id is zero")
	}
	return id
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || (n > 1 && r.b[n-1] == 0) {
		r.fail("bad varint") // cut short, above 64 bits, or longer than need be.
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text(least uint64) []byte {
	n := r.uvarint()
	if n < least || n > textBytesMax {
		r.fail("bad length of a name or address")
		return nil
	}
	return r.take(int(n))
}

func (r *reader) entry() rumour {
	e := rumour{id: r.id(), state: State(r.u8()), born: r.uvarint(), incarnation: r.uvarint()}
	if e.state > Removed {
		r.fail("unknown state")
	}
	if e.incarnation > incarnationMax {
		r.fail("incarnation above its maximum")
	}
	if e.state == Suspect {
		e.accuser = r.id()
	}
	if e.state.Gone() {
		if e.goneAt = r.uvarint(); e.goneAt == 0 {
			r.fail("gone, but never")
		}
	}
	e.name = r.text(0)
	e.addr = r.text(1)
	return e
}
