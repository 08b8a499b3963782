package progress

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSoakStateNotesSeedsInAnyOrder(t *testing.T) {
	s := State{First: 1, Next: 1}
	for _, seed := range []uint64{3, 2, 5} {
		s.Did(seed)
	}
	require.EqualValues(t, 1, s.Next)
	require.Equal(t, []uint64{2, 3, 5}, s.Done)
	s.Did(1)
	require.EqualValues(t, 4, s.Next)
	require.Equal(t, []uint64{5}, s.Done)
}
