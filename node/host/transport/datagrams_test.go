package transport

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

type packet struct {
	from string
	data []byte
}

func listen(t *testing.T) (*Datagrams, <-chan packet) {
	t.Helper()
	d, err := ListenDatagrams("127.0.0.1:0", NewResolver(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	got, done := make(chan packet, 100), make(chan struct{})
	go func() {
		defer close(done)
		d.Serve(func(from string, data []byte) { got <- packet{from, data} })
	}()
	t.Cleanup(func() {
		require.NoError(t, d.Close())
		<-done // Close ends Serve.
	})
	return d, got
}

func TestDatagramsReachTheOtherSocket(t *testing.T) {
	a, _ := listen(t)
	b, got := listen(t)
	largest := make([]byte, node.DatagramBytesMax)
	a.Send(b.Addr(), []byte("hello"))
	a.Send(b.Addr(), largest)
	for _, want := range [][]byte{[]byte("hello"), largest} {
		select {
		case p := <-got:
			require.Equal(t, packet{a.Addr(), want}, p)
		case <-time.After(patience):
			t.Fatal("no datagram")
		}
	}
	require.EqualValues(t, 2, a.Stats().Out)
	require.EqualValues(t, 2, b.Stats().In)
}

func TestDatagramsThatAreTooLongAreDropped(t *testing.T) {
	a, got := listen(t)
	a.Send(a.Addr(), make([]byte, node.DatagramBytesMax+1))
	require.EqualValues(t, 1, a.Stats().OutOversize)

	raw, err := net.Dial("udp", a.Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, raw.Close()) }()
	for _, n := range []int{node.DatagramBytesMax + 1, 9000} {
		_, err = raw.Write(make([]byte, n))
		require.NoError(t, err)
	}
	_, err = raw.Write([]byte("short"))
	require.NoError(t, err)
	select {
	case p := <-got:
		require.Equal(t, "short", string(p.data))
	case <-time.After(patience):
		t.Fatal("no datagram")
	}
	require.EqualValues(t, 2, a.Stats().InOversize)
}

func TestDatagramsToNobodyAreCounted(t *testing.T) {
	a, _ := listen(t)
	a.Send("nonsense", []byte("x"))
	require.EqualValues(t, 1, a.Stats().Unresolved)
	a.Send("[2001:db8::1]:9", []byte("x")) // not from an IPv4 socket.
	require.EqualValues(t, 1, a.Stats().Errors)
	require.Zero(t, a.Stats().Out)
}

func TestAGossipPortInUseIsAnError(t *testing.T) {
	a, _ := listen(t)
	_, err := ListenDatagrams(a.Addr(), NewResolver(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, a.Addr())
	_, err = ListenDatagrams("127.0.0.1:0", nil, nil)
	require.ErrorContains(t, err, "required")
}
