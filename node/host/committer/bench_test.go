package committer_test

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/committer"
	"kvs/node/storetest"
)

// BenchmarkDurablePut measures 64 writers that each wait until their 100 bytes are on disk. The ratio of puts to
// Applies is what group commit gains.
func BenchmarkDurablePut(b *testing.B) {
	perApply := durablePuts(b, 64, b.N)
	b.ReportMetric(perApply, "puts/apply")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// The benchmark does not rot, and every put is there afterwards.
func TestDurablePuts(t *testing.T) {
	durablePuts(t, 64, 640)
}

// countingStore counts the batches.
type countingStore struct {
	node.Store
	applies atomic.Int64
}

func (s *countingStore) Apply(changes []node.Change) error {
	s.applies.Add(1)
	return s.Store.Apply(changes)
}

// durablePuts makes n puts from several writers over Badger. As in a node, one loop numbers and submits them.
func durablePuts(tb testing.TB, writers, n int) (perApply float64) {
	badger, err := badgerstore.Open(tb.Context(),
		badgerstore.DefaultOptions(tb.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil))))
	require.NoError(tb, err)
	defer badger.Close()
	store := &countingStore{Store: badger}

	type request struct {
		change node.Change
		done   chan error
	}
	var mu sync.Mutex
	var waiting []request // of persists released+1, released+2, ...
	released := node.PersistID(0)
	c, err := committer.New(committer.DefaultOptions(store, func(upTo node.PersistID, err error) {
		mu.Lock()
		ready := waiting[:upTo-released]
		waiting = waiting[upTo-released:]
		released = upTo
		mu.Unlock()
		for _, r := range ready {
			r.done <- err
		}
	}))
	require.NoError(tb, err)

	requests := make(chan request, writers)
	var loop, all sync.WaitGroup
	loop.Go(func() {
		id := node.PersistID(0)
		for r := range requests {
			id++
			mu.Lock()
			waiting = append(waiting, r)
			mu.Unlock()
			if err := c.Submit(node.Persist{ID: id, Changes: []node.Change{r.change}}); err != nil {
				tb.Error(err)
			}
		}
	})
	value := make([]byte, 100)
	var next atomic.Int64
	if b, ok := tb.(*testing.B); ok {
		b.ResetTimer()
	}
	for range writers {
		all.Go(func() {
			done := make(chan error, 1)
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				requests <- request{change: node.Change{Key: fmt.Sprintf("r/%08d", i), Value: value}, done: done}
				if err := <-done; err != nil {
					tb.Error(err)
				}
			}
		})
	}
	all.Wait()
	if b, ok := tb.(*testing.B); ok {
		b.StopTimer()
	}
	close(requests)
	loop.Wait()
	require.NoError(tb, c.Close())
	count := 0
	require.NoError(tb, badger.Scan("r/", "", func(string, []byte) bool { count++; return true }))
	require.Equal(tb, n, count)
	return float64(n) / float64(max(store.applies.Load(), 1))
}

// A group of the committer and the record that may be in it alone stay within what every store takes.
func TestGroupsFitEveryStore(t *testing.T) {
	o := committer.DefaultOptions(nil, nil)
	require.Less(t, o.GroupBytesMax, storetest.BatchBytesMin)
}
