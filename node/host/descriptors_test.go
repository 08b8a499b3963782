package host

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/host/connections"
)

func TestFitConnections(t *testing.T) {
	for _, test := range []struct {
		limit, others int
		want          connections.Bounds
		few           bool
	}{
		{1 << 20, 40, connections.DefaultBounds, false},
		{20000, 40, connections.DefaultBounds, false},
		{8192, 40, connections.Bounds{Clients: 4096, Members: 256, Spares: 64,
			Watchers: 8192 - 40 - 512 - 256 - 64 - 4096}, false},
		{1024, 40, connections.Bounds{Clients: 1024 - 40 - 128 - 128 - 64, Members: 128, Spares: 64}, false},
		{128, 25, connections.Bounds{Clients: 47, Members: 16, Spares: 8}, false},
		{128, 64, connections.Bounds{Clients: 8, Members: 16, Spares: 8}, false},
		{128, 65, connections.Bounds{Clients: 7, Members: 16, Spares: 8}, true},
		{64, 60, connections.Bounds{Clients: 1, Members: 8, Spares: 4}, true},
	} {
		got, err := fitConnections(test.limit, test.others, connections.DefaultBounds.Watchers)
		require.Equal(t, test.want, got, "%d %d", test.limit, test.others)
		require.Equal(t, test.few, errors.Is(err, ErrDescriptors), "%v", err)
		if !test.few {
			require.LessOrEqual(t, test.others+got.Total()+32, test.limit, "a reserve is left")
		}
	}
	_, err := fitConnections(64, 20, 0)
	require.ErrorContains(t, err, "the limit is 64, and 72 are needed")
}

// The bounds follow what else is open, and connections do not count against themselves.
func TestDescriptorWatch(t *testing.T) {
	all, ours := 25, 0
	var told []int
	w := &descriptorWatch{
		limit: 128, count: func() (int, error) { return all, nil }, open: func() int { return ours },
		resize: func(b connections.Bounds) { told = append(told, b.Clients) },
	}
	require.NoError(t, w.look())
	all, ours = 65, 40
	require.NoError(t, w.look())
	all = 75 // the store has opened ten more files.
	require.NoError(t, w.look())
	w.count = func() (int, error) { return 0, errors.New("no /proc") }
	require.NoError(t, w.look())
	require.Equal(t, []int{47, 37}, told)
}

func TestOpenDescriptorsAreCounted(t *testing.T) {
	before, err := openDescriptors()
	require.NoError(t, err)
	require.Positive(t, before)
	limit, err := raiseDescriptorLimit()
	require.NoError(t, err)
	require.Greater(t, limit, before)
}
