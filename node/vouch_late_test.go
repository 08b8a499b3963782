package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
)

// Stops that end just before the end of the wait, or just after it, are no silence either.
func TestAnOlderCopyIsFoundOutAfterAShortSleep(t *testing.T) {
	for _, ends := range []time.Duration{-100 * time.Millisecond, -time.Millisecond, 0, 99 * time.Millisecond} {
		b := onOlderCopy(t)
		b.start(2)
		b.sleep(2, vouchWait+ends)
		require.Equal(t, contract.ModeSyncing, b.machine[2].node.Mode())
		b.run(vouchWait, func() bool { return b.machine[2].node.Mode() != contract.ModeSyncing })
		require.Equal(t, contract.ModeFailed, b.machine[2].node.Mode(), "%v", ends)
	}
}
