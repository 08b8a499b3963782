package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPoolUsesSlotsAgain(t *testing.T) {
	var p Pool[string]
	a, b := p.Put("a"), p.Put("b")
	require.Equal(t, "a", p.Take(a))
	require.Equal(t, a, p.Put("c"))
	require.Equal(t, "b", *p.At(b))
	require.Equal(t, 2, p.Used())
}
