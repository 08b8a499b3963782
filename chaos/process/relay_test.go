package process

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
)

const patience = time.Minute // a deadline for what ought to happen at once.

func newRelays(t *testing.T) *relays {
	r, err := openRelays(2, 1, chaos.Link{}, rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))))
	require.NoError(t, err)
	t.Cleanup(r.close)
	return r
}

// What a former node of the same address has dialed does not stand in the way: its ports are others.
func TestPortsAreNotThoseOfConnections(t *testing.T) {
	r := newRelays(t)
	for i := 1; i <= 2; i++ {
		require.Less(t, r.addrs[i].Port(), uint16(32768)) // where the range of Linux begins.
		require.Equal(t, r.addrs[i].Port(), r.front[i].Port())
	}
}

func apply(t *testing.T, r *relays, text string) {
	f, err := chaos.ParseFault(text)
	require.NoError(t, err)
	r.apply(f)
}

// dialer returns a function that connects n1 to n2: near is n1's end, far is n2's.
func dialer(t *testing.T, r *relays) func() (near, far net.Conn) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(r.addrs[2]))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: r.addrs[1].Addr().AsSlice()}}
	return func() (near, far net.Conn) {
		near, err := d.Dial("tcp", r.front[2].String())
		require.NoError(t, err)
		far, err = l.Accept()
		require.NoError(t, err)
		for _, c := range []net.Conn{near, far} {
			require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
			t.Cleanup(func() { c.Close() })
		}
		return near, far
	}
}

// Datagrams keep their order on loopback, so the second shows that the first was dropped.
func TestDatagramsAreCutOneWay(t *testing.T) {
	r := newRelays(t)
	var u [3]*net.UDPConn
	for i := 1; i <= 2; i++ {
		var err error
		u[i], err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(r.addrs[i]))
		require.NoError(t, err)
		defer u[i].Close()
		require.NoError(t, u[i].SetReadDeadline(time.Now().Add(patience)))
	}
	send := func(from, to int, text string) {
		_, err := u[from].WriteToUDPAddrPort([]byte(text), r.front[to])
		require.NoError(t, err)
	}
	receive := func(at, from int) string {
		buf := make([]byte, 100)
		n, src, err := u[at].ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		require.Equal(t, r.front[from], src, "it comes from where its sender is reached")
		return string(buf[:n])
	}
	send(1, 2, "hello")
	require.Equal(t, "hello", receive(2, 1))
	apply(t, r, "cut n1 -> n2")
	blocked, _, _ := r.fate(1, 2)
	require.True(t, blocked)
	send(2, 1, "still open")
	require.Equal(t, "still open", receive(1, 2))
	apply(t, r, "heal")
	apply(t, r, "delay n1 -> n2 30ms..30ms")
	begin := time.Now()
	send(1, 2, "late")
	require.Equal(t, "late", receive(2, 1))
	require.GreaterOrEqual(t, time.Since(begin), 30*time.Millisecond)
	apply(t, r, "heal")
	apply(t, r, "clog n1 -> n2")
	send(1, 2, "clogged")
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.clogs) == 1
	}, patience, time.Millisecond)
	send(2, 1, "the other way")
	require.Equal(t, "the other way", receive(1, 2))
	apply(t, r, "heal-clog")
	require.Equal(t, "clogged", receive(2, 1))
	apply(t, r, "loss n1 -> n2 100%")
	_, lost, _ := r.fate(1, 2)
	require.True(t, lost)
}

func TestStreamsAreSilencedAndResetAfterwards(t *testing.T) {
	r := newRelays(t)
	dial := dialer(t, r)
	near, far := dial()
	_, err := near.Write([]byte("one"))
	require.NoError(t, err)
	buf := make([]byte, 3)
	_, err = io.ReadFull(far, buf)
	require.NoError(t, err)
	apply(t, r, "partition n1 | n2")
	_, err = near.Write([]byte("two"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for p := range r.conns {
			return p.silenced
		}
		return false
	}, patience, time.Millisecond)
	apply(t, r, "heal")
	n, err := far.Read(buf)
	require.Zero(t, n, "what was cut never arrives")
	require.Error(t, err)
	near, far = dial()
	_, err = near.Write([]byte("new"))
	require.NoError(t, err)
	_, err = io.ReadFull(far, buf)
	require.NoError(t, err)
	require.Equal(t, "new", string(buf))
}

// The pieces of a stream are delayed side by side, and keep their order.
func TestStreamsAreDelayed(t *testing.T) {
	r := newRelays(t)
	near, far := dialer(t, r)()
	apply(t, r, "delay n1 -> n2 5ms..50ms")
	var want []byte
	begin := time.Now()
	for i := range 2 * piecesMax {
		want = append(want, byte(i))
		_, err := near.Write([]byte{byte(i)})
		require.NoError(t, err)
	}
	require.NoError(t, near.(*net.TCPConn).CloseWrite()) // what is on its way arrives all the same.
	got, err := io.ReadAll(far)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.GreaterOrEqual(t, time.Since(begin), 5*time.Millisecond)
}

func TestStreamsAreCloggedAndReset(t *testing.T) {
	r := newRelays(t)
	near, far := dialer(t, r)()
	apply(t, r, "clog n1 -> n2")
	_, err := near.Write([]byte("one"))
	require.NoError(t, err)
	buf := make([]byte, 3)
	_, err = far.Write([]byte("two"))
	require.NoError(t, err)
	_, err = io.ReadFull(near, buf)
	require.NoError(t, err)
	require.Equal(t, "two", string(buf), "the other way is open")
	apply(t, r, "heal-clog")
	_, err = io.ReadFull(far, buf)
	require.NoError(t, err)
	require.Equal(t, "one", string(buf))
	apply(t, r, "reset n2 -> n1")
	_, err = near.Write([]byte("six"))
	require.NoError(t, err)
	_, err = io.ReadFull(far, buf)
	require.NoError(t, err, "it is a connection of n1 to n2")
	apply(t, r, "reset n1 -> n2")
	n, err := far.Read(buf)
	require.Zero(t, n)
	require.Error(t, err)
}

func TestDisksAreSwapped(t *testing.T) {
	dir := t.TempDir()
	c := &Cluster{o: Options{Nodes: 3}, nodes: []*member{nil}}
	for i := 1; i <= 3; i++ {
		c.nodes = append(c.nodes,
			&member{name: "n" + string(rune('0'+i)), data: filepath.Join(dir, string(rune('0'+i)))})
	}
	for i := 1; i <= 2; i++ {
		require.NoError(t, os.Mkdir(c.nodes[i].data, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(c.nodes[i].data, "who"), []byte(c.nodes[i].name), 0o644))
	}
	who := func(i int) string {
		b, err := os.ReadFile(filepath.Join(c.nodes[i].data, "who"))
		require.NoError(t, err)
		return string(b)
	}
	f, err := chaos.ParseFault("swap-disks n1,n2")
	require.NoError(t, err)
	require.NoError(t, c.Apply(f))
	require.Equal(t, []string{"n2", "n1"}, []string{who(1), who(2)})
	require.NoError(t, c.swapDisks(1, 3))
	require.Equal(t, "n2", who(3))
	require.NoDirExists(t, c.nodes[1].data, "n3 had none")
	c.nodes[2].run = &run{}
	require.ErrorContains(t, c.Apply(f), "still up")
}

func TestUnsupportedFaultsAreRefusedByName(t *testing.T) {
	c := &Cluster{o: Options{Nodes: 3}}
	plan, err := chaos.ParsePlan("at 1s skew n2 +1500ms")
	require.NoError(t, err)
	require.ErrorContains(t, chaos.CheckSupported(plan, c), "no skew")
	require.ErrorContains(t, c.Apply(plan.Events[0].Fault), "no skew")
	_, err = Start(Options{Program: "kvs", Dir: "x", Nodes: 3, Base: chaos.Link{Corrupt: 1},
		Rand: rand.New(rand.NewPCG(1, 1))})
	require.ErrorContains(t, err, "corrupt")
}
