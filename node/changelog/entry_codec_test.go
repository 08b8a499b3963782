package changelog

import (
	"encoding/hex"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The stored form is what it was: see testdata.
func TestEntryGolden(t *testing.T) {
	b := encode(17, 0x0123456789abcdef, 4096, []string{"a", "dir/b"})
	want, err := os.ReadFile("testdata/change-v1.hex")
	require.NoError(t, err)
	require.Equal(t, string(want), hex.EncodeToString(b)+"\n", "stores of former versions would not be understood")
	d, ok := decode(key(17), b)
	require.True(t, ok)
	require.Equal(t, decoded{number: 17, log: 0x0123456789abcdef, first: 4096, paths: []string{"a", "dir/b"},
		bytes: len(b)}, d)
	for i := range b {
		_, ok := decode(key(17), b[:i])
		require.False(t, ok)
	}
	_, ok = decode(key(18), b)
	require.False(t, ok, "an entry belongs to its place")
}

func FuzzDecode(f *testing.F) {
	f.Add("w/00000011", encode(17, 1, 1, []string{"a"}))
	f.Add("w/", []byte{1})
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, k string, b []byte) {
		if d, ok := decode(k, b); ok {
			require.Equal(t, b, encode(d.number, d.log, d.first, d.paths))
			require.Equal(t, k, key(d.number))
		}
	})
}
