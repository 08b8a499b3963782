package simcmd

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunDrawsAReport(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pages")
	code, out, errs := kvsim("run", "--scenario", plantedFailure(t), "--report", folder)
	require.Equal(t, ExitBroken, code, errs)
	m := regexp.MustCompile(`(?m)^report: (.*\.html)$`).FindStringSubmatch(out)
	require.NotNil(t, m, out)
	page, err := os.ReadFile(m[1])
	require.NoError(t, err)
	require.Contains(t, string(page), `"verdict":"linearizable"`)
	require.Contains(t, string(page), "kvsim run --seed 1 --scenario ")
	require.NotContains(t, string(page), `"picture":""`, "porcupine's view is inside")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	code, _, errs = kvsim("run", "--scenario", "quiet", "--duration", "1s", "--report", file)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "--report")
}
