package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
)

// What a node keeps of recent paths is what its store shows, or will once what is on its way is durable: whatever is
// written, at whatever level, merged, deleted for good, or lost in a crash.
func TestRecentPathsAreWhatTheStoreShows(t *testing.T) {
	b := newBenchWith(t, 3, grace(200*time.Millisecond))
	b.found(3)
	rng := rand.New(rand.NewPCG(3, 4))
	kept, erased := 0, 0
	check := func() {
		for _, m := range b.machine {
			for i := range 6 {
				path := fmt.Sprint("p", i)
				record, ok := m.node.RecentPath(path)
				if !m.replica.Up() || !ok {
					continue
				}
				kept++
				want, pending := m.node.Overlay.ByPath[path]
				if !pending {
					want.Record = m.get(schema.PrefixRecord + path)
				}
				require.True(t, bytes.Equal(want.Record, record), "%s on %s", path, m.name)
				if record == nil {
					erased++
				}
			}
		}
	}
	for range 400 {
		i, path, value := rng.IntN(3), fmt.Sprint("p", rng.IntN(6)), fmt.Sprint(rng.Uint32())
		switch {
		case !b.machine[i].replica.Up():
			b.start(i)
		case rng.IntN(40) == 0:
			b.crash(i)
		case rng.IntN(3) == 0:
			b.linear(i, []contract.OpKind{contract.OpGet, contract.OpPut, contract.OpDelete}[rng.IntN(3)], path, value,
				always)
		default:
			b.do(i, []contract.OpKind{contract.OpPut, contract.OpDelete}[rng.IntN(2)], path, value)
		}
		for range 5 {
			b.run(time.Duration(rng.IntN(20))*time.Millisecond, nil)
			check()
		}
	}
	b.run(time.Minute, nil)
	check()
	require.Greater(t, kept, 10_000)
	require.Greater(t, erased, 100)
}
