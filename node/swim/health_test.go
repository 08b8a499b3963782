package swim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Lifeguard, section IV-A: what moves the score, and by how much.
func TestLocalHealth(t *testing.T) {
	for _, c := range []struct {
		name    string
		members ID
		acked   bool
		nacks   int // of the helpers asked.
		before  int
		want    int
	}{
		{"an answer improves", 5, true, 0, 3, 2},
		{"it stays at its best", 5, true, 0, 0, 0},
		{"all helpers say nack: it is the target's fault", 5, false, 3, 2, 2},
		{"each silent helper is a reason to doubt oneself", 5, false, 1, 2, 4},
		{"up to a bound", 5, false, 0, 6, 7},
		{"two members: nobody can say whose fault it is", 2, false, 0, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := filled(t, c.members, nil)
			m.health = c.before
			var out Output
			m.startProbe(m.probeAt, &out)
			target, seq := m.probe.target, m.probe.seq
			out = Output{}
			m.probeIndirect(&out)
			helpers := []ID{}
			for _, s := range out.Sends {
				var p packet
				if !s.Stream && p.decodeDatagram(s.Data) == nil && p.kind == kindPingReq {
					helpers = append(helpers, m.addressee(s.To))
				}
			}
			for i := range c.nacks {
				nack := packet{kind: kindNack, sender: helpers[i], target: target, seq: seq}
				for range 2 { // a duplicate says nothing new.
					require.NoError(t, m.Datagram(m.now, "x:1", nack.encode(), &out))
				}
			}
			if c.acked {
				require.NoError(t, m.Datagram(m.now, "x:1",
					(&packet{kind: kindAck, sender: target, target: target, seq: seq}).encode(), &out))
			}
			m.concludeProbe(m.probeAt, &out)
			require.Equal(t, c.want, m.LocalHealth())
		})
	}
}

func (m *Machine) addressee(addr string) ID {
	for _, p := range m.peers {
		if p.Addr == addr {
			return p.ID
		}
	}
	return 0
}

func TestRefutingWorsens(t *testing.T) {
	m := newMachine(t, nil)
	r := &rumour{id: 1, born: 100, incarnation: 10, state: Suspect, accuser: 3, name: []byte("me"),
		addr: []byte("me:1")}
	m.learn(0, r, 3, sworn, &Output{})
	require.Equal(t, 1, m.LocalHealth())
}

// With a bad score probes are further apart and wait longer.
func TestBadHealthMakesPatient(t *testing.T) {
	m := filled(t, 5, nil)
	m.health = 3
	var out Output
	at := m.probeAt
	m.startProbe(at, &out)
	require.Equal(t, at+4*time.Second, m.probeAt)
	require.Equal(t, at+2*time.Second, m.probe.indirectAt)
	require.Equal(t, 12*time.Second, suspicionTime(&m.cfg, 2, 0, 0, 1),
		"in a cluster of two a doubt lengthens the suspicion")
	require.Equal(t, 8*time.Second, suspicionTime(&m.cfg, 2, 0, 0, 0))
}

// A helper says nack before the round of whoever asked ends, once, and still passes a late ack on.
func TestNack(t *testing.T) {
	m := filled(t, 3, nil)
	var out Output
	require.NoError(t, m.Datagram(0, "m2:1", (&packet{kind: kindPingReq, sender: 2, target: 3, seq: 9}).encode(), &out))
	ping := m.relays[0].seq
	require.Equal(t, 400*time.Millisecond, m.nextNack())
	require.LessOrEqual(t, m.Next(), 400*time.Millisecond)
	out = Output{}
	m.sendNacks(399*time.Millisecond, &out)
	require.Empty(t, out.Sends)
	m.sendNacks(400*time.Millisecond, &out)
	m.sendNacks(401*time.Millisecond, &out)
	require.Len(t, out.Sends, 1)
	var p packet
	require.NoError(t, p.decodeDatagram(out.Sends[0].Data))
	require.Equal(t, packet{kind: kindNack, sender: 1, target: 3, seq: 9, rumours: p.rumours}, p)
	require.Equal(t, "m2:1", out.Sends[0].To)
	out = Output{}
	require.NoError(t, m.Datagram(0, "m3:1", (&packet{kind: kindAck, sender: 3, target: 3, seq: ping}).encode(), &out))
	require.Len(t, out.Sends, 1)
	require.Zero(t, m.nacksDue)
}

// All datagrams are lost for an hour while streams work, between two members or around one, or everywhere: nobody is
// ever suspected, and news still travels.
func TestDatagramsCutForLong(t *testing.T) {
	for n := 2; n <= 6; n++ {
		for name, cut := range map[string]func(from, to string) bool{
			"a pair":     func(from, to string) bool { return from+to == "ab" || from+to == "ba" },
			"one":        func(from, to string) bool { return from == "a" || to == "a" },
			"one-way":    func(from, to string) bool { return from == "a" },
			"everything": func(string, string) bool { return true },
		} {
			w := cluster(t, uint64(n), n)
			w.pass(time.Minute)
			w.forget()
			w.cut = func(from, to string, stream bool) bool { return !stream && cut(from, to) }
			w.pass(time.Hour)
			for _, o := range w.nodes {
				require.Empty(t, o.events, "%s of %d, seen by %s", name, n, o.name)
			}
			if name == "everything" {
				require.NotZero(t, w.node("a").m.Counters().StreamAcks)
			}
			last := w.nodes[n-1]
			last.up = false
			w.until(5*time.Minute, func() bool { return w.all(last.name, "dead", "") })
		}
	}
}

// A member whose every message comes late must not push its faults on others: with local health it accuses nobody
// falsely to death.
func TestSlowMemberAccusesNobodyToDeath(t *testing.T) {
	w := cluster(t, 4, 6)
	w.pass(time.Minute)
	w.forget()
	n := 0
	w.cut = func(from, to string, stream bool) bool {
		// half of the datagrams to and from b are lost, and its streams hang.
		n++
		return (from == "b" || to == "b") && (stream || n%2 != 0)
	}
	w.pass(10 * time.Minute)
	for _, o := range w.nodes {
		for _, e := range o.events {
			require.True(t, e.Member.ID == w.node("b").id || e.Member.State != Dead, "%s saw %s %s", o.name,
				e.Member.Name, e.Member.State)
		}
	}
	w.cut = nil
	w.until(time.Minute, func() bool { return w.agree(Alive) })
	w.until(2*time.Minute, func() bool { return w.node("b").m.LocalHealth() == 0 })
}
