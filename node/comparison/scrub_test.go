package comparison

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
)

// keyStore counts what is read of values.
type keyStore struct {
	values map[string][]byte
	keys   []string // sorted.
	bytes  int
}

func (s *keyStore) Get(key string) ([]byte, bool, error) {
	v, found := s.values[key]
	s.bytes += len(v)
	return v, found, nil
}

func (s *keyStore) Scan(prefix, from string, fn func(string, []byte) bool) error {
	return s.ScanKeys(prefix, from, func(key string) bool {
		s.bytes += len(s.values[key])
		return fn(key, s.values[key])
	})
}

func (s *keyStore) ScanKeys(prefix, from string, fn func(string) bool) error {
	i, _ := slices.BinarySearch(s.keys, max(prefix, from))
	for ; i < len(s.keys) && strings.HasPrefix(s.keys[i], prefix) && fn(s.keys[i]); i++ {
	}
	return nil
}

// The scrub reads no values to find its way, and no more of them at a time than the loop can wait for; it comes round.
func TestTheScrubIsBounded(t *testing.T) {
	const values, valueBytes = 20, 700 << 10
	s := &keyStore{values: map[string][]byte{}}
	for i := range values {
		path := fmt.Sprintf("k/%02d", i)
		stored := slot.Of(&slot.Record{TS: 1, UUID: slot.UUID{1}, Value: make([]byte, valueBytes)})
		s.values[schema.PrefixRecord+path] = slot.Encode(path, &stored)
		s.values[IndexKey(path)] = slot.AppendVersion(nil, stored.Version())
	}
	for key := range s.values {
		s.keys = append(s.keys, key)
	}
	slices.Sort(s.keys)
	shared := &step.Shared{Store: s, Tuning: contract.DefaultTuning()}
	shared.Overlay.Init()
	m := New(shared, nil)
	turns := 0
	for ; turns < 2 || m.index.scrub.record != "" || m.index.scrub.entry != ""; turns++ {
		require.Less(t, turns, 100, "it never comes round")
		s.bytes = 0
		shared.Now.Mono += time.Minute
		m.tickScrub()
		require.LessOrEqual(t, s.bytes, scrubBytesMax+valueBytes+64<<10)
	}
	require.Greater(t, turns, values*valueBytes/scrubBytesMax)
}

// A scrub tells by the key of an entry alone whether it is the one of its path.
func TestIsIndexKey(t *testing.T) {
	key := IndexKey("a/b")
	require.True(t, isIndexKey(key, "a/b"))
	for _, other := range []string{"a/c", "b", "", "/b"} {
		require.False(t, isIndexKey(key, other), other)
	}
	require.False(t, isIndexKey(schema.PrefixIndex+"zzzza/b", "a/b"))
	require.False(t, isIndexKey(schema.PrefixIndex, "a/b"))
}
