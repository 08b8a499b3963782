package expiry

import (
	"encoding/hex"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/hlc"
	"kvs/node/slot"
)

// The stored form is what it was: see testdata.
func TestEntryGolden(t *testing.T) {
	uuid := slot.UUID{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}
	v := slot.Version{TS: hlc.Make(1_700_000_000_000, 7), UUID: uuid}
	e := entry{path: "a", version: v, since: 1000, life: 90_000}
	want, err := os.ReadFile("testdata/expiry-v1.hex")
	require.NoError(t, err)
	require.Equal(t, string(want), hex.EncodeToString(e.encode())+"\n",
		"stores of former versions would not be understood")
	got, ok := decode("a", e.encode())
	require.True(t, ok)
	require.Equal(t, e, got)
	for i := range entryBytes {
		_, ok := decode("a", e.encode()[:i])
		require.False(t, ok)
	}
}
