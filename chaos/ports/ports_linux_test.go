package ports

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// A port is free at all the addresses. That of a connection that has ended is not, for a minute.
func TestFreeAtAllAddresses(t *testing.T) {
	port, err := FreeAt("127.9.0.1", "127.9.1.1")
	require.NoError(t, err)
	require.GreaterOrEqual(t, port, first)
	require.LessOrEqual(t, port, last)

	l, err := net.Listen("tcp", "127.9.1.1:0")
	require.NoError(t, err)
	defer l.Close()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 9, 0, 1)}}
	out, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	in, err := l.Accept()
	require.NoError(t, err)
	used := out.LocalAddr().(*net.TCPAddr).Port
	require.NoError(t, out.Close())
	_, err = in.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, in.Close())
	require.Greater(t, used, last)
	require.Error(t, free(used, 1, []string{"127.9.0.1", "127.9.1.1"}))
	require.NoError(t, free(used, 1, []string{"127.9.1.1"}))
}
