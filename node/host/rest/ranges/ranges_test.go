package ranges

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for header, want := range map[string]string{
		"bytes=0-0": "0 1", "bytes=2-4": "2 5", "bytes=8-": "8 10", "bytes=-3": "7 10", "bytes=-99": "0 10",
		"bytes=5-99": "5 10", " bytes= 1 - 2": "1 3", "bytes=0-99999999999999999999": "0 10",
		"bytes=10-": "none", "bytes=99999999999999999999-": "none", "bytes=-0": "none",
		"": "all", "bytes=": "all", "bytes=-": "all", "lines=1-2": "all", "bytes=0-1,3-4": "all", "bytes=4-2": "all",
		"bytes=a-b": "all", "bytes=1--2": "all", "bytes=+1-2": "all",
	} {
		from, to, ok, err := Parse(header, 10)
		got := fmt.Sprintf("%d %d", from, to)
		switch {
		case err != nil:
			got = "none"
		case !ok:
			got = "all"
		}
		require.Equal(t, want, got, "%q", header)
	}
	_, _, ok, err := Parse("bytes=0-", 0)
	require.False(t, ok)
	require.ErrorIs(t, err, ErrUnsatisfiable)
}

func FuzzParse(f *testing.F) {
	f.Add("bytes=2-4", 10)
	f.Fuzz(func(t *testing.T, header string, size int) {
		if size < 0 {
			return
		}
		from, to, ok, err := Parse(header, size)
		if ok {
			require.NoError(t, err)
			require.True(t, 0 <= from && from < to && to <= size)
		}
	})
}
