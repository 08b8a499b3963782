package process

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTailKeepsBothEnds(t *testing.T) {
	var tl tail
	for i := range 10_000 {
		fmt.Fprintf(&tl, "line %d\n", i)
	}
	require.Less(t, len(tl.String()), 3*tailBytesMax)
	require.Contains(t, tl.String(), "line 0\n")
	require.Contains(t, tl.String(), "line 9999\n")
	require.Contains(t, tl.String(), "[...]")
}
