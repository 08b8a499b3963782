package swim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filled returns a machine that knows members 2 to n, and has gossiped all that.
func filled(t testing.TB, n ID, change func(*Options)) *Machine {
	m := newMachine(t, change)
	var out Output
	for id := ID(2); id <= n; id++ {
		m.learn(0, says(id, Alive, 1), id, sworn, &out)
	}
	m.rumours = m.rumours[:0]
	return m
}

func sentRumours(t *testing.T, s Send) (all []ID) {
	var p packet
	require.NoError(t, p.decodeDatagram(s.Data))
	for i := range p.rumours {
		all = append(all, p.rumours[i].id)
	}
	return all
}

func TestLeastToldFirstThenNewest(t *testing.T) {
	m := filled(t, 6, nil)
	say := func() []ID {
		var out Output
		m.send(kindPing, 6, 1, m.find(6), "m6:1", &out)
		return sentRumours(t, out.Sends[0])
	}
	m.spread(2)
	m.spread(3)
	require.Equal(t, []ID{3, 2}, say())
	m.spread(4)
	require.Equal(t, []ID{4, 3, 2}, say(), "4 was not told yet")
	m.spread(2)
	require.Equal(t, []ID{2, 4, 3}, say(), "2 is new again")
	m.spread(6)
	require.Equal(t, []ID{2, 4, 3}, say(), "nobody is told that he lives")
}

func TestRumoursEnd(t *testing.T) {
	m := filled(t, 8, nil)
	m.spread(2)
	limit := m.cfg.RetransmitMult * 4 // 8 members: ⌈log₂ 9⌉.
	for i := range limit + 3 {
		var out Output
		m.send(kindPing, 6, 1, m.find(6), "m6:1", &out)
		require.Equal(t, i < limit, len(sentRumours(t, out.Sends[0])) == 1)
	}
	require.Empty(t, m.rumours)
}

// A datagram is filled up to its limit and never beyond; what did not fit goes with the next.
func TestDatagramIsBounded(t *testing.T) {
	for bytesMax := datagramBytesMin; bytesMax < datagramBytesMin+300; bytesMax += 7 {
		m := newMachine(t, func(o *Options) { o.Config.DatagramBytesMax = bytesMax })
		var out Output
		for id := ID(2); id < 60; id++ {
			r := says(id, Suspect, 1)
			r.name = []byte(strings.Repeat("x", int(id*7)%textBytesMax))
			m.learn(0, r, id, sworn, &out)
		}
		told := map[ID]bool{}
		for range 100 {
			out = Output{}
			m.send(kindAck, 2, 1<<63, m.find(2), "m2:1", &out)
			require.LessOrEqual(t, len(out.Sends[0].Data), bytesMax)
			for _, id := range sentRumours(t, out.Sends[0]) {
				told[id] = true
			}
		}
		require.Len(t, told, 59, "all were told, this member's own line too")
	}
}

// Whoever is believed suspect, dead or left hears so first, in every datagram to it.
func TestBuddy(t *testing.T) {
	for _, s := range []State{Suspect, Dead, Left} {
		m := filled(t, 4, nil)
		m.learn(0, says(3, s, 1), 2, sworn, &Output{})
		m.rumours = m.rumours[:0]
		m.spread(4)
		var out Output
		require.NoError(t, m.Datagram(0, "m3:1", (&packet{kind: kindPing, sender: 3, target: 1, seq: 9}).encode(),
			&out))
		require.Len(t, out.Sends, 1)
		require.Equal(t, []ID{3, 4}, sentRumours(t, out.Sends[0]))
	}
}

// One slice for each send, and nothing else, in the steady state: the simulator runs millions of these rounds.
func TestAllocations(t *testing.T) {
	a, b := filled(t, 2, nil), filled(t, 1, func(o *Options) {
		o.Self = Member{ID: 2, Name: "m2", Addr: "m2:1", Born: 200, Incarnation: 1}
	})
	b.learn(0, &rumour{id: 1, born: 100, incarnation: 10, name: []byte("me"), addr: []byte("me:1")}, 1, sworn,
		&Output{})
	b.rumours = b.rumours[:0]
	a.exchangeAt, a.dialAt = time.Hour, time.Hour
	out := Output{Sends: make([]Send, 0, 8), Events: make([]Event, 0, 8)}
	round := func() {
		out.Sends = out.Sends[:0]
		a.Tick(a.Next(), &out)
		for i := 0; i < len(out.Sends); i++ {
			to, from := b, "me:1"
			if out.Sends[i].To == "me:1" {
				to, from = a, "m2:1"
			}
			if err := to.Datagram(a.probeAt-a.cfg.ProbeInterval, from, out.Sends[i].Data, &out); err != nil {
				t.Fatal(err)
			}
		}
		if len(out.Sends) != 2 {
			t.Fatalf("%d datagrams in a round, want a ping and an ack", len(out.Sends))
		}
	}
	round()
	require.LessOrEqual(t, testing.AllocsPerRun(100, round), 2.0)
}

func BenchmarkRound(b *testing.B) {
	m := filled(b, 5, nil)
	m.exchangeAt, m.dialAt = 1<<62, 1<<62
	out := Output{Sends: make([]Send, 0, 8)}
	ack := (&packet{kind: kindAck, sender: 2, target: 2, seq: 1}).encode()
	b.ReportAllocs()
	for b.Loop() {
		out.Sends = out.Sends[:0]
		m.Tick(m.Next(), &out)
		m.probe.acked, m.probe.indirectAt = true, 0
		if err := m.Datagram(m.probeAt-1, "m2:1", ack, &out); err != nil {
			b.Fatal(err)
		}
	}
}

// News that does not fit into the datagrams that are sent anyhow goes out in others, boundedly many, and only then.
func TestCrowdedRumoursGetDatagramsOfTheirOwn(t *testing.T) {
	extra := func(m *Machine) (n int) {
		before := m.counters.ExtraGossip
		var out Output
		m.startProbe(m.probeAt, &out)
		for _, s := range out.Sends {
			var p packet
			require.NoError(t, p.decodeDatagram(s.Data))
			require.LessOrEqual(t, len(s.Data), m.cfg.DatagramBytesMax)
			if p.kind == kindAck {
				require.Zero(t, p.seq, "it answers nothing")
				n++
			}
		}
		require.EqualValues(t, n, m.counters.ExtraGossip-before)
		return n
	}
	m := filled(t, 1000, nil)
	for id := ID(2); id < 30; id++ {
		m.spread(id)
	}
	require.Zero(t, extra(m), "all of it fits into the ping")
	for id := ID(2); id < 120; id++ {
		m.spread(id)
	}
	require.Equal(t, 8, extra(m))
	for id := ID(2); id < 120; id++ {
		require.True(t, !slices.ContainsFunc(m.rumours, func(r told) bool {
			return r.id == id && r.times == 0
		}), "member %d has not been spoken of", id)
	}
	rounds := 0
	for ; len(m.rumours) > 0; rounds++ {
		require.Less(t, rounds, 60, "rumours end")
		extra(m)
	}
	require.Zero(t, extra(m))
}
