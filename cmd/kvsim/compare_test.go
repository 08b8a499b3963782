package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/sim/simcmd"
)

func TestCompareReplacesItsTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	code, _, stderr := kvsim("compare", "--world", "sim", "--scenario", "quiet", "--duration", "1s", "--update", file)
	require.Equal(t, simcmd.ExitUsage, code, stderr)
	require.NoError(t, os.WriteFile(file, []byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), 0o600))
	for range 2 {
		code, out, stderr := kvsim("compare", "--world", "sim", "--scenario", "quiet", "--duration", "1s", "--update",
			file)
		require.Equal(t, simcmd.ExitOK, code, stderr)
		require.Empty(t, out)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Regexp(t,
			`^before\n<!-- .* -->\n\n`+
				`\| scenario .*\n.*\n\| .quiet. \| 0 \| \d+ \| ok \| \d+\.\d\d s \|\n\n<!-- .* -->\nafter\n$`,
			string(text))
	}
	code, _, stderr = kvsim("compare", "--world", "moon")
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, stderr, "use sim, process, docker")
}

// What real nodes cannot have is said by name, not left out.
func TestCompareNamesWhatIsMissing(t *testing.T) {
	out := t.TempDir()
	code, table, stderr := kvsim("compare", "--world", "process", "--scenario", "lossy-network", "--out", out,
		"--kvs", "none")
	require.Equal(t, simcmd.ExitOK, code, stderr)
	require.Contains(t, table, "| - | no duplicate, reorder or corrupt | - |")
	names := strings.Join(realNames(), " ")
	require.Contains(t, names, "split-brain")
	require.NotContains(t, names, "swarm")
}
