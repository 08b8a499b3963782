package connections

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A client that takes its time with a request holds no spare place against one whose request comes at once: the node
// answered health checks with 503 as long as others kept all places with the first bytes of requests.
func TestUnfinishedRequestsGiveWay(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := New(inner, Options{Bounds: Bounds{Spares: 2}, Refusal: []byte("refused")})
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	answer := func(c net.Conn) string {
		b, _ := io.ReadAll(c) // the end may be a reset.
		return string(b)
	}
	begun := func() (client net.Conn, server *Conn) {
		client = dial()
		_, err := client.Write([]byte("G"))
		require.NoError(t, err)
		server = Of(<-accepted)
		require.True(t, server.Spare())
		_, err = server.Read(make([]byte, 1))
		require.NoError(t, err)
		return client, server
	}
	first, _ := begun()
	_, second := begun()
	third := dial()
	require.True(t, Of(<-accepted).Spare(), "the oldest gives way")
	require.Equal(t, "refused", answer(first))
	second.Known()
	fourth := dial()
	require.True(t, Of(<-accepted).Spare())
	require.Equal(t, "refused", answer(third), "it was silent")
	_, err = fourth.Write([]byte("G"))
	require.NoError(t, err)
	require.Equal(t, 2, l.Open())
	require.NoError(t, l.Close())
	<-accepted
}

// A connection whose request is there is not ended to make room for another.
func TestKnownRequestsStay(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := New(inner, Options{Bounds: Bounds{Spares: 1}, Refusal: []byte("refused")})
	accepted := make(chan net.Conn, 2)
	go func() {
		defer close(accepted)
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			accepted <- c
		}
	}()
	for i := range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		if i == 1 {
			b, _ := io.ReadAll(c)
			require.Equal(t, "refused", string(b))
			break
		}
		_, err = c.Write([]byte("G"))
		require.NoError(t, err)
		server := Of(<-accepted)
		_, err = server.Read(make([]byte, 1))
		require.NoError(t, err)
		server.Known()
	}
	_, refused := l.Refused()
	require.EqualValues(t, 1, refused)
	require.NoError(t, l.Close())
}
