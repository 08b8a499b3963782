package swim

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// encode writes any packet, also one that no machine would send, with the encoder the machine uses.
func (p *packet) encode() []byte {
	entry := func(b []byte, r *rumour) []byte {
		m := r.member()
		return appendEntry(b, &m, r.accuser)
	}
	var b []byte
	if p.kind == kindRequest || p.kind == kindResponse {
		b = entry(appendStreamHeader(nil, p.kind, p.seq), &p.self)
		b = append(b, varint(uint64(len(p.rumours)))...)
	} else {
		b = append(appendDatagramHeader(nil, p.kind, p.sender, p.target, p.seq), byte(len(p.rumours)))
	}
	for i := range p.rumours {
		b = entry(b, &p.rumours[i])
	}
	return b
}

func varint(v uint64) (b []byte) {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func (p *packet) decode(data []byte, stream bool) error {
	if stream && len(data) > 1 && data[1] < kindRequest {
		return p.decodeStreamProbe(data)
	}
	if stream && len(data) > 1 && data[1] > kindResponse {
		return p.decodeLine(data)
	}
	if stream {
		return p.decodeStream(data)
	}
	return p.decodeDatagram(data)
}

// wireSamples are the messages in the golden file.
func wireSamples() []struct {
	name string
	p    packet
} {
	alive := rumour{id: 0x1122334455667788, state: Alive, born: 1_700_000_000_000 << 16, incarnation: 3 << 20,
		name: []byte("node1"), addr: []byte("10.0.0.1:7000")}
	suspect := rumour{id: 2, state: Suspect, born: 1, incarnation: 0, accuser: 0x8877665544332211, name: []byte{},
		addr: []byte("n2:1")}
	dead := rumour{id: 3, state: Dead, born: math.MaxUint64, incarnation: incarnationMax, name: []byte("näme"),
		addr: []byte("[::1]:65535")}
	left := rumour{id: 4, state: Left, born: 300, incarnation: 127, goneAt: wallMs,
		name: []byte(strings.Repeat("n", textBytesMax)), addr: []byte(strings.Repeat("a", textBytesMax))}
	removed := rumour{id: 6, state: Removed, born: 300, incarnation: 127, goneAt: 1, name: []byte("n6"),
		addr: []byte("n6:1")}
	return []struct {
		name string
		p    packet
	}{
		{"ping", packet{kind: kindPing, sender: 1, target: 2, seq: 1}},
		{"ping with rumours",
			packet{kind: kindPing, sender: 1, target: 2, seq: 300, rumours: []rumour{suspect, alive}}},
		{"ping-req", packet{kind: kindPingReq, sender: math.MaxUint64, target: 2, seq: math.MaxUint64,
			rumours: []rumour{dead}}},
		{"ack", packet{kind: kindAck, sender: 2, target: 2, seq: 300, rumours: []rumour{left}}},
		{"push-pull request of one alone", packet{kind: kindRequest, sender: alive.id, seq: 7, self: alive}},
		{"nack", packet{kind: kindNack, sender: 5, target: 2, seq: 300}},
		{"ping over a stream",
			packet{kind: kindStreamPing, sender: 1, target: 2, seq: 301, rumours: []rumour{removed}}},
		{"ack over a stream", packet{kind: kindStreamAck, sender: 2, target: 2, seq: 301}},
		{"question", packet{kind: kindAsk, sender: alive.id, target: 6, seq: 301, rumours: []rumour{alive}}},
		{"answer to a question", packet{kind: kindAnswer, sender: 2, target: 6, seq: 301, rumours: []rumour{removed}}},
		{"push-pull response",
			packet{kind: kindResponse, sender: alive.id, seq: 7, self: alive, rumours: []rumour{suspect, dead, left}}},
	}
}

// The bytes of version 1 never change: members of different releases talk to each other.
func TestWireGolden(t *testing.T) {
	var b strings.Builder
	for _, s := range wireSamples() {
		data := s.p.encode()
		fmt.Fprintf(&b, "%s: %x\n", s.name, data)
	}
	golden(t, "wire-v1.txt", b.String())

	file, err := os.ReadFile(filepath.Join("testdata", "wire-v1.txt"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(file)), "\n")
	require.Len(t, lines, len(wireSamples()))
	for i, s := range wireSamples() {
		name, digits, _ := strings.Cut(lines[i], ": ")
		require.Equal(t, s.name, name)
		data, err := hex.DecodeString(digits)
		require.NoError(t, err)
		var p packet
		require.NoError(t, p.decode(data, s.p.kind >= kindStreamPing), name)
		require.Equal(t, s.p, p, name)
	}
}

func TestMalformed(t *testing.T) {
	ping := func(change func(*packet)) []byte {
		p := packet{kind: kindPing, sender: 1, target: 2, seq: 5, rumours: []rumour{*says(7, Alive, 1)}}
		change(&p)
		return p.encode()
	}
	for _, c := range []struct {
		why  string
		data []byte
	}{
		{"unknown version", append([]byte{2}, ping(func(*packet) {})[1:]...)},
		{"cut short", nil},
		{"unknown kind", ping(func(p *packet) { p.kind = kindStreamPing })},
		{"unknown kind", ping(func(p *packet) { p.kind = 0 })},
		{"member id is zero", ping(func(p *packet) { p.sender = 0 })},
		{"member id is zero", ping(func(p *packet) { p.target = 0 })},
		{"member id is zero", ping(func(p *packet) { p.rumours[0].id = 0 })},
		{"unknown state", ping(func(p *packet) { p.rumours[0].state = 5 })},
		{"gone, but never", ping(func(p *packet) { p.rumours[0].state = Removed })},
		{"incarnation above", ping(func(p *packet) { p.rumours[0].incarnation = incarnationMax + 1 })},
		{"bad length", ping(func(p *packet) { p.rumours[0].addr = nil })},
		{"bad length", ping(func(p *packet) { p.rumours[0].name = make([]byte, 256) })},
		{"bytes after the end", append(ping(func(*packet) {}), 0)},
		{"cut short", appendDatagramHeader(nil, kindPing, 1, 2, 5)},
		{"fewer entries", append(appendDatagramHeader(nil, kindPing, 1, 2, 5), 255)},
		{"bad varint", append(appendDatagramHeader(nil, kindPing, 1, 2, 5)[:18], 0x85, 0x00, 0)},
		{"bad varint", append(appendDatagramHeader(nil, kindPing, 1, 2, 5)[:18], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0x7f)},
	} {
		m := newMachine(t, nil)
		var out Output
		err := m.Datagram(0, "x:1", c.data, &out)
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, c.why)
		require.Empty(t, out)
		require.Len(t, m.Members(), 1)
	}
}

// Every message cut short is refused, and a count that lies costs nothing.
func TestCutShort(t *testing.T) {
	for _, s := range wireSamples() {
		data := s.p.encode()
		for n := range data {
			var p packet
			require.ErrorIs(t, p.decode(data[:n], s.p.kind >= kindStreamPing), ErrMalformed, "%s, %d bytes", s.name, n)
		}
	}
	self := Member{ID: 2, Addr: "x:1"}
	lie := append(appendEntry(appendStreamHeader(nil, kindRequest, 1), &self, 0), varint(membersHardMax)...)
	var p packet
	require.ErrorIs(t, p.decodeStream(append(lie, 0)), ErrMalformed)
	require.Zero(t, cap(p.rumours))
	more := append(appendEntry(appendStreamHeader(nil, kindRequest, 1), &self, 0), varint(math.MaxUint64)...)
	require.ErrorIs(t, p.decodeStream(more), ErrMalformed)
}

func fuzzSeeds(f *testing.F) {
	for _, s := range wireSamples() {
		f.Add(s.p.encode(), s.p.kind >= kindStreamPing)
	}
}

// What is read is written again as it was: one message has one encoding.
func FuzzRoundTrip(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte, stream bool) {
		var p packet
		if err := p.decode(data, stream); err != nil {
			require.True(t, errors.Is(err, ErrMalformed))
			return
		}
		require.Equal(t, data, p.encode())
	})
}

// A machine takes anything from the network, again and again, and stays within its bounds.
func FuzzMachine(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte, stream bool) {
		m := newMachine(t, func(o *Options) {
			o.Config.MembersMax = 3
			o.Config.DatagramBytesMax = datagramBytesMin
			o.Seeds = []string{"seed:1"}
		})
		rng := rand.New(rand.NewPCG(5, 6))
		now := time.Duration(0)
		data = append([]byte{}, data...)
		for range 20 {
			var out Output
			var err error
			if stream {
				err = m.Stream(now, Speaker{}, data, &out)
			} else {
				err = m.Datagram(now, "from:1", data, &out)
			}
			require.True(t, err == nil || errors.Is(err, ErrMalformed))
			m.Tick(now, &out)
			require.Greater(t, m.Next(), now)
			require.LessOrEqual(t, m.Next(), now+2*time.Hour)
			now = m.Next()
			for _, s := range out.Sends {
				require.True(t, s.Stream || len(s.Data) <= datagramBytesMin)
				require.NoError(t, (&packet{}).decode(s.Data, s.Stream), "we say only what we would accept")
			}
			require.LessOrEqual(t, len(m.Members()), 3)
			if len(data) > 0 { // and then something like it.
				data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
			}
		}
	})
}
