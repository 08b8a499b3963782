package swim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each member is probed once in each turn, the order differs from turn to turn.
func TestEveryMemberIsProbedInTurn(t *testing.T) {
	m := filled(t, 8, nil)
	m.shuffleOrder()
	orders := map[string]bool{}
	for range 20 {
		turn := ""
		seen := map[ID]bool{}
		for range 7 {
			p := m.nextTarget()
			seen[p.ID] = true
			turn += p.ID.String()
		}
		require.Len(t, seen, 7)
		orders[turn] = true
	}
	require.Greater(t, len(orders), 10)
}

func TestDeadAndLeftAreNotProbed(t *testing.T) {
	m := filled(t, 4, nil)
	var out Output
	m.learn(0, says(2, Dead, 1), 3, sworn, &out)
	m.learn(0, says(3, Left, 1), 4, sworn, &out)
	m.learn(0, says(4, Suspect, 1), 3, sworn, &out)
	for range 10 {
		require.Equal(t, ID(4), m.nextTarget().ID, "a suspect must be given the chance to refute")
	}
}

// A ping for the former owner of our address is not answered: he would seem alive.
func TestMisdirectedPing(t *testing.T) {
	m := filled(t, 2, nil)
	var out Output
	require.NoError(t, m.Datagram(0, "m2:1", (&packet{kind: kindPing, sender: 2, target: 77, seq: 9}).encode(), &out))
	require.Empty(t, out.Sends)
	require.Equal(t, uint64(1), m.Counters().Misdirected)
}

// Only the answer to the question counts: right number, right member.
func TestForeignAcks(t *testing.T) {
	m := filled(t, 3, nil)
	var out Output
	m.startProbe(m.probeAt, &out)
	target, seq := m.probe.target, m.probe.seq
	other := 5 - target // 2 or 3.
	for _, p := range []packet{
		{kind: kindAck, sender: other, target: other, seq: seq},
		{kind: kindAck, sender: target, target: target, seq: seq + 1},
		{kind: kindAck, sender: target, target: target, seq: 0},
	} {
		require.NoError(t, m.Datagram(0, "x:1", p.encode(), &out))
		require.False(t, m.probe.acked)
	}
	require.NoError(t, m.Datagram(0, "x:1", (&packet{kind: kindAck, sender: other, target: target, seq: seq}).encode(),
		&out))
	require.True(t, m.probe.acked, "an answer that another member passed on")
}

// Requests to probe for others are remembered up to a bound; the oldest goes first, and answers are passed on once.
func TestRelaysAreBounded(t *testing.T) {
	m := filled(t, 3, nil)
	var pings []uint64
	for i := range relaysMax + 10 {
		var out Output
		require.NoError(t, m.Datagram(0, "m2:1",
			(&packet{kind: kindPingReq, sender: 2, target: 3, seq: uint64(1000 + i)}).encode(), &out))
		var p packet
		require.NoError(t, p.decodeDatagram(out.Sends[0].Data))
		require.Equal(t, "m3:1", out.Sends[0].To)
		pings = append(pings, p.seq)
	}
	require.Len(t, m.relays, relaysMax)
	for i, seq := range pings {
		for try := range 2 {
			var out Output
			require.NoError(t, m.Datagram(0, "m3:1", (&packet{kind: kindAck, sender: 3, target: 3, seq: seq}).encode(),
				&out))
			if i < 10 || try == 1 {
				require.Empty(t, out.Sends)
				continue
			}
			var p packet
			require.NoError(t, p.decodeDatagram(out.Sends[0].Data))
			require.Equal(t, "m2:1", out.Sends[0].To)
			require.Equal(t, packet{kind: kindAck, sender: 1, target: 3, seq: uint64(1000 + i), rumours: p.rumours[:0]},
				p)
		}
	}
	var out Output
	require.NoError(t, m.Datagram(0, "m2:1", (&packet{kind: kindPingReq, sender: 2, target: 99, seq: 1}).encode(),
		&out))
	require.Empty(t, out.Sends, "somebody unknown")
}

// With enough helpers they are asked; with too few, the target once more by a datagram too. Always once over a stream.
func TestWhoIsAskedToProbe(t *testing.T) {
	for _, c := range []struct{ members, requests, pings int }{{2, 0, 2}, {3, 1, 2}, {4, 2, 2}, {5, 3, 1}, {9, 3, 1}} {
		m := filled(t, ID(c.members), nil)
		var out Output
		m.startProbe(m.probeAt, &out)
		out = Output{}
		m.probeIndirect(&out)
		requests, streams, asked := 0, 0, map[string]bool{}
		for _, s := range out.Sends {
			if s.Data[1] == kindPingReq {
				requests++
			}
			if s.Stream {
				streams++
			} else {
				require.False(t, asked[s.To], "nobody twice")
				asked[s.To] = true
			}
		}
		require.Equal(t, c.requests, requests)
		require.Equal(t, c.pings, len(out.Sends)-requests)
		require.Equal(t, 1, streams, "and the target over a stream")
	}
}

// A datagram under the own ID may be forged: that there are two is believed when the other one says so where the
// datagram came from.
func TestDatagramUnderOwnID(t *testing.T) {
	m := filled(t, 2, nil)
	hear := func() *Output {
		var out Output
		require.NoError(t,
			m.Datagram(time.Second, "clone:1", (&packet{kind: kindPing, sender: 1, target: 1, seq: 3}).encode(), &out))
		return &out
	}
	out := hear()
	_, ok := m.Clash()
	require.False(t, ok, "one forged datagram is enough for an alarm")
	require.Len(t, out.Sends, 1)
	require.Equal(t, "clone:1", out.Sends[0].To)
	require.Empty(t, hear().Sends, "it asks already")
	var asked packet
	require.NoError(t, asked.decodeLine(out.Sends[0].Data))
	answer := func(nonce uint64, line *Member) {
		b := appendEntry(append(appendDatagramHeader(nil, kindAnswer, 1, 1, nonce), 1), line, 0)
		require.NoError(t, m.Stream(time.Second, Speaker{}, b, &Output{}))
	}
	self := m.Self()
	clone := self
	clone.Incarnation += 1 << lifeShift
	answer(asked.seq+1, &clone)
	_, ok = m.Clash()
	require.False(t, ok, "an answer to no question")
	answer(asked.seq, &self) // the address is its own.
	_, ok = m.Clash()
	require.False(t, ok)

	require.NoError(t, asked.decodeLine(hear().Sends[0].Data))
	answer(asked.seq, &clone)
	claim, ok := m.Clash()
	require.True(t, ok)
	clone.Addr = "clone:1"
	require.Equal(t, clone, claim)
	require.Equal(t, self, m.Self(), "and nothing else is believed of it")
	require.EqualValues(t, 1, m.Counters().Clashes)
}

// A rumour that this member lives elsewhere is no proof either, unless it is part of an answer.
func TestForgedRumourOfAClash(t *testing.T) {
	m := newMachine(t, nil)
	var out Output
	m.learn(0, &rumour{id: 1, born: 99, incarnation: 10, name: []byte("me"), addr: []byte("you:1")}, 3, gossip, &out)
	_, clash := m.Clash()
	require.False(t, clash)
	require.Equal(t, "you:1", out.Sends[len(out.Sends)-1].To)
}
