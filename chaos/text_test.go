package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFormatDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "1ns": 1, "1us": time.Microsecond, "1500us": 1500 * time.Microsecond,
		"1500ms": 1500 * time.Millisecond,
		"90s":    90 * time.Second, "5m": 5 * time.Minute, "-5m": -5 * time.Minute, "36h": 36 * time.Hour,
		"-1ms": -time.Millisecond,
	} {
		require.Equal(t, want, FormatDuration(d))
		back, err := ParseDuration(want)
		require.NoError(t, err)
		require.Equal(t, d, back)
	}
}

func TestRatioHasNoRounding(t *testing.T) {
	for ppm := int64(0); ppm <= PPMAll; ppm += 7 {
		back, err := ParseRatio(FormatRatio(ppm))
		if err != nil || back != ppm { // require is slow, with -race above all.
			t.Fatalf("%d became %d, %v", ppm, back, err)
		}
	}
	require.Equal(t, "-0.1%", FormatRatio(-1000), "only for messages: nothing parses it")
}
