package hashed

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// Hashes have the length of the value, are the same for the same value and salt, and no two values share one.
func TestValues(t *testing.T) {
	a, same, other := newValues([SaltBytes]byte{1}), newValues([SaltBytes]byte{1}), newValues([SaltBytes]byte{2})
	for n := range 100 {
		value := bytes.Repeat([]byte{'x'}, n)
		hash := a.Value(value)
		require.Len(t, hash, n)
		require.Equal(t, hash, same.Value(value))
		require.Equal(t, bytes.Repeat([]byte{'x'}, n), value, "it is lent")
		if n > 2 {
			require.NotEqual(t, hash, value)
			require.NotEqual(t, hash, other.Value(value))
			require.NotContains(t, string(hash), "xxx")
		}
	}
	one := map[string]bool{}
	for i := range 256 {
		one[string(a.Value([]byte{byte(i)}))] = true
	}
	require.Len(t, one, 256)
	two := map[string]bool{}
	for i := range 1 << 12 {
		two[string(a.Value(binary.BigEndian.AppendUint16(nil, uint16(i*5))))] = true
	}
	require.Len(t, two, 1<<12)
	three := map[string]bool{}
	for i := range 1 << 12 {
		three[string(a.Value(binary.BigEndian.AppendUint32(nil, uint32(i))[1:]))] = true
	}
	require.Len(t, three, 1<<12)
}

func TestHashesOfHashes(t *testing.T) {
	a, other := newValues([SaltBytes]byte{1}), newValues([SaltBytes]byte{2})
	require.Zero(t, a.Hash(0))
	require.Equal(t, a.Hash(7), a.Hash(7))
	require.NotEqual(t, a.Hash(7), a.Hash(8))
	require.NotEqual(t, a.Hash(7), other.Hash(7))
}
