package storetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

func testAbsent(t *testing.T, _ Disk, s *subject) {
	s.wantAbsent("nothing")
	require.Empty(t, s.keys("", ""))
}

func testPutOverwriteDelete(_ *testing.T, disk Disk, s *subject) {
	s.apply(put("k", "one"), put("other", "x"))
	s.wantValue("k", "one")
	s.apply(put("k", "two, and longer"))
	s.wantValue("k", "two, and longer")
	s.apply(del("k"))
	s.wantAbsent("k")
	s.apply(del("k"), del("never there"))
	s.wantAbsent("k")
	s.apply(put("k", "three"))
	s.wantValue("k", "three")
	s.wantValue("other", "x")
	s.reopen(disk)
	s.wantValue("k", "three")
}

func testEmptyBatch(t *testing.T, _ Disk, s *subject) {
	s.apply()
	require.NoError(t, s.store.Apply([]node.Change{}))
	s.apply(put("k", "v"))
	s.wantValue("k", "v")
}

func testLaterOpWins(t *testing.T, _ Disk, s *subject) {
	s.apply(put("a", "1"), put("b", "1"), put("a", "2"), del("b"), del("c"), put("c", "3"), put("a", "4"))
	s.wantValue("a", "4")
	s.wantAbsent("b")
	s.wantValue("c", "3")
	require.Equal(t, []string{"a", "c"}, s.keys("", ""))
}

func testEmptyValue(t *testing.T, disk Disk, s *subject) {
	check := func() {
		t.Helper()
		value, found := s.get("empty")
		require.True(t, found, "an empty value is a value")
		require.NotNil(t, value)
		require.Empty(t, value)
		require.Equal(t, []string{"empty", "full"}, s.keys("", ""))
	}
	s.apply(node.Change{Key: "empty", Value: []byte{}}, put("full", "x"))
	check()
	s.reopen(disk)
	check()
	s.reopen(disk) // by now it has been written to a table at the latest.
	check()
	s.apply(node.Change{Key: "empty", Value: nil})
	s.wantAbsent("empty")
}

// sortedKeys are in ascending byte order, and tell byte order from every other that comes to mind: separators below and
// above letters, zero bytes, prefixes of each other, bytes above 0x7f, invalid UTF-8.
var sortedKeys = []string{
	"\x00", "\x00\x00", "\x00\xff", "A", "a", "a\x00", "a\x00b", "a\x01", "a b", "a-", "a-b", "a.", "a/", "a/\x00",
	"a/b", "a/b/c",
	"a/c", "a0", "aa", "ab", "a\x7f", "a\x80", "a\xff", "a\xff\xff", "b", "r/é", "\xc3\xa9", "\xff", "\xff\x00",
	"\xff\xff",
}

func (s *subject) applySorted() {
	s.t.Helper()
	require.True(s.t, slices.IsSorted(sortedKeys))
	for i := range sortedKeys {
		key := sortedKeys[(i*7)%len(sortedKeys)] // 7 and the number of keys have no common factor, so each comes once.
		s.apply(put(key, "value of "+key))
	}
}

func testScanOrder(t *testing.T, disk Disk, s *subject) {
	s.applySorted()
	require.Equal(t, sortedKeys, s.keys("", ""))
	s.reopen(disk)
	require.Equal(t, sortedKeys, s.keys("", ""))
	require.NoError(t, s.store.Scan("", "", func(key string, value []byte) bool {
		require.Equal(t, "value of "+key, string(value))
		return true
	}))
}

func testScanBounds(t *testing.T, _ Disk, s *subject) {
	s.applySorted()
	bounds := append([]string{"", "a/a", "a/zz", "B", "zz", "\xfe", "\xff\xff\xff"}, sortedKeys...)
	for _, prefix := range bounds {
		for _, from := range bounds {
			want := []string{}
			for _, key := range sortedKeys {
				if strings.HasPrefix(key, prefix) && key >= from {
					want = append(want, key)
				}
			}
			require.Equal(t, want, s.keys(prefix, from), "prefix %q from %q", prefix, from)
		}
	}
}

func testScanStops(t *testing.T, _ Disk, s *subject) {
	s.applySorted()
	for stop := 1; stop <= 3; stop++ {
		got := []string{}
		require.NoError(t, s.store.Scan("a", "", func(key string, _ []byte) bool {
			got = append(got, key)
			return len(got) < stop
		}))
		require.Equal(t, sortedKeys[4:4+stop], got)
	}
	s.apply(put("after", "the scans")) // a stopped scan holds nothing back.
	s.wantValue("after", "the scans")
}

func testScanSkipsDeleted(t *testing.T, disk Disk, s *subject) {
	s.apply(put("a", "1"), put("b", "1"), put("c", "1"), put("d", "1"))
	s.apply(del("a"), del("c"))
	require.Equal(t, []string{"b", "d"}, s.keys("", ""))
	s.reopen(disk)
	require.Equal(t, []string{"b", "d"}, s.keys("", ""))
	s.apply(put("c", "2"), del("d"))
	require.Equal(t, []string{`"b"="1"`, `"c"="2"`}, s.content())
}

func testLongKeys(t *testing.T, disk Disk, s *subject) {
	base := strings.Repeat("k", KeyBytesMin-1)
	s.apply(put(base, "short one"), put(base+"a", "a"), put(base+"b", "b"), put(base+"\xff", "ff"))
	s.reopen(disk)
	s.wantValue(base, "short one")
	s.wantValue(base+"b", "b")
	require.Equal(t, []string{base + "b", base + "\xff"}, s.keys(base, base+"b"))
}

func testClosed(t *testing.T, _ Disk, s *subject) {
	s.apply(put("k", "v"))
	require.NoError(t, s.store.Close())
	require.Error(t, s.store.Apply([]node.Change{put("k", "w")}))
	_, _, err := s.store.Get("k")
	require.Error(t, err)
	require.Error(t, s.store.Scan("", "", func(string, []byte) bool { return true }))
}
