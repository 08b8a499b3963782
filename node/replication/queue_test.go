package replication

import (
	"fmt"
	"kvs/node/slot"
	"kvs/node/wire"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSendQueue(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var q sendQueue
	model := []wire.Entry{}
	for i := range 5000 {
		if rng.IntN(3) == 0 && q.len() > 0 {
			require.Equal(t, model[0], q.pop())
			model = model[1:]
		} else {
			path := fmt.Sprintf("k%d", rng.IntN(60))
			r := slot.Record{TS: slot.Timestamp(i + 1), UUID: slot.UUID{1}, Value: make([]byte, rng.IntN(50))}
			e := wire.Entry{Path: path, Record: encode(path, &r)}
			replaced := false
			for j := range model {
				if model[j].Path == path {
					model[j], replaced = e, true
				}
			}
			if !replaced {
				model = append(model, e)
			}
			bytes := 0
			for j := range model {
				bytes += model[j].WireBytes()
			}
			want := uint64(0)
			for bytes > 3000 {
				bytes -= model[0].WireBytes()
				model = model[1:]
				want++
			}
			require.Equal(t, want, q.push(e, 3000))
			require.Equal(t, bytes, q.bytes)
		}
		require.Equal(t, len(model), q.len())
		require.Len(t, q.index, q.len())
	}
}

// What waits for a peer may be the end of a value whose place a write has taken.
func TestAQueuedEndGivesWayToTheWrite(t *testing.T) {
	value := slot.Record{TS: 100, UUID: slot.UUID{1, 6: 0x40}, Origin: 1, Expires: 1, Value: []byte("old")}
	ending := value.End()
	write := slot.Record{TS: 101, UUID: slot.UUID{0xff, 6: 0x40}, Origin: 3, Tombstone: true}
	end, put := slot.Of(&ending), slot.Of(&write)
	var q sendQueue
	q.push(wire.Entry{Path: "a", Record: slot.Encode("a", &end)}, 1<<20)
	q.push(wire.Entry{Path: "a", Record: slot.Encode("a", &put)}, 1<<20)
	require.Equal(t, slot.Encode("a", &put), q.pop().Record)
}

func encode(path string, r *slot.Record) []byte {
	s := slot.Of(r)
	return slot.Encode(path, &s)
}
