package relive

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/recorder"
)

// A scan that failed behind a key may have been stopped there by the core or not: a store reports the failure either
// way.
func TestScanThatFails(t *testing.T) {
	for _, more := range []bool{true, false} {
		var s played
		s.begin([]recorder.Read{{Kind: recorder.ReadScan, Key: "g/", Err: errors.New("input/output error"),
			Shown: []recorder.Shown{{Key: "g/a"}}}})
		err := s.Scan("g/", "", func(string, []byte) bool { return more })
		require.EqualError(t, err, "input/output error")
		why, _, _ := s.end()
		require.Empty(t, why)
	}
}
