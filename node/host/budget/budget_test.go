package budget

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	const limit = 100_000
	for _, n := range []int{0, 1, SmallBytes - 1, SmallBytes, SmallBytes + 1, 50_000, limit, limit + 1, 2 * limit} {
		for _, announced := range []int{n, -1, n + 1} {
			text := strings.Repeat("abcdefg", n/7+1)[:n]
			room := &Bytes{Max: 1 << 20}
			body, held, err := Read(iotest.HalfReader(strings.NewReader(text)), announced, limit, room)
			require.EqualValues(t, held, room.Used())
			switch {
			case max(n, announced) > limit:
				require.ErrorIs(t, err, ErrTooLarge, "%d %d", n, announced)
			case announced > n:
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			default:
				require.NoError(t, err)
				require.Equal(t, text, string(body))
				require.Equal(t, n > SmallBytes || announced < 0 && n == SmallBytes, held > 0)
			}
		}
	}
	_, held, err := Read(strings.NewReader(strings.Repeat("x", 50_000)), 50_000, limit, &Bytes{Max: 20_000})
	require.ErrorIs(t, err, ErrNoRoom)
	require.Equal(t, 2*SmallBytes, held)
}
