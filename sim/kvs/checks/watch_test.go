package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// The alarm rings for a copy that lacks a path, has one too many, or another version of one.
func TestDiffers(t *testing.T) {
	one, two := node.Version{TS: 1}, node.Version{TS: 2}
	member := map[string]node.Version{"a": one, "b": two}
	require.Empty(t, differs(member, map[string]node.Version{"a": one, "b": two}))
	require.Equal(t, "b", differs(member, map[string]node.Version{"a": one}))
	require.Equal(t, "b", differs(member, map[string]node.Version{"a": one, "b": one}))
	require.Equal(t, "c", differs(member, map[string]node.Version{"a": one, "b": two, "c": one}))
}
