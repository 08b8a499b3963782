package node

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/comparison"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim/memstore"
)

// filled is a store with keys records; those in lost are missing.
func filled(keys int, lost map[int]bool) *memstore.Store {
	s := memstore.New()
	for i := range keys {
		if lost[i] {
			continue
		}
		path := fmt.Sprintf("users/%07d/mail", i)
		r := slot.Record{TS: hlc.Make(1_600_000_000_000+int64(i), 0),
			UUID: slot.UUID{byte(i), byte(i >> 8), byte(i >> 16), 1}, Origin: 7, Value: []byte("v")}
		stored := slot.Of(&r)
		key := comparison.IndexKey(path)
		if err := s.Apply([]contract.Change{
			{Key: schema.PrefixRecord + path, Value: slot.Encode(path, &stored)},
			{Key: key, Value: slot.AppendVersion(nil, stored.Version())},
		}); err != nil {
			panic(err)
		}
	}
	return s
}

// difference lets two members find 100 records that one of them lacks, and reports what that takes. A comparison of all
// keys would take about 60 bytes a key.
func difference(t testing.TB, keys int) (messages, bytes int) {
	lost := map[int]bool{}
	for rng := rand.New(rand.NewPCG(1, 2)); len(lost) < 100; {
		lost[rng.IntN(keys)] = true
	}
	b := emptyBench(t)
	for i, store := range []*memstore.Store{filled(keys, nil), filled(keys, lost)} {
		b.add()
		b.restore(i, store)
	}
	b.spy = func(_ string, s contract.Send) { // every message of a comparison, records included.
		if kind := wire.Kind(s.Data[1]); s.Transport == contract.TransportFrame &&
			(kind.Compares() || kind == wire.KindReplicate) {
			messages, bytes = messages+1, bytes+len(s.Data)
		}
	}
	b.start(0)
	b.start(1)
	missing := func() int { return keys - b.machine[1].node.comparison.Keys() }
	b.run(time.Minute, func() bool { return missing() == 0 })
	require.Zero(t, missing())
	return messages, bytes
}

func TestDifferenceCostsWhatDiffers(t *testing.T) {
	_, few := difference(t, 2_000)
	_, many := difference(t, 20_000)
	require.Less(t, many, 5*few, "ten times the data")
}

func BenchmarkDifference(b *testing.B) {
	for _, keys := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			messages, bytes := 0, 0
			for range b.N {
				messages, bytes = difference(b, keys)
			}
			b.ReportMetric(float64(messages), "messages")
			b.ReportMetric(float64(bytes), "bytes")
		})
	}
}
