package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "7": 7, "512B": 512, "1KiB": 1024, "1 MiB": 1 << 20, "3GiB": 3 << 30, "1025B": 1025} {
		got, err := ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		back, err := ParseSize(got.String())
		require.NoError(t, err)
		require.Equal(t, want, back)
	}
	for _, text := range []string{"", "B", "1kb", "1.5MiB", "-1", "9999999999GiB", "1 MiB MiB", "+1", "0x10"} {
		_, err := ParseSize(text)
		require.Error(t, err, text)
	}
	require.Equal(t, "1MiB", Size(1<<20).String())
	require.Equal(t, "0B", Size(0).String())
}

func TestDurationsPrintAsPeopleWriteThem(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"500ms": 500 * time.Millisecond, "1m": time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute,
		"1m1s": 61 * time.Second, "10s": 10 * time.Second,
		"0s": 0, "1h0m10s": time.Hour + 10*time.Second,
	} {
		require.Equal(t, want, formatDuration(d))
		back, err := parseDuration(want)
		require.NoError(t, err)
		require.Equal(t, d, back)
	}
}

func TestNearestWord(t *testing.T) {
	words := []string{"listen", "level", "name", "seeds", "read_only"}
	for word, want := range map[string]string{
		"listne": "listen", "lisen": "listen", "levl": "level", "seed": "seeds", "readonly": "read_only",
		"nmae": "name", "x": "", "": "", "completely": "",
	} {
		require.Equal(t, want, Nearest(word, words), word)
	}
	require.Equal(t, 1, editDistance("ab", "ba"))
	require.Equal(t, 3, editDistance("kitten", "sitting"))
}
