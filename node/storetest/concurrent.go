package storetest

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// testConcurrent reads beside a writer. Every batch writes its number under all keys, and the writer publishes a number
// once Apply has returned. A reader that begins after that must see at least this number, and must never see a later
// batch before an earlier one. With -race it also finds unguarded memory.
func testConcurrent(t *testing.T, s *subject) {
	const keys, batches, readers = 4, 60, 3
	var applied atomic.Uint64
	var done atomic.Bool
	write := func(n uint64) error {
		changes := make([]node.Change, 0, keys+1)
		for k := range keys {
			changes = append(changes,
				node.Change{Key: fmt.Sprintf("k%d", k), Value: binary.BigEndian.AppendUint64(nil, n)})
		}
		if n%10 == 0 { // now and then a batch that takes long.
			changes = append(changes, node.Change{Key: "large", Value: []byte(large(2<<20, byte(n)))})
		}
		return s.store.Apply(changes)
	}
	require.NoError(t, write(1))
	applied.Store(1)

	errs := make(chan error, readers+1)
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			var seen [keys]uint64
			for i := r; !done.Load(); i++ {
				if err := readOnce(s.store, i, &applied, seen[:]); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	for n := uint64(2); n <= batches; n++ {
		if err := write(n); err != nil {
			errs <- err
			break
		}
		applied.Store(n)
	}
	done.Store(true)
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

// readOnce gets one key, or scans them all, and compares with what it has seen of each before.
func readOnce(store node.Reader, i int, applied *atomic.Uint64, seen []uint64) error {
	check := func(key int, value []byte, atLeast uint64) error {
		n := binary.BigEndian.Uint64(value)
		if n < atLeast || n < seen[key] {
			return fmt.Errorf("key %d shows batch %d after batch %d was applied and %d was seen", key, n, atLeast,
				seen[key])
		}
		seen[key] = n
		return nil
	}
	atLeast := applied.Load()
	if i%4 != 0 {
		key := i % len(seen)
		value, found, err := store.Get(fmt.Sprintf("k%d", key))
		if err != nil || !found {
			return fmt.Errorf("key %d: found %v, error %w", key, found, err)
		}
		return check(key, value, atLeast)
	}
	count := 0
	var bad error
	err := store.Scan("k", "", func(_ string, value []byte) bool {
		bad = check(count, value, atLeast)
		count++
		return bad == nil
	})
	if err == nil && bad == nil && count != len(seen) {
		bad = fmt.Errorf("a scan showed %d of %d keys", count, len(seen))
	}
	if bad != nil {
		return bad
	}
	return err
}
