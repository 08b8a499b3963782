package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFileClockFollowsItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	_, err := FileClock(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	say := func(line string) { require.NoError(t, os.WriteFile(file, []byte(line+"\n"), 0o600)) }
	say("0 0 runs")
	_, err = FileClock(file)
	require.ErrorContains(t, err, "must hold a line")
	say("0 0 0 runs")
	c, err := FileClock(file)
	require.NoError(t, err)

	ahead := func() int64 { return c.Wall() - time.Now().UnixMilli() }
	require.InDelta(t, 0, ahead(), 1000)
	say("3600000 0 0 runs")
	require.InDelta(t, 3_600_000, ahead(), 1000)
	say("nonsense")
	require.InDelta(t, 3_600_000, ahead(), 1000, "it stays what it was")
	say("0 500000 1700000000000 runs")
	require.InDelta(t, (time.Now().UnixMilli()-1_700_000_000_000)/2, ahead(), 1000)
	say("0 0 0 1700000000001")
	require.Equal(t, int64(1_700_000_000_001), c.Wall())
	before := c.Mono()
	require.GreaterOrEqual(t, c.Mono(), before, "monotonic time has nothing to do with it")
}
