package badgerstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// Keys alone are those that a scan shows, those of large values included.
func TestScanKeys(t *testing.T) {
	s := openT(t, t.TempDir())
	require.NoError(t, s.Apply([]node.Change{put("a/1", "v"), put("b/1", strings.Repeat("x", 2<<20)), put("b/2", ""),
		put("b/3", "v"), put("c", "v")}))
	for _, from := range []string{"", "b/", "b/2", "b/9", "c"} {
		var want, got []string
		require.NoError(t, s.Scan("b/", from, func(key string, _ []byte) bool {
			want = append(want, key)
			return true
		}))
		require.NoError(t, s.ScanKeys("b/", from, func(key string) bool {
			got = append(got, key)
			return true
		}))
		require.Equal(t, want, got, from)
	}
	var first []string
	require.NoError(t, s.ScanKeys("b/", "", func(key string) bool {
		first = append(first, key)
		return false
	}))
	require.True(t, slices.Equal(first, []string{"b/1"}))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.ScanKeys("", "", nil), ErrClosed)
}
