package simcmd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The lines do not depend on how many runs go on at once, and stand in the order of the seeds.
func TestTraces(t *testing.T) {
	args := []string{"traces", "--scenario", "quiet,single-node-linearizable", "--seeds", "3..6"}
	code, one, errs := kvsim(append(args, "--jobs", "1")...)
	require.Equal(t, ExitOK, code, errs)
	_, three, _ := kvsim(append(args, "--jobs", "3")...)
	require.Equal(t, one, three)
	lines := strings.Split(strings.TrimSpace(one), "\n")
	require.Len(t, lines, 8)
	require.Regexp(t, `^quiet 3 ok [0-9a-f]{32}$`, lines[0])
	require.Regexp(t, `^single-node-linearizable 6 ok [0-9a-f]{32}$`, lines[7])
	for _, wrong := range []string{"--seeds=0..3", "--jobs=0", "--scenario=no-such-scenario"} {
		code, _, errs := kvsim("traces", wrong)
		require.Equal(t, ExitUsage, code, wrong)
		require.NotEmpty(t, errs)
	}
}
