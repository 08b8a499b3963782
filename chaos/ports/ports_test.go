package ports

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

var localhost = []string{"127.0.0.1"}

func TestFree(t *testing.T) {
	seen := map[int]bool{}
	for i := range 60 {
		count := 3 - i%3
		base, err := Free(count)
		require.NoError(t, err)
		for port := base; port < base+count; port++ {
			require.False(t, seen[port], "given twice")
			seen[port] = true
			require.GreaterOrEqual(t, port, first)
			require.LessOrEqual(t, port, last)
		}
	}
}

// Whoever listens already, by either protocol, is walked around.
func TestTakenPortsAreNotFree(t *testing.T) {
	base, err := Free(3)
	require.NoError(t, err)
	require.NoError(t, free(base, 3, localhost))
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+1))
	require.NoError(t, err)
	require.Error(t, free(base, 3, localhost))
	require.NoError(t, l.Close())
	u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", base+2))
	require.NoError(t, err)
	require.Error(t, free(base, 3, localhost))
	require.NoError(t, u.Close())
	require.NoError(t, free(base, 3, localhost))
}

func TestFreeRefusesNonsense(t *testing.T) {
	for _, count := range []int{-1, 0, last} {
		_, err := Free(count)
		require.ErrorContains(t, err, "in a row")
	}
}
