package slack

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)

	t.Setenv("GOMAXPROCS", "7")
	AddProcessor()
	require.Equal(t, before, runtime.GOMAXPROCS(0), "who runs the node has decided")

	t.Setenv("GOMAXPROCS", "")
	AddProcessor()
	require.Equal(t, before+1, runtime.GOMAXPROCS(0))
}
